/** What Pod Managers measure, and how old it is: by Pod Manager and chassis, what is not well first. */
import { signal, useSignal } from "@preact/signals";
import { get } from "../api";
import { amount, count, span } from "../format";
import { place, refine } from "../router";
import type { Reading } from "../types";
import { Card, Chip, Empty, Show, Table, Title } from "../ui";
import { useLoad } from "../use";
import { useNames } from "./names";
import { Choice } from "./tasks";

const KINDS = ["temperature", "power", "fan", "voltage", "energy", "utilisation", "other"];
/** Pod Managers that are drawn; a search finds the others. */
const MOST = 50;
/** Readings that are read at most, page by page; a filter finds the others. */
const MOST_READ = 10_000;
const PAGE = 1_000;
/** So few readings are shown at once, without a Pod Manager to be opened. */
const FEW = 30;
const UNWELL = "not OK";
/** UCUM's names that people write otherwise. */
const UNITS: Record<string, string> = { Cel: "°C", "kW.h": "kWh", "J": "J" };

/** Which Pod Managers were opened, or closed. Kept here, not in the view: another filter changes nothing of it. */
const opened = signal<Record<string, boolean>>({});

const HEALTH: Record<string, string> = { OK: "good", Warning: "warn", Critical: "bad" };

function value(r: Reading): string {
  if (r.value === null) return "unknown";
  const n = Number.isInteger(r.value) ? count(r.value) : r.value.toFixed(1);
  return `${n} ${UNITS[r.unit] ?? r.unit}`.trim();
}

/** 2: critical, 1: a warning, or too old to be believed, 0: well. */
function badness(r: Reading): number {
  if (r.health === "Critical") return 2;
  return r.stale || (r.health && r.health !== "OK") ? 1 : 0;
}

