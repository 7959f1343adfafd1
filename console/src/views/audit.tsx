/** Who changed what, newest first. */
import { useSignal } from "@preact/signals";
import { get } from "../api";
import { ago, moment, short } from "../format";
import { place, refine, taskLink } from "../router";
import type { AuditLine, AuditPage } from "../types";
import { Card, Chip, Show, Table, Title, act } from "../ui";
import { useLoad, useNow } from "../use";
import { Choice } from "./tasks";

const OUTCOMES = ["done", "denied", "refused", "failed"];
const TONE: Record<string, string> = { done: "good", denied: "bad", refused: "warn", failed: "bad" };

export function Audit() {
  const now = useNow();
  const { query } = place.value;
  const filter: Record<string, string> = {};
  for (const name of ["actor", "action", "outcome"]) { const value = query.get(name); if (value) filter[name] = value; }
  const path = `/v1/audit?${new URLSearchParams({ ...filter, limit: "100" })}`;
  const page = useLoad<AuditPage>(path);
  const older = useSignal<{ of: string; lines: AuditLine[]; marker?: string | undefined } | null>(null);
  const more = older.value?.of === path ? older.value : null;
  const set = (name: string, value: string) => refine({ ...filter, [name]: value });
  const show = (marker: string) => void act("", async () => {
    const next = await get<AuditPage>(`${path}&marker=${encodeURIComponent(marker)}`);
    older.value = { of: path, lines: [...(more?.lines ?? []), ...next.audit], marker: next.marker };
  });
  return (
    <>
      <Title name="Audit log">Audit log</Title>
      <form class="filters" onSubmit={(e) => e.preventDefault()} aria-label="Filter">
        <label>By<input value={filter["actor"] ?? ""} placeholder="anybody" onChange={(e) => set("actor", e.currentTarget.value.trim())} /></label>
        <label>Action<input value={filter["action"] ?? ""} placeholder="DELETE" onChange={(e) => set("action", e.currentTarget.value.trim())} /></label>
        <Choice label="Outcome" value={filter["outcome"] ?? ""} options={OUTCOMES} set={(v) => set("outcome", v)} />
      </form>
      <Card>
        <Show of={page}>{(data) => {
          const marker = more ? more.marker : data.marker;
          return <>
            <Table caption="Audit log" rows={[...data.audit, ...(more?.lines ?? [])]} keyOf={(a) => a.id} empty={Object.keys(filter).length > 0 ? "None fits." : "Nobody has changed anything yet."} columns={[
              { head: "What", main: true, cell: (a) => <span class="words">{a.action}</span> },
              { head: "Outcome", cell: (a) => <Chip tone={TONE[a.outcome]}>{a.outcome}</Chip> },
              { head: "Who", cell: (a) => <span class="wrap">{a.actor}{a.role && <span class="dim"> ({a.role})</span>}{a.from && <span class="dim"> from {a.from}</span>}</span> },
              { head: "Target", cell: (a) => <span class="mono wrap">{a.target}</span> },
              { head: "Task", cell: (a) => (a.task_id ? <a class="mono" href={taskLink(a.task_id)}>{short(a.task_id)}</a> : "—") },
              { head: "Detail", cell: (a) => <span class="dim wrap">{a.detail ?? "—"}</span> },
              { head: "When", number: true, cell: (a) => <span title={moment(a.at)}>{ago(a.at, now)}</span> },
            ]} />
            {marker && <p class="more"><button type="button" onClick={() => show(marker)}>Show older lines</button></p>}
          </>;
        }}</Show>
      </Card>
    </>
  );
}
