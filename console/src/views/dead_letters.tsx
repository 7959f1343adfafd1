/** Tasks that failed for good, and their way back into the queues. */
import { useSignal } from "@preact/signals";
import { newKey, post } from "../api";
import { ago, amount, short } from "../format";
import { place, refine, taskLink } from "../router";
import type { Task } from "../types";
import { Card, type Column, Show, Table, Title, act, ask } from "../ui";
import { useLoad, useNow } from "../use";
import { useNames } from "./names";
import { Choice } from "./tasks";

const TOPICS = ["compute", "network", "storage", "telemetry", "scheduler"];

interface Redrive { matched: number; redriven: number; running: boolean; more: boolean }

export function DeadLetters() {
  const now = useNow();
  const podm = useNames();
  const { query } = place.value;
  const filter: Record<string, string> = {};
  for (const name of ["topic", "kind", "podm_id"]) { const value = query.get(name); if (value) filter[name] = value; }
  const letters = useLoad<{ dead_letters: Task[]; marker?: string }>(`/v1/dead-letters?${new URLSearchParams({ ...filter, limit: "100" })}`);
  const rate = useSignal("");
  const set = (name: string, value: string) => refine({ ...filter, [name]: value });

  const one = (task: Task) => void act("Queued again.", () => post(`/v1/tasks/${task.id}/retry`, undefined, { key: newKey() })).then(letters.reload);
  const all = () => void act("", async () => {
    const order = { filter, ...(rate.value && { rate_per_s: Number(rate.value) }) };
    const counted = await post<Redrive>("/v1/dead-letters/redrive", { filter, dry_run: true });
    ask(`Redrive ${amount(counted.matched, "dead letter")}?`, <>They are queued again with all their attempts{rate.value && `, ${rate.value} a second at most`}. Redrive after what broke them is mended.</>, "Redrive",
      () => void act(`${amount(counted.matched, "task")} queued again.`, () => post<Redrive>("/v1/dead-letters/redrive", order, { key: newKey() })).then(letters.reload), false);
  });

  const columns: Column<Task>[] = [
    { head: "Task", main: true, cell: (t) => <a href={taskLink(t.id)}>{t.kind} <span class="dim mono">{short(t.id)}</span></a> },
    { head: "Why", cell: (t) => <span class="wrap">{t.error ? <><strong>{t.error.status}</strong> {t.error.detail}{t.error.answered && <span class="dim"> Its client was told.</span>}</> : "—"}</span> },
    { head: "Pod Manager", cell: (t) => (t.podm_id ? <a href={`#/podms/${t.podm_id}`}>{podm(t.podm_id)}</a> : "—") },
    { head: "Attempts", number: true, cell: (t) => <>{t.attempt}{t.crashes > 0 && <span class="bad-text">, {amount(t.crashes, "crash", "crashes")}</span>}</> },
    { head: "Failed", number: true, cell: (t) => ago(t.finished_at, now) },
    { head: "Action", cell: (t) => <button type="button" aria-label={`Redrive ${t.kind} ${short(t.id)}`} onClick={() => one(t)}>Redrive</button> },
  ];
  const filtered = Object.keys(filter).length > 0;
  return (
    <>
      <Title name="Dead letters">Dead letters</Title>
      <form class="filters" onSubmit={(e) => e.preventDefault()} aria-label="Filter">
        <Choice label="Topic" value={filter["topic"] ?? ""} options={TOPICS} set={(v) => set("topic", v)} />
        <label>Kind<input value={filter["kind"] ?? ""} placeholder="node.compose" onChange={(e) => set("kind", e.currentTarget.value.trim())} /></label>
        <label>At most a second<input inputMode="decimal" pattern="[0-9.]+" placeholder="all at once" value={rate.value} onInput={(e) => { rate.value = e.currentTarget.value; }} /></label>
        <button type="button" class="primary" disabled={!letters.data?.dead_letters.length} onClick={all}>Redrive all{filtered ? " that fit" : ""}</button>
      </form>
      <Card>
        <Show of={letters}>{(data) => <>
          <Table caption="Dead letters" rows={data.dead_letters} columns={columns} keyOf={(t) => t.id} empty={filtered ? "None fits." : "None: no task has failed for good."} />
          {data.marker && <p class="dim">The newest {data.dead_letters.length} are shown; “Redrive all” takes the others too.</p>}
        </>}</Show>
      </Card>
    </>
  );
}
