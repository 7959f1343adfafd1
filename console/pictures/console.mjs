// Pictures of the console for the docs: node console.mjs API FOLDER-FOR-PNG; `make pictures` calls it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { start } from "../test/browser.mjs";

const [base, to] = process.argv.slice(2);
mkdirSync(to, { recursive: true });
const live = await (await fetch(`${base}/v1/tasks?state=waiting&limit=1`)).json();
const views = [
  ["console-overview", "", { colorScheme: "light", viewport: { width: 1180, height: 760 } }],
  ["console-podms", "podms", { colorScheme: "dark", viewport: { width: 1180, height: 640 } }],
  ["console-task", `tasks/${live.tasks[0]?.id ?? ""}`, { colorScheme: "light", viewport: { width: 360, height: 760 } }],
];
for (const [name, view, options] of views) {
  const browser = await start(options);
  const page = await browser.context.newPage();
  await page.goto(`${base}/console/#/${view}`);
  await page.getByText("live", { exact: true }).waitFor();
  await page.locator(".card").first().waitFor();
  await page.locator(".loading").first().waitFor({ state: "detached" });
  await page.screenshot({ path: join(to, `${name}.png`) });
  await browser.close();
}
