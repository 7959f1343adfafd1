/** Tasks, newest first, as the address's query filters them. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get } from "../api";
import { ago, short, span } from "../format";
import { place, refine, taskLink } from "../router";
import { type Task, hasEnded } from "../types";
import { Bar, Card, type Column, Show, StateChip, Table, Title, act } from "../ui";
import { useLoad, useNow } from "../use";
import { useNames } from "./names";

const STATES = ["scheduled", "queued", "running", "retrying", "parked", "waiting", "cancelling", "completed", "failed", "cancelled"];
const TOPICS = ["compute", "network", "storage", "telemetry", "scheduler"];

interface Page { tasks: Task[]; marker?: string }

export function taskColumns(now: number, podm: (id: string | null) => string): Column<Task>[] {
  return [
    { head: "Task", main: true, cell: (t) => <a href={taskLink(t.id)}>{t.kind} <span class="dim mono">{short(t.id)}</span></a> },
    { head: "State", cell: (t) => <StateChip state={t.state} /> },
    { head: "Progress", cell: (t) => <Doing task={t} /> },
    { head: "Pod Manager", cell: (t) => (t.podm_id ? <a href={`#/podms/${t.podm_id}`}>{podm(t.podm_id)}</a> : <span class="dim">—</span>) },
    { head: "Attempt", number: true, cell: (t) => `${t.attempt}/${t.max_attempts}` },
    { head: "Age", number: true, cell: (t) => <span title={t.created_at}>{ago(t.created_at, now)}</span> },
    { head: "Took", number: true, cell: (t) => span((t.finished_at ? Date.parse(t.finished_at) : now) - Date.parse(t.created_at)) },
  ];
}

function Doing({ task }: { task: Task }) {
  if (task.state === "failed" && task.error) return <span class="clip" title={task.error.detail}>{task.error.detail}</span>;
  if (!task.progress || hasEnded(task.state)) return <span class="dim">—</span>;
  const { percent, step, message } = task.progress;
  return <span class="doing"><Bar percent={percent} label={`${task.kind}: ${step}`} /><span class="dim" title={message}>{step}</span></span>;
}

export function Tasks() {
  const now = useNow();
  const podm = useNames();
  const { query } = place.value;
  const wanted = (name: string) => query.get(name) ?? "";
  const asked = new URLSearchParams({ limit: "50" });
  for (const name of ["status", "state", "topic", "kind", "podm_id", "node_id", "label"]) if (wanted(name)) asked.set(name, wanted(name));
  const path = `/v1/tasks?${asked}`;
  const page = useLoad<Page>(path);
  // Older pages are read when asked for and stay as they are.
  const older = useSignal<Page | null>(null);
  useEffect(() => { older.value = null; }, [path]);
  const set = (name: string, value: string) => refine({ ...Object.fromEntries(query), [name]: value });
  const marker = older.value ? older.value.marker : page.data?.marker;
  const more = () => act("", async () => {
    const next = await get<Page>(`${path}&marker=${encodeURIComponent(marker ?? "")}`);
    const { marker: _gone, ...rest } = older.value ?? { tasks: [] };
    older.value = { ...rest, tasks: [...rest.tasks, ...next.tasks], ...(next.marker ? { marker: next.marker } : {}) };
  });
  const filtered = [...query.keys()].length > 0;
  return (
    <>
      <Title name="Tasks">Tasks</Title>
      <form class="filters" onSubmit={(e) => e.preventDefault()} aria-label="Filter">
        <Choice label="Status" value={wanted("status")} options={["In progress", "Completed", "Failed", "Cancelled"]} set={(v) => set("status", v)} />
        <Choice label="State" value={wanted("state")} options={STATES} set={(v) => set("state", v)} />
        <Choice label="Topic" value={wanted("topic")} options={TOPICS} set={(v) => set("topic", v)} />
        <label>Kind<input value={wanted("kind")} placeholder="node.compose" onChange={(e) => set("kind", e.currentTarget.value.trim())} /></label>
        {wanted("podm_id") && <button type="button" onClick={() => set("podm_id", "")}>Pod Manager: {podm(wanted("podm_id"))} ×</button>}
        {wanted("node_id") && <button type="button" onClick={() => set("node_id", "")}>Node: {short(wanted("node_id"))} ×</button>}
        {filtered && <button type="button" onClick={() => refine({})}>Show all</button>}
      </form>
      <Card>
        <Show of={page}>{(data) => {
          const seen = new Set(data.tasks.map((t) => t.id));
          const rows = [...data.tasks, ...(older.value?.tasks ?? []).filter((t) => !seen.has(t.id))];
          return <>
            <Table caption="Tasks" rows={rows} columns={taskColumns(now, podm)} keyOf={(t) => t.id}
              empty={filtered ? "No task fits." : <>No task yet. <a href="#/compose">Compose a node</a> to see one.</>} />
            {marker && <p class="more"><button type="button" onClick={() => void more()}>Older tasks</button></p>}
          </>;
        }}</Show>
      </Card>
    </>
  );
}

export function Choice({ label, value, options, set }: { label: string; value: string; options: readonly string[]; set: (value: string) => void }) {
  return (
    <label>{label}
      <select value={value} onChange={(e) => set(e.currentTarget.value)}>
        <option value="">any</option>
        {options.map((o) => <option value={o}>{o}</option>)}
      </select>
    </label>
  );
}
