// The same console over https, where the API asks for a token: VALENCE_CONSOLE_URL, VALENCE_CONSOLE_TOKEN, VALENCE_CONSOLE_CERTIFICATE. Started by tests/console.rs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "./browser.mjs";

const base = process.env.VALENCE_CONSOLE_URL;
const token = process.env.VALENCE_CONSOLE_TOKEN;
assert.ok(base && token, "VALENCE_CONSOLE_URL and VALENCE_CONSOLE_TOKEN say where, and as whom");

let browser;
before(async () => { browser = await start({ certificate: process.env.VALENCE_CONSOLE_CERTIFICATE }); });
after(async () => { await browser?.close(); });

test("a token is asked for, a wrong one refused, the right one kept in this tab alone and forgotten on demand", async () => {
  const page = await browser.context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (m) => { if (m.type() === "error" && !m.text().startsWith("Failed to load resource")) complaints.push(m.text()); });
  const opened = await page.goto(`${base}/console/#/queues`);
  assert.match((await opened.securityDetails()).protocol, /^TLS 1\.[23]$/);
  const dialog = page.getByRole("dialog", { name: "Bearer token" });
  const give = async (text) => {
    await dialog.getByLabel("Token").fill(text);
    await dialog.getByRole("button", { name: "Use it" }).click();
  };
  await give("wrong");
  await dialog.getByText("does not take this token: a known bearer token is wanted.").waitFor();
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
  assert.deepEqual(complaints, [], "the page has no error, and breaks its own Content-Security-Policy nowhere");
});
