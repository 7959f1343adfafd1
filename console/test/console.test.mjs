// What an operator relies on, tried in a real browser on a real deployment: VALENCE_CONSOLE_URL is its API, VALENCE_SIM_URLS its
// simulated Pod Managers (podm0, podm1). Started by tests/console.rs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { start } from "./browser.mjs";

const base = process.env.VALENCE_CONSOLE_URL;
const sims = (process.env.VALENCE_SIM_URLS ?? "").split(",");
assert.ok(base, "VALENCE_CONSOLE_URL says where the API is");

const VIEWS = ["", "tasks", "podms", "nodes", "compose", "queues", "dead-letters", "workers", "flavors", "schedules", "telemetry", "audit", "no-such-view"];

let browser;
let page;
let complaints;

before(async () => { browser = await start(); });
after(async () => { await browser?.close(); });
beforeEach(async () => {
  page = await browser.context.newPage();
  complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  // The browser tells of every answer that is an error; what is wrong with the page itself is anything else.
  page.on("console", (m) => { if (m.type() === "error" && !m.text().startsWith("Failed to load resource")) complaints.push(m.text()); });
  await page.goto("about:blank");
});
afterEach(async () => {
  await page.close();
  assert.deepEqual(complaints, [], "the page has no error, and breaks its own Content-Security-Policy nowhere");
});

