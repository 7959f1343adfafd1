/** Dark or light: as the system has it, unless chosen. */
import { effect, signal } from "@preact/signals";

const KEY = "valence-theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const chosen = signal(localStorage.getItem(KEY));

export const theme = signal<"dark" | "light">("light");

function settle(): void {
  theme.value = chosen.value === "dark" || chosen.value === "light" ? chosen.value : system.matches ? "dark" : "light";
}

system.addEventListener("change", settle);
effect(settle);
effect(() => { document.documentElement.dataset["theme"] = theme.value; });

export function toggle(): void {
  const other = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, other);
  chosen.value = other;
}