/** The chassis or system that a reading was read from. */
function unit(r: Reading): string {
  const [, kind, id] = /\/redfish\/v1\/([A-Za-z]+)\/([^/#]+)/.exec(r.resource_uri) ?? [];
  return kind && id ? `${kind === "Systems" ? "System" : kind} ${decodeURIComponent(id)}` : "elsewhere";
}

const alphabetical = (a: string, b: string) => a.localeCompare(b, "en", { numeric: true });
/** What is not well first, then by chassis. */
const order = (a: Reading, b: Reading) =>
  badness(b) - badness(a) || alphabetical(unit(a), unit(b)) || alphabetical(a.kind, b.kind) || alphabetical(a.name, b.name);

function byPodm(all: Reading[]): [string, Reading[]][] {
  const found = new Map<string, Reading[]>();
  for (const one of all) {
    const same = found.get(one.podm_id);
    if (same) same.push(one); else found.set(one.podm_id, [one]);
  }
  return [...found];
}

interface Page { readings: Reading[]; marker?: string }

/** Page after page, until there are enough. */
async function pages(path: string): Promise<Page> {
  const readings: Reading[] = [];
  for (let marker = ""; ;) {
    const page = await get<Page>(`${path}${marker && `&marker=${encodeURIComponent(marker)}`}`);
    readings.push(...page.readings);
    if (!page.marker || readings.length >= MOST_READ) return { ...page, readings };
    marker = page.marker;
  }
}

export function Telemetry() {
  const podm = useNames();
  const { query } = place.value;
  const wanted = (name: string) => query.get(name) ?? "";
  const given = (names: string[]) => Object.fromEntries(names.map((n) => [n, wanted(n)]).filter(([, v]) => v)) as Record<string, string>;
  const filter = given(["kind", "podm_id"]);
  const text = useSignal("");
  const path = `/v1/telemetry/readings?${new URLSearchParams({ ...filter, limit: String(PAGE) })}`;
  const readings = useLoad<Page>(path, { from: pages, every: 10_000, when: () => false });
  const set = (name: string, value: string) => refine({ ...given(["kind", "podm_id", "health"]), [name]: value });
  const sought = text.value.trim().toLowerCase();
  const unwell = wanted("health") === UNWELL;
  const fits = (r: Reading) => (!unwell || badness(r) > 0) && `${r.name} ${r.resource_uri} ${podm(r.podm_id)}`.toLowerCase().includes(sought);
  return (
    <>
      <Title name="Telemetry">Telemetry</Title>
      <form class="filters" onSubmit={(e) => e.preventDefault()} aria-label="Filter">
        <Choice label="Kind" value={wanted("kind")} options={KINDS} set={(v) => set("kind", v)} />
        <Choice label="Health" value={wanted("health")} options={[UNWELL]} set={(v) => set("health", v)} />
        <label>Find<input type="search" value={text.value} onInput={(e) => { text.value = e.currentTarget.value; }} /></label>
        {wanted("podm_id") && <button type="button" onClick={() => set("podm_id", "")}>Pod Manager: {podm(wanted("podm_id"))} ×</button>}
      </form>
      <Show of={readings}>{({ readings: data, marker }) => {
        const rows = data.filter(fits);
        const bad = (all: Reading[]) => all.filter((r) => badness(r) > 0).length;
        const worst = (all: Reading[]) => Math.max(...all.map(badness));
        const podms = byPodm(rows)
          .sort(([a, x], [b, y]) => worst(y) - worst(x) || bad(y) - bad(x) || alphabetical(podm(a), podm(b)));
        if (rows.length === 0) return <Card><Empty>{unwell && data.length > 0 ? `Nothing is ${UNWELL}.` : data.length > 0 || filter["kind"] ? "None fits." : "Nothing was measured yet: readings are collected every minute."}</Empty></Card>;
        return <>
          <p class="dim lead">{amount(rows.length, "reading")} of {amount(podms.length, "Pod Manager")}, {bad(rows)} not OK or old. The worst stand first.</p>
          {marker && <p class="dim">There are more: these are of the first {count(data.length)} readings. Choose a kind, or a Pod Manager, to see the others.</p>}
          {podms.slice(0, MOST).map(([id, all]) => <OfPodm key={id} id={id} name={podm(id)} readings={all} bad={bad(all)} open={rows.length <= FEW || podms.length === 1} />)}
          {podms.length > MOST && <p class="dim">The first {MOST} of {amount(podms.length, "Pod Manager")}; a search finds the others.</p>}
        </>;
      }}</Show>
    </>
  );
}

/** What one measures: its unwell readings are always seen, the others when it is opened. */
function OfPodm({ id, name, readings, bad, open }: { id: string; name: string; readings: Reading[]; bad: number; open: boolean }) {
  const shown = opened.value[id] ?? open;
  const hottest = Math.max(...readings.filter((r) => r.kind === "temperature" && r.value !== null).map((r) => r.value as number));
  const newest = Math.min(...readings.map((r) => r.age_s));
  return (
    <section class="card" aria-label={`Readings of ${name}`}>
      <header>
        <h2><a href={`#/podms/${id}`}>{name}</a></h2>
        <span class="dim">{amount(readings.length, "reading")}{Number.isFinite(hottest) && `, hottest ${Math.round(hottest)} °C`}, {span(newest * 1000)} old</span>
        <div class="side">
          <Chip tone={bad > 0 ? "warn" : "good"}>{bad > 0 ? `${bad} ${UNWELL}` : "OK"}</Chip>
          <button type="button" aria-expanded={shown} aria-label={shown ? `Hide the readings of ${name}` : `Show all readings of ${name}`} onClick={() => { opened.value = { ...opened.value, [id]: !shown }; }}>{shown ? "Hide" : "Show all"}</button>
        </div>
      </header>
      {(shown || bad > 0) && <Table caption={`Readings of ${name}`} rows={readings.filter((r) => shown || badness(r) > 0).sort(order)}
        keyOf={(r) => `${r.resource_uri} ${r.name} ${r.kind}`} empty="" columns={[
          { head: "Reading", main: true, cell: (r) => <span title={r.resource_uri}>{r.name}</span> },
          { head: "Where", cell: (r) => unit(r) },
          { head: "Value", number: true, cell: (r) => value(r) },
          { head: "Kind", cell: (r) => r.kind },
          { head: "Health", cell: (r) => (r.health ? <Chip tone={HEALTH[r.health]}>{r.health}</Chip> : "—") },
          { head: "Age", number: true, cell: (r) => (r.stale ? <Chip tone="warn">{span(r.age_s * 1000)}, old</Chip> : span(r.age_s * 1000)) },
        ]} />}
    </section>
  );
}