async function api(path, method = "GET", body) {
  const response = await fetch(base + path, {
    method, headers: { "content-type": "application/json", prefer: "respond-async" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

const submit = (kind, params) => api("/v1/tasks", "POST", { kind, params });

async function until(what, look, limit = 30_000) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < end, `not in time: ${what}`);
    await new Promise((go) => setTimeout(go, 50));
  }
}

const open = async (path) => {
  await page.goto(`${base}/console/#/${path}`);
  await page.locator("main h1").waitFor();
};
const chip = (word) => page.locator("main h1 .chip", { hasText: new RegExp(`^${word}$`) });
const answer = (name) => page.getByRole("dialog").getByRole("button", { name, exact: true });

test("a node is composed from a flavor, placed by Valence, and its task followed to its end", async () => {
  await api("/v1/flavors", "POST", { name: "small", properties: { memory: { capacity_mib: "1024" } } });
  await until("the flavor is there", async () => (await api("/v1/flavors")).length > 0);
  await open("compose");
  await page.getByLabel("Name", { exact: true }).fill("from-flavor");
  await page.getByLabel("Flavor").selectOption({ label: "small" });
  await page.getByRole("button", { name: "Compose", exact: true }).click();
  await page.waitForURL(/#\/tasks\//);
  await chip("completed").waitFor();
  const nodes = await api("/v1/nodes");
  assert.ok(nodes.some((n) => n.name === "from-flavor"));
  await open("nodes");
  await page.getByRole("link", { name: "from-flavor" }).click();
  await page.getByText("redfish/v1/Nodes").first().waitFor();
});

test("a node is composed at the Pod Manager that was chosen, and deleted again", async () => {
  await open("compose");
  await page.getByLabel("Name", { exact: true }).fill("at-podm1");
  await page.getByLabel("Flavor").selectOption("");
  await page.getByLabel("Memory, MiB").fill("1024");
  await page.getByLabel("Pod Manager").selectOption({ label: "podm1 (online)" });
  await page.getByRole("button", { name: "Compose", exact: true }).click();
  await chip("completed").waitFor();
  const node = (await api("/v1/nodes")).find((n) => n.name === "at-podm1");
  const podm = (await api("/v1/pod_managers")).find((p) => p.name === "podm1");
  assert.equal(node.podm_id, podm.uuid);
  await open(`nodes/${node.uuid}`);
  await page.getByRole("button", { name: "Delete" }).click();
  await answer("Delete the node").click();
  await page.waitForURL(/#\/tasks\//);
  await chip("completed").waitFor();
  assert.ok(!(await api("/v1/nodes")).some((n) => n.uuid === node.uuid));
});

test("an impossible request is refused with the API's own words, and nothing is sent twice", async () => {
  await open("compose");
  await page.getByLabel("Name", { exact: true }).fill("x");
  const keys = [];
  await page.route("**/v1/nodes", async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    await route.fulfill({ status: 400, contentType: "application/json", body: JSON.stringify({ detail: "no such flavor", status: 400 }) });
  });
  const button = page.getByRole("button", { name: "Compose", exact: true });
  await button.click();
  await page.getByRole("alert").getByText("no such flavor").waitFor();
  await button.click();
  await until("the second request", async () => keys.length === 2);
  assert.ok(keys[0] && keys[0] === keys[1], "the same form sent again is the same request");
});

test("a flavor is made, composed from, and deleted", async () => {
  await open("flavors");
  await page.getByLabel("Name", { exact: true }).fill("tiny");
  await page.getByLabel("Memory, MiB").fill("2048");
  await page.getByRole("button", { name: "Store the flavor" }).click();
  await page.getByRole("cell", { name: "2048 MiB of memory" }).waitFor();
  await page.getByRole("link", { name: "Compose a node from tiny" }).click();
  await page.getByLabel("Name", { exact: true }).fill("of-tiny");
  assert.equal(await page.getByLabel("Flavor").locator("option:checked").textContent().then((t) => t.includes("tiny")), true);
  await page.getByRole("button", { name: "Compose", exact: true }).click();
  await chip("completed").waitFor();
  await open("flavors");
  await page.getByRole("button", { name: "Delete tiny" }).click();
  await answer("Delete the flavor").click();
  await until("it is gone", async () => !(await api("/v1/flavors")).some((f) => f.name === "tiny"));
});

test("a schedule is switched off, and deleted", async () => {
  const { id } = await api("/v1/schedules", "POST", { name: "nightly", every_s: 3600, task: { kind: "noop" } });
  await open("schedules");
  await page.getByRole("button", { name: "Switch nightly off" }).click();
  await page.getByRole("button", { name: "Switch nightly on" }).waitFor();
  assert.equal((await api(`/v1/schedules/${id}`)).enabled, false);
  await page.getByRole("button", { name: "Delete nightly" }).click();
  await answer("Delete the schedule").click();
  await until("it is gone", async () => (await api("/v1/schedules")).schedules.length === 0);
});

test("the audit log shows who changed what, and is filtered", async () => {
  await submit("noop", {});
  await open("audit");
  await page.getByRole("cell", { name: "POST /v1/tasks", exact: true }).first().waitFor();
  await page.getByLabel("Action").fill("PATCH");
  await page.getByLabel("Action").press("Enter");
  await until("only those are left", async () => (await page.getByRole("cell", { name: "POST /v1/tasks", exact: true }).count()) === 0);
});

test("readings are shown with their age", async () => {
  const [podm] = await api("/v1/pod_managers");
  await api("/v1/telemetry/collect", "POST", { podm_id: podm.uuid });
  await until("there are readings", async () => (await api("/v1/telemetry/readings")).length > 0);
  await open("telemetry");
  await page.getByRole("button", { name: `Show all readings of ${podm.name}` }).click();
  await page.getByRole("cell", { name: /°C$/ }).first().waitFor();
  await page.getByLabel("Kind").selectOption("power");
  await page.getByRole("cell", { name: / W$/ }).first().waitFor();
});

test("of thousands of readings those that are not OK are seen at once, and the others when they are asked for", async () => {
  const of = (podm, n, more) => ({ podm_id: podm, name: `Inlet ${n}`, resource_uri: `/redfish/v1/Chassis/${n % 3}/Thermal#/${n}`, kind: "temperature", value: 20 + n % 9, unit: "Cel", health: "OK", read_at: "", age_s: 5, stale: false, ...more });
  const readings = Array.from({ length: 2000 }, (_none, n) => of(`podm-${n % 20}`, n, {}));
  readings.push(of("podm-7", 9001, { name: "Outlet", health: "Critical", value: 91 }), of("podm-3", 9002, { name: "Old one", stale: true, age_s: 7200 }));
  // In pages, as the API gives them.
  await page.route("**/v1/telemetry/readings*", (route) => {
    const query = new URL(route.request().url()).searchParams;
    const from = Number(query.get("marker") ?? 0), next = from + Number(query.get("limit"));
    return route.fulfill({ json: { readings: readings.slice(from, next), ...(next < readings.length && { marker: String(next) }) } });
  });
  await open("telemetry");
  const parts = page.getByRole("region", { name: /^Readings of/ });
  assert.equal(await parts.first().getAttribute("aria-label"), "Readings of podm-7", "what is critical stands first");
  await parts.first().getByRole("cell", { name: "91 °C" }).waitFor();
  assert.equal(await parts.nth(1).getAttribute("aria-label"), "Readings of podm-3");
  assert.equal(await page.getByRole("row", { name: /Inlet|Outlet|Old one/ }).count(), 2, "nothing that is well is drawn unasked");
  await page.getByRole("button", { name: "Show all readings of podm-7" }).click();
  await page.getByRole("table", { name: "Readings of podm-7" }).getByRole("cell", { name: "Chassis 1" }).first().waitFor();
  await page.getByRole("button", { name: "Hide the readings of podm-7" }).click();
  await page.getByLabel("Health").selectOption("not OK");
  await until("only the two are left", async () => (await parts.count()) === 2);
  await page.getByLabel("Health").selectOption("");
  await page.getByLabel("Find").fill("inlet 1999");
  await page.getByRole("cell", { name: "Inlet 1999" }).waitFor();
});

test("a Pod Manager is changed: only what was changed is sent, and what is wrong is said at its field", async () => {
  const podm = (await api("/v1/pod_managers")).find((p) => p.name === "podm0");
  const sent = [];
  page.on("request", (r) => { if (r.method() === "PATCH") sent.push(r.postDataJSON()); });
  const store = () => page.getByRole("button", { name: "Store" }).click();
  const wrong = (field) => page.locator(`#about-${field}[role=alert]`);
  await open("podms");
  await page.getByRole("region", { name: "Pod Manager podm0" }).getByRole("link", { name: "Change" }).click();
  await page.getByLabel("Name", { exact: true }).fill("podm1");
  await store();
  await wrong("name").getByText(/duplicated name/).waitFor();
  assert.equal(await page.getByLabel("Name", { exact: true }).getAttribute("aria-invalid"), "true");
  await until("the field is where one can type at once", () => page.evaluate(() => document.activeElement?.getAttribute("name") === "name"));
  await page.getByLabel("Name", { exact: true }).fill("podm0");
  await page.getByLabel(/^Labels/).fill("a:b=c");
  await store();
  await wrong("labels").getByText(/names of 1 to/).waitFor();
  await page.getByLabel(/^Labels/).fill("room=3");
  await page.getByLabel("User").fill("somebody-else");
  await store();
  await wrong("password").getByText(/password/).waitFor();
  await page.getByLabel("User").fill(podm.authentication[0].auth_items.username);
  const asked = sent.length;
  await page.getByLabel("Changes at once").fill("300");
  await store();
  assert.equal(await page.getByLabel("Changes at once").evaluate((e) => e.validity.rangeOverflow), true);
  assert.equal(sent.length, asked, "what cannot be is not sent");
  await page.getByLabel("Changes at once").fill("6");
  await page.getByLabel("Location").fill("hall 2");
  await store();
  await page.getByRole("heading", { name: "Pod Managers", level: 1 }).waitFor();
  assert.deepEqual(sent.at(-1), { location: "hall 2", labels: { room: "3" }, max_changes: 6 });
  const now = (await api("/v1/pod_managers")).find((p) => p.uuid === podm.uuid);
  assert.deepEqual([now.name, now.location, now.labels, now.max_changes], ["podm0", "hall 2", { room: "3" }, 6]);
});

test("the password of a Pod Manager is sent, and never shown", async () => {
  const podm = (await api("/v1/pod_managers")).find((p) => p.name === "podm0");
  let body;
  await page.route(`**/v1/pod_managers/${podm.uuid}`, (route) => {
    if (route.request().method() !== "PATCH") return route.continue();
    body = route.request().postDataJSON();
    return route.fulfill({ json: podm });
  });
  await open(`podms/${podm.uuid}/change`);
  const field = page.getByLabel("New password");
  await field.waitFor();
  assert.deepEqual([await field.inputValue(), await field.getAttribute("type")], ["", "password"]);
  await field.fill("s3cret of the rack");
  await page.getByRole("button", { name: "Store" }).click();
  await page.getByText("podm0 is changed.").waitFor();
  const user = podm.authentication[0].auth_items.username;
  assert.deepEqual(body, { authentication: [{ type: "basic", auth_items: { username: user, password: "s3cret of the rack" } }] });
  await open(`podms/${podm.uuid}/change`);
  assert.equal(await field.inputValue(), "");
});

test("of a thousand Pod Managers, hundreds of them stuck, the overview names some and says how many more there are", async () => {
  const all = Array.from({ length: 1000 }, (_none, n) => ({ uuid: `id-${n}`, name: `rack-${n}`, url: `https://rack-${n}`, driver: "redfishv1", status: n % 4 ? "Online" : "Offline" }));
  await page.route("**/v1/pod_managers", (route) => route.fulfill({ json: all }));
  await page.route("**/v1/pod_managers/states*", (route) => route.fulfill({ json: { states: [] } }));
  await open("");
  const alarms = page.locator("#attention li", { hasText: "Pod Manager" });
  await page.getByText("240 more Pod Managers").waitFor();
  assert.equal(await alarms.count(), 11);
  await page.getByText("750 of 1000").waitFor();
  await open("podms");
  await page.getByText("60 of 1,000; a search finds the others.").waitFor();
  assert.equal(await page.getByRole("region", { name: /^Pod Manager/ }).count(), 60);
  await page.getByLabel("Find").fill("rack-999");
  await page.getByRole("region", { name: "Pod Manager rack-999" }).waitFor();
});

test("a running task is cancelled", async () => {
  const { id } = await submit("sleep", { ms: 600_000, steps: 1 });
  await open("tasks");
  await page.locator(`a[href="#/tasks/${id}"]`).click();
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await answer("Cancel the task").click();
  await chip("cancelled").waitFor();
  assert.equal((await api(`/v1/tasks/${id}`)).state, "cancelled");
});

test("a dead letter is redriven, alone and with all others", async () => {
  const { id } = await submit("sleep", { ms: 1, steps: 1, fail: true });
  const failures = async () => (await api(`/v1/tasks/${id}`)).history.filter((h) => h.state === "failed").length;
  await until("it has failed", async () => (await failures()) === 1);
  await open("dead-letters");
  await page.getByRole("row", { name: new RegExp(id.slice(-10)) }).getByRole("button", { name: /Redrive/ }).click();
  await until("it has failed again", async () => (await failures()) === 2);
  await open("dead-letters?kind=sleep");
  await page.getByRole("button", { name: "Redrive all that fit" }).click();
  await page.getByRole("dialog").getByText("Redrive 1 dead letter?").waitFor();
  await answer("Redrive").click();
  await until("it has failed a third time", async () => (await failures()) === 3);
});

test("a Pod Manager is cordoned and uncordoned", async () => {
  await open("podms");
  const card = page.getByRole("region", { name: "Pod Manager podm0" });
  await card.getByRole("button", { name: "Cordon" }).click();
  await answer("Cordon").click();
  await card.getByText("cordoned", { exact: true }).waitFor();
  const podm = async () => (await api("/v1/pod_managers")).find((p) => p.name === "podm0");
  assert.equal((await podm()).cordoned, true);
  await card.getByRole("button", { name: "Uncordon" }).click();
  await until("it takes work again", async () => !(await podm()).cordoned);
  await card.getByRole("button", { name: "Cordon" }).waitFor();
});

test("a queue is paused, which the overview says, and resumed", async () => {
  await open("queues");
  await page.getByRole("button", { name: "Pause network" }).click();
  await answer("Pause").click();
  await page.getByRole("button", { name: "Resume network" }).waitFor();
  await open("");
  await page.locator("#attention").getByText("Queue network is paused").waitFor();
  await open("queues");
  await page.getByRole("button", { name: "Resume network" }).click();
  await page.getByRole("button", { name: "Pause network" }).waitFor();
});

test("changes arrive as they happen, not only when the page asks", async () => {
  const { id } = await submit("sleep", { ms: 600_000, steps: 1 });
  await open(`tasks/${id}`);
  await chip("running").waitFor();
  await page.getByText("live", { exact: true }).waitFor();
  // From here on the task cannot be read any more: what is shown comes with the event.
  await page.route(`**/v1/tasks/${id}`, (route) => route.abort());
  await api(`/v1/tasks/${id}/cancel`, "POST");
  await chip("cancelled").waitFor();
});

test("the stream is resumed where it ended, and after a reset all is read anew", async () => {
  const positions = [];
  await page.route("**/v1/events", async (route) => {
    positions.push(route.request().headers()["last-event-id"]);
    const body = positions.length === 1
      ? "id: 7-3\n\n"
      : 'id: 7-4\nevent: reset\ndata: {"detail":"read anew"}\n\n';
    await route.fulfill({ status: 200, contentType: "text/event-stream", body });
  });
  // Flavors are read every 30 seconds, and no task's change is of interest to them.
  let read = 0;
  await page.route("**/v1/flavors", (route) => { read += 1; return route.continue(); });
  await open("compose");
  await until("a second connection", async () => positions.length >= 2);
  assert.deepEqual(positions.slice(0, 2), [undefined, "7-3"]);
  await until("flavors are read anew", async () => read > 1, 10_000);
});

test("a stuck Pod Manager is the first thing on the overview, with the reason", async () => {
  const podm = (await api("/v1/pod_managers")).find((p) => p.name === "podm1");
  const faults = (list) => fetch(`${sims[1]}/sim/faults`, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(list) });
  assert.ok((await faults([{ hang: true }])).ok);
  const ids = [];
  try {
    for (let n = 0; n < 6; n += 1) ids.push((await api("/v1/nodes", "POST", { name: `stuck${n}`, podm_id: podm.uuid })).id);
    await open("");
    const first = page.locator("#attention li").first();
    await first.getByText(/Pod Manager podm1.* is (stuck|slow): /).waitFor({ timeout: 60_000 });
    await first.getByRole("link").click();
    const card = page.getByRole("region", { name: /^Pod Manager/ }).first();
    await until("the worst stands first", async () => (await card.getAttribute("aria-label")) === "Pod Manager podm1");
    await card.getByText(/wait/).first().waitFor();
    await card.getByText(/held by/).click();
    const holder = await card.locator("details a").first().getAttribute("href");
    assert.ok(ids.includes(holder.split("/").pop()), "it says which tasks are in its gate");
    // A waiting task says who is in its way.
    const waiting = await until("a task waits", async () => (await api(`/v1/tasks?state=waiting&podm_id=${podm.uuid}`)).tasks[0]);
    await open(`tasks/${waiting.id}`);
    await page.getByText("In its way:").waitFor();
    await page.setViewportSize({ width: 360, height: 740 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `a waiting task is ${width} pixels wide`);
  } finally {
    await faults([]);
    for (const id of ids) await fetch(`${base}/v1/tasks/${id}/cancel`, { method: "POST" });
  }
});

test("axe-core finds nothing against any view, light or dark, wide or narrow", async () => {
  const axe = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
  const { id } = await submit("sleep", { ms: 1, steps: 1, fail: true });
  const [podm] = await api("/v1/pod_managers");
  for (const [colorScheme, width] of [["light", 1280], ["dark", 360]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    for (const view of [...VIEWS, `tasks/${id}`, `podms/${podm.uuid}/change`]) {
      // A new document each time: what axe-core left in the last one is gone.
      await page.goto("about:blank");
      await open(view);
      await page.locator(".loading").first().waitFor({ state: "detached" });
      await page.evaluate(axe);
      const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      const wrong = found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(" ")}`);
      assert.deepEqual(wrong, [], `${view || "overview"}, ${colorScheme}, ${width}`);
    }
  }
});

test("a question that was asked goes away with its view", async () => {
  await open("workers");
  await open("queues");
  await page.getByRole("button", { name: "Pause" }).first().click();
  await answer("Pause").waitFor();
  await page.goBack();
  await page.getByRole("heading", { name: "Workers", level: 1 }).waitFor();
  await page.getByRole("dialog").waitFor({ state: "detached", timeout: 5000 });
});

test("every view fits a screen 360 pixels wide, and its menu opens", async () => {
  const { id } = await submit("sleep", { ms: 1, steps: 1, fail: true });
  const [podm] = await api("/v1/pod_managers");
  await page.setViewportSize({ width: 360, height: 740 });
  for (const view of [...VIEWS, `tasks/${id}`, `podms/${podm.uuid}/change`]) {
    await open(view);
    await page.waitForLoadState("load");
    await page.locator(".loading").first().waitFor({ state: "detached" });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `${view || "overview"} is ${width} pixels wide`);
  }
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("link", { name: "Workers", exact: true }).click();
  await page.getByRole("heading", { name: "Workers", level: 1 }).waitFor();
  await until("the menu is closed", async () => (await page.getByRole("button", { name: "Menu" }).getAttribute("aria-expanded")) === "false");
});

test("a node is composed and a task cancelled with the keyboard alone, and the focus is always seen", async () => {
  await open("");
  const press = (key) => page.keyboard.press(key);
  const at = () => page.evaluate(() => {
    const e = document.activeElement;
    return { out: e === document.body, text: (e.textContent ?? "").trim(), label: e.labels?.[0]?.textContent ?? "", outline: getComputedStyle(e).outlineStyle };
  });
  const tabTo = async (what, fits) => {
    for (let n = 0; n < 80; n += 1) {
      await press("Tab");
      const now = await at();
      // Behind the last element the focus is at the browser for one step.
      if (now.out) continue;
      assert.notEqual(now.outline, "none", `the focus is not seen on: ${now.text || now.label}`);
      if (fits(now)) return;
    }
    assert.fail(`${what} is not reached with Tab`);
  };
  await page.reload();
  await page.locator("main h1").waitFor();
  await tabTo("the way to the content", (e) => e.text === "To the content");
  await tabTo("Compose", (e) => e.text === "Compose");
  await press("Enter");
  await page.getByRole("heading", { name: "Compose a node" }).waitFor();
  await page.getByLabel("Flavor").waitFor();
  await tabTo("the name", (e) => e.label === "Name");
  await page.keyboard.type("by-keyboard");
  await press("Enter");
  await page.waitForURL(/#\/tasks\//);
  await chip("completed").waitFor();

  const { id } = await submit("sleep", { ms: 600_000, steps: 1 });
  await open(`tasks/${id}`);
  await chip("running").waitFor();
  await tabTo("Cancel", (e) => e.text === "Cancel");
  await press("Enter");
  await page.getByRole("dialog").waitFor();
  await press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await until("the focus goes back to where it was", async () => (await at()).text === "Cancel");
  await press("Enter");
  await tabTo("the answer", (e) => e.text === "Cancel the task");
  await press("Enter");
  await chip("cancelled").waitFor();
});

test("a view says that it loads, that there is nothing, and what went wrong, with a way on", async () => {
  let let_through;
  const held = new Promise((go) => { let_through = go; });
  await page.route("**/v1/workers", async (route) => { await held; await route.fulfill({ json: { workers: [] } }); });
  await page.goto(`${base}/console/#/workers`);
  await page.locator(".loading[role=status]").waitFor();
  let_through();
  await page.getByText("No worker lives").waitFor();
  await page.unroute("**/v1/workers");
  await page.route("**/v1/workers", (route) => route.abort());
  await page.reload();
  await page.getByRole("alert").getByText("The API cannot be reached.").waitFor();
  await page.unroute("**/v1/workers");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("table", { name: "Live workers" }).waitFor();
});

test("colours follow the system and are kept when chosen", async () => {
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  await page.emulateMedia({ colorScheme: "dark" });
  await open("");
  assert.equal(await theme(), "dark");
  await page.getByRole("button", { name: "Use light colours" }).click();
  assert.equal(await theme(), "light");
  await page.reload();
  await page.locator("main h1").waitFor();
  assert.equal(await theme(), "light");
  await page.evaluate(() => localStorage.clear());
});
