/** What Pod Managers measure, and how old it is. */
import { useSignal } from "@preact/signals";
import { count, span } from "../format";
import { place, refine } from "../router";
import type { Reading } from "../types";
import { Card, Chip, Show, Table, Title } from "../ui";
import { useLoad } from "../use";
import { useNames } from "./names";
import { Choice } from "./tasks";

const KINDS = ["temperature", "power", "fan", "voltage", "energy", "utilisation", "other"];
/** Rows that are drawn; a search finds the others. */
const MOST = 200;
/** UCUM's names that people write otherwise. */
const UNITS: Record<string, string> = { Cel: "°C", "kW.h": "kWh", "J": "J" };

const HEALTH: Record<string, string> = { OK: "good", Warning: "warn", Critical: "bad" };

function value(r: Reading): string {
  if (r.value === null) return "unknown";
  const n = Number.isInteger(r.value) ? count(r.value) : r.value.toFixed(1);
  return `${n} ${UNITS[r.unit] ?? r.unit}`.trim();
}

export function Telemetry() {
  const podm = useNames();
  const { query } = place.value;
  const wanted = (name: string) => query.get(name) ?? "";
  const filter = Object.fromEntries(["kind", "podm_id"].map((n) => [n, wanted(n)]).filter(([, v]) => v)) as Record<string, string>;
  const text = useSignal("");
  const readings = useLoad<Reading[]>(`/v1/telemetry/readings?${new URLSearchParams(filter)}`, { every: 10_000, when: () => false });
  const set = (name: string, value: string) => refine({ ...filter, [name]: value });
  const fits = (r: Reading) => `${r.name} ${r.resource_uri} ${podm(r.podm_id)}`.toLowerCase().includes(text.value.trim().toLowerCase());
  return (
    <>
      <Title name="Telemetry">Telemetry</Title>
      <form class="filters" onSubmit={(e) => e.preventDefault()} aria-label="Filter">
        <Choice label="Kind" value={wanted("kind")} options={KINDS} set={(v) => set("kind", v)} />
        <label>Find<input type="search" value={text.value} onInput={(e) => { text.value = e.currentTarget.value; }} /></label>
        {wanted("podm_id") && <button type="button" onClick={() => set("podm_id", "")}>Pod Manager: {podm(wanted("podm_id"))} ×</button>}
      </form>
      <Card>
        <Show of={readings}>{(data) => {
          const rows = data.filter(fits);
          return <>
            <Table caption="Readings" rows={rows.slice(0, MOST)} keyOf={(r) => `${r.podm_id} ${r.resource_uri} ${r.name} ${r.kind}`} empty={data.length > 0 || filter["kind"] ? "None fits." : "Nothing was measured yet: readings are collected every minute."} columns={[
              { head: "Reading", main: true, cell: (r) => r.name },
              { head: "Value", number: true, cell: (r) => value(r) },
              { head: "Kind", cell: (r) => r.kind },
              { head: "Health", cell: (r) => (r.health ? <Chip tone={HEALTH[r.health]}>{r.health}</Chip> : "—") },
              { head: "Pod Manager", cell: (r) => <a href={`#/podms/${r.podm_id}`}>{podm(r.podm_id)}</a> },
              { head: "Read from", cell: (r) => <span class="mono wrap">{r.resource_uri}</span> },
              { head: "Age", number: true, cell: (r) => (r.stale ? <Chip tone="warn">{span(r.age_s * 1000)}, old</Chip> : span(r.age_s * 1000)) },
            ]} />
            {rows.length > MOST && <p class="dim">The first {MOST} of {count(rows.length)}; a search finds the others.</p>}
          </>;
        }}</Show>
      </Card>
    </>
  );
}
