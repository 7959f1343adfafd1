/** Worker processes that are alive. */
import { ago, moment } from "../format";
import type { Worker } from "../types";
import { Card, Chip, Show, Table, Title } from "../ui";
import { useLoad, useNow } from "../use";

export function Workers() {
  const now = useNow();
  const workers = useLoad<{ workers: Worker[] }>("/v1/workers", { every: 2000, when: () => false });
  return (
    <>
      <Title name="Workers">Workers</Title>
      <Card>
        <Show of={workers}>{(data) => (
          <Table caption="Live workers" rows={data.workers} keyOf={(w) => w.id} empty={<>No worker lives: nothing will run until <code>valence-worker</code> is started.</>} columns={[
            { head: "Worker", main: true, cell: (w) => <><span class="mono">{w.id}</span> {w.draining && <Chip tone="warn">draining</Chip>}</> },
            { head: "Topics", cell: (w) => <span class="pairs">{w.topics.map((t) => <a href={`#/queues/${t}`}>{t}</a>)}</span> },
            { head: "Busy slots", cell: (w) => <div class="gate"><meter min={0} max={Math.max(1, w.slots)} value={w.busy} aria-label={`${w.busy} of ${w.slots} slots`} /><span>{w.busy} of {w.slots}</span></div> },
            { head: "Slots for reads", number: true, cell: (w) => w.sync_slots },
            { head: "Host", cell: (w) => w.host },
            { head: "Version", cell: (w) => w.version },
            { head: "Started", number: true, cell: (w) => <span title={moment(w.started_at)}>{ago(w.started_at, now)}</span> },
          ]} />
        )}</Show>
      </Card>
    </>
  );
}
