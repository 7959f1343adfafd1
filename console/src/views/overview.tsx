/** What needs attention first, then how the queues move and what runs. */
import type { ComponentChildren } from "preact";
import { amount, count, rate, span } from "../format";
import type { Queue, Task, Worker } from "../types";
import { Card, Chip, Empty, Show, Table, Title } from "../ui";
import { useLoad, useNow } from "../use";
import { QueueChart } from "./queue_chart";
import { taskColumns } from "./tasks";
import { LEVEL, useStandings } from "./trouble";

/** Live tasks shown here. */
const SHOWN = 12;
/** Pod Managers that are named; where more are in trouble, a link says how many. */
const NAMED = 10;

interface Alarm { level: 1 | 2; key: string; what: ComponentChildren }

export function Overview() {
  const now = useNow();
  const { list, loaded, live } = useStandings(now);
  const queues = useLoad<{ queues: Queue[] }>("/v1/queues", { every: 3000 });
  const workers = useLoad<{ workers: Worker[] }>("/v1/workers", { when: () => false });
  const dead = useLoad<{ dead_letters: Task[]; marker?: string }>("/v1/dead-letters?limit=100", { every: 10_000 });
  const alarms: Alarm[] = [];
  const troubled = list.filter((s) => s.level > 0);
  for (const s of troubled.slice(0, NAMED)) {
    alarms.push({ level: s.level as 1 | 2, key: s.podm.uuid, what: <><a href={`#/podms/${s.podm.uuid}`}>Pod Manager {s.podm.name}</a> is {LEVEL[s.level][1]}: {s.reasons.join("; ")}.</> });
  }
  const others = troubled.slice(NAMED);
  if (others.length > 0) {
    const stuck = others.filter((s) => s.level === 2).length;
    alarms.push({ level: stuck > 0 ? 2 : 1, key: "others", what: <><a href="#/podms">{amount(others.length, "more Pod Manager")}</a> {others.length === 1 ? "is" : "are"} stuck or slow: {stuck} stuck, {others.length - stuck} slow.</> });
  }
  if (loaded.data?.length === 0) alarms.push({ level: 1, key: "none", what: <>No Pod Manager is registered: <code>valence podm add</code> registers one.</> });
  for (const q of queues.data?.queues ?? []) {
    const link = <a href={`#/queues/${q.topic}`}>Queue {q.topic}</a>;
    if (q.workers === 0) alarms.push({ level: 2, key: `w${q.topic}`, what: <>{link} has no worker{q.lag > 0 ? `; ${amount(q.lag, "task")} wait` : ""}.</> });
    if (q.paused) alarms.push({ level: 1, key: `p${q.topic}`, what: <>{link} is paused{q.lag > 0 ? `; ${amount(q.lag, "task")} wait` : ""}.</> });
    else if (q.oldest_age_s > 60) alarms.push({ level: 1, key: `o${q.topic}`, what: <>{link} is behind: its oldest task has waited {span(q.oldest_age_s * 1000)}.</> });
  }
  // A refusal that its client was told is nobody else's affair.
  const letters = (dead.data?.dead_letters ?? []).filter((t) => !t.error?.answered).length;
  if (letters > 0) alarms.push({ level: 1, key: "dead", what: <><a href="#/dead-letters">{letters}{dead.data?.marker ? " or more" : ""} dead {letters === 1 ? "letter" : "letters"}</a>: failed for good, waiting to be looked at.</> });
  alarms.sort((a, b) => b.level - a.level);
  const total = (pick: (q: Queue) => number) => (queues.data?.queues ?? []).reduce((n, q) => n + pick(q), 0);
  const running = live.data?.tasks ?? [];
  return (
    <>
      <Title name="Overview">Overview</Title>
      <Card title="Needs attention" id="attention">
        <Show of={loaded}>{() => alarms.length === 0
          ? <p class="well"><Chip tone="good">well</Chip> Nothing is stuck, paused or failed.</p>
          : <ul class="alarms">{alarms.map((a) => <li key={a.key}><Chip tone={LEVEL[a.level][0]}>{a.level === 2 ? "urgent" : "look"}</Chip><span>{a.what}</span></li>)}</ul>}
        </Show>
      </Card>
      <div class="tiles">
        <Tile href="#/tasks?status=In+progress" name="Tasks in progress" value={queues.data && count(total((q) => Object.values(q.depth).reduce((a, b) => a + b, 0)))} />
        <Tile href="#/queues" name="Completed" value={queues.data && rate(total((q) => q.rates["completed"] ?? 0))} />
        <Tile href="#/podms" name="Pod Managers well" value={loaded.data && `${list.filter((s) => s.level === 0).length} of ${list.length}`} />
        <Tile href="#/workers" name="Workers' slots busy" value={workers.data && `${workers.data.workers.reduce((n, w) => n + w.busy, 0)} of ${workers.data.workers.reduce((n, w) => n + w.slots, 0)}`} />
      </div>
      <Card title="In progress" side={<a href="#/tasks">All tasks</a>}>
        <Show of={live}>{() => running.length === 0
          ? <Empty>Nothing runs or waits now. <a href="#/compose">Compose a node</a></Empty>
          : <>
            <Table caption="Tasks in progress" rows={running.slice(0, SHOWN)} keyOf={(t) => t.id} empty=""
              columns={taskColumns(now, (id) => list.find((s) => s.podm.uuid === id)?.podm.name ?? "…").filter((c) => c.head !== "Took")} />
            {running.length > SHOWN && <p class="more"><a href="#/tasks?status=In+progress">{amount(running.length - SHOWN, "more task")}</a></p>}
          </>}
        </Show>
      </Card>
      <Card title="Tasks waiting and running"><Show of={queues}>{(data) => <QueueChart queues={data.queues} />}</Show></Card>
    </>
  );
}

/** A figure; none before it is known. */
function Tile({ href, name, value }: { href: string; name: string; value: string | null | undefined }) {
  return <a class="tile" href={href}><span class="dim">{name}</span><strong>{value ?? "—"}</strong></a>;
}
