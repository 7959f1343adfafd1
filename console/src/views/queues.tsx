/** Queues: one for each topic; pausing one keeps workers from taking new tasks. */
import { post } from "../api";
import { count, rate, span } from "../format";
import type { Queue } from "../types";
import { Card, Chip, Show, Table, Title, act, ask } from "../ui";
import { useLoad } from "../use";
import { QueueChart } from "./queue_chart";

const depth = (q: Queue) => Object.entries(q.depth).filter(([, n]) => n > 0);

export function Queues({ wanted }: { wanted: string | undefined }) {
  const queues = useLoad<{ queues: Queue[] }>("/v1/queues", { every: 3000 });
  const set = (q: Queue, what: "pause" | "resume") =>
    void act(what === "pause" ? `${q.topic} is paused.` : `${q.topic} goes on.`, () => post(`/v1/queues/${q.topic}/${what}`)).then(queues.reload);
  const pause = (q: Queue) => ask(`Pause ${q.topic}?`, "Workers take no new task of this topic. Those that run go on.", "Pause", () => set(q, "pause"));
  return (
    <>
      <Title name="Queues">Queues</Title>
      <Show of={queues}>{(data) => <>
        <Card>
          <Table caption="Queues by topic" rows={data.queues} keyOf={(q) => q.topic} empty="No queue." columns={[
            { head: "Topic", main: true, cell: (q) => <><a href={`#/tasks?topic=${q.topic}`} class={q.topic === wanted ? "wanted" : ""}>{q.topic}</a> {q.paused && <Chip tone="warn">paused</Chip>}</> },
            { head: "Tasks by state", cell: (q) => (depth(q).length === 0 ? <span class="dim">none</span> : <span class="pairs">{depth(q).map(([s, n]) => <a href={`#/tasks?topic=${q.topic}&state=${s}`}>{count(n)} {s}</a>)}</span>) },
            { head: "Waiting", number: true, cell: (q) => <span title={Object.entries(q.priorities).map(([p, n]) => `${p} ${n}`).join(", ")}>{count(q.lag)}</span> },
            { head: "Oldest", number: true, cell: (q) => (q.lag > 0 ? span(q.oldest_age_s * 1000) : "—") },
            { head: "In", number: true, cell: (q) => rate(q.rates["enqueued"]) },
            { head: "Completed", number: true, cell: (q) => rate(q.rates["completed"]) },
            { head: "Failed", number: true, cell: (q) => <span class={(q.rates["failed"] ?? 0) > 0 ? "bad-text" : ""}>{rate(q.rates["failed"])}</span> },
            { head: "Workers", number: true, cell: (q) => (q.workers > 0 ? q.workers : <Chip tone="bad">none</Chip>) },
            { head: "Action", cell: (q) => q.paused
              ? <button type="button" class="primary" aria-label={`Resume ${q.topic}`} onClick={() => set(q, "resume")}>Resume</button>
              : <button type="button" aria-label={`Pause ${q.topic}`} onClick={() => pause(q)}>Pause</button> },
          ]} />
        </Card>
        <Card title="Tasks waiting and running"><QueueChart queues={data.queues} /></Card>
      </>}</Show>
    </>
  );
}
