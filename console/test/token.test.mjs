// The same console where the API asks for a token: VALENCE_CONSOLE_URL and VALENCE_CONSOLE_TOKEN. Started by tests/console.rs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "./browser.mjs";

const base = process.env.VALENCE_CONSOLE_URL;
const token = process.env.VALENCE_CONSOLE_TOKEN;
assert.ok(base && token, "VALENCE_CONSOLE_URL and VALENCE_CONSOLE_TOKEN say where, and as whom");

let browser;
before(async () => { browser = await start(); });
after(async () => { await browser?.close(); });

test("a token is asked for, a wrong one refused, the right one kept in this tab alone and forgotten on demand", async () => {
  const page = await browser.context.newPage();
  await page.goto(`${base}/console/#/queues`);
  const dialog = page.getByRole("dialog", { name: "Bearer token" });
  const give = async (text) => {
    await dialog.getByLabel("Token").fill(text);
    await dialog.getByRole("button", { name: "Use it" }).click();
  };
  await give("wrong");
  await dialog.getByText("does not know this token").waitFor();
  await give(token);
  await page.getByRole("table", { name: "Queues by topic" }).waitFor();
  await page.getByText("live", { exact: true }).waitFor();
  await page.reload();
  await page.getByRole("table", { name: "Queues by topic" }).waitFor();
  assert.ok(!(await page.evaluate(() => JSON.stringify(localStorage))).includes(token), "it is not kept beyond the tab");

  const other = await browser.context.newPage();
  await other.goto(`${base}/console/#/queues`);
  await other.getByRole("dialog", { name: "Bearer token" }).waitFor();

  await page.getByRole("button", { name: "Sign out" }).click();
  await dialog.waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});
