/** Where we are: the address's fragment, so that every view has a link and the server needs to know none of them. */
import { signal } from "@preact/signals";

export interface Place { parts: string[]; query: URLSearchParams }

function here(): Place {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const decode = (part: string) => { try { return decodeURIComponent(part); } catch { return part; } };
  return { parts: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

export const place = signal<Place>(here());
window.addEventListener("hashchange", () => { place.value = here(); });

export function go(to: string): void {
  location.hash = to;
}

/** Another query of the same view; no new step to go back to. */
export function refine(query: Record<string, string>): void {
  const kept = new URLSearchParams(Object.entries(query).filter(([, v]) => v));
  const text = kept.toString();
  history.replaceState(null, "", `#/${place.value.parts.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`);
  place.value = here();
}

export const taskLink = (id: string): string => `#/tasks/${id}`;
