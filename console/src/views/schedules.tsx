/** Periodic tasks: when each fires next, and what came of the last time. */
import { patch, remove } from "../api";
import { ago, moment, span } from "../format";
import { taskLink } from "../router";
import type { Schedule } from "../types";
import { Card, Chip, Show, Table, Title, act, ask } from "../ui";
import { useLoad, useNow } from "../use";

const rule = (s: Schedule) => (s.cron ? `${s.cron} (${s.time_zone})` : `every ${span((s.every_s ?? 0) * 1000)}`);

function ahead(at: string | null, now: number): string {
  if (!at) return "—";
  const ms = Date.parse(at) - now;
  return ms > 0 ? `in ${span(ms)}` : "now";
}

export function Schedules() {
  const now = useNow();
  const schedules = useLoad<{ schedules: Schedule[] }>("/v1/schedules");
  const turn = (s: Schedule) => void act(s.enabled ? `${s.name} is switched off.` : `${s.name} is switched on.`, () => patch(`/v1/schedules/${s.id}`, { enabled: !s.enabled })).then(schedules.reload);
  const drop = (s: Schedule) => ask(`Delete ${s.name}?`, "It makes no further task. Those it has made go on.", "Delete the schedule", () => void act(`${s.name} is deleted.`, () => remove(`/v1/schedules/${s.id}`)).then(schedules.reload));
  return (
    <>
      <Title name="Schedules">Schedules</Title>
      <Card>
        <Show of={schedules}>{(data) => (
          <Table caption="Periodic tasks" rows={data.schedules} keyOf={(s) => s.id} empty={<>No schedule. <code>valence schedule create</code> makes one.</>} columns={[
            { head: "Name", main: true, cell: (s) => <>{s.name} {!s.enabled && <Chip>off</Chip>}{s.last_error && <Chip tone="bad">refused</Chip>}</> },
            { head: "Kind", cell: (s) => s.task.kind },
            { head: "When", cell: (s) => <span class="wrap">{rule(s)}</span> },
            { head: "Next", number: true, cell: (s) => <span title={moment(s.next_at)}>{s.enabled ? ahead(s.next_at, now) : "—"}</span> },
            { head: "Last", cell: (s) => <span class="wrap">{s.last_error ? <span class="bad-text">{s.last_error}</span> : s.last_task ? <a href={taskLink(s.last_task)}>{ago(s.last_at, now)}</a> : "never"}</span> },
            { head: "Actions", cell: (s) => <span class="pairs">
              <button type="button" aria-label={`Switch ${s.name} ${s.enabled ? "off" : "on"}`} onClick={() => turn(s)}>{s.enabled ? "Off" : "On"}</button>
              <button type="button" class="danger" aria-label={`Delete ${s.name}`} onClick={() => drop(s)}>Delete</button>
            </span> },
          ]} />
        )}</Show>
      </Card>
    </>
  );
}
