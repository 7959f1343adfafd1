/** One task: what it does, how far it is, why it is not further, and what happened to it. */
import { useEffect } from "preact/hooks";
import { newKey, post, remove } from "../api";
import { ago, clock, moment, short, span } from "../format";
import { onChange } from "../live";
import { go, taskLink } from "../router";
import { type Explanation, type HistoryItem, type State, type Task, hasEnded } from "../types";
import { Bar, Card, Json, Show, StateChip, Title, act, ask } from "../ui";
import { useLoad, useNow } from "../use";
import { useNames } from "./names";

export function TaskView({ id }: { id: string }) {
  const mine = { when: (changes: Map<string, unknown>) => changes.has(id) };
  const path = `/v1/tasks/${encodeURIComponent(id)}`;
  const task = useLoad<Task>(path, mine);
  const why = useLoad<Explanation>(`${path}/explain`, mine);
  // Progress is told with the change itself: shown before the task is read again.
  useEffect(() => onChange((changes) => {
    const change = changes?.get(id);
    if (change) task.patch((t) => ({ ...t, state: change.state, status: change.status, progress: change.progress ?? t.progress }));
  }), [id, task.patch]);
  return (
    <>
      <Title name={task.data?.kind ?? "Task"} side={task.data && <Buttons task={task.data} reload={() => { task.reload(); why.reload(); }} />}>
        {task.data?.kind ?? "Task"} {task.data && <StateChip state={task.data.state} />}
      </Title>
      <p class="dim mono id">{id}</p>
      <Show of={task}>{(data) => <Body task={data} why={why.data} />}</Show>
    </>
  );
}

function Buttons({ task, reload }: { task: Task; reload: () => void }) {
  const path = `/v1/tasks/${task.id}`;
  const change = (done: string, what: string) => void act(done, () => post(`${path}/${what}`, undefined, { key: newKey() })).then(reload);
  const ended = hasEnded(task.state);
  return (
    <>
      {!ended && <button type="button" class="danger" disabled={task.state === "cancelling"}
        onClick={() => ask("Cancel this task?", "What it has begun is undone.", "Cancel the task", () => change("Cancelling.", "cancel"))}>Cancel</button>}
      {(task.state === "failed" || task.state === "cancelled") && <button type="button" class="primary" onClick={() => change("Queued again.", "retry")}>Retry</button>}
      {ended && <button type="button" onClick={() => ask("Forget this task?", "Its record is removed; hardware is not touched.", "Forget it",
        () => void act("Forgotten.", () => remove(path)).then((done) => { if (done) go("#/tasks"); }))}>Forget</button>}
    </>
  );
}

function Body({ task, why }: { task: Task; why: Explanation | null }) {
  const now = useNow();
  const podm = useNames();
  const ended = hasEnded(task.state);
  const facts: [string, unknown][] = [
    ["Topic", task.topic],
    ["Priority", task.priority],
    ["Pod Manager", task.podm_id && <a href={`#/podms/${task.podm_id}`}>{podm(task.podm_id)}</a>],
    ["Node", task.node_id && <a href={`#/nodes/${task.node_id}`}>{short(task.node_id)}</a>],
    ["Parent", task.parent_id && <a href={taskLink(task.parent_id)}>{short(task.parent_id)}</a>],
    ["Attempt", `${task.attempt} of ${task.max_attempts}`],
    ["Worker's crashes", task.crashes > 0 && task.crashes],
    ["Worker", task.worker],
    ["Accepted", <span title={task.created_at}>{moment(task.created_at)} ({ago(task.created_at, now)})</span>],
    ["Due", task.run_at && moment(task.run_at)],
    ["Deadline", !ended && why && moment(why.deadline_at)],
    ["Took", ended && task.finished_at && span(Date.parse(task.finished_at) - Date.parse(task.created_at))],
    ["Labels", Object.entries(task.labels).map(([k, v]) => `${k}:${v}`).join(", ")],
  ];
  return (
    <div class="columns">
      <div>
        {task.progress && (
          <Card title="Progress">
            <Bar percent={task.progress.percent} label="Progress" />
            <p>{task.progress.percent} % · {task.progress.step}{task.progress.message && ` · ${task.progress.message}`}</p>
          </Card>
        )}
        {!ended && why && (
          <Card title="Why it is where it is">
            <ul class="reasons">{why.reasons.map((r) => <li><code>{r.code}</code> {r.message}</li>)}</ul>
            {why.holders.length > 0 && <p>In its way: {why.holders.map((h) => <a class="mono" href={taskLink(h)}>{short(h)}</a>)}</p>}
            {why.due_at && Date.parse(why.due_at) > now && <p class="dim">Due in {span(Date.parse(why.due_at) - now)}.</p>}
          </Card>
        )}
        {task.error && (
          <Card title={ended && task.state === "failed" ? "Why it failed" : "Last error"}>
            <div class="note bad"><p><strong>{task.error.status} {task.error.title}</strong></p><p>{task.error.detail}</p></div>
            <p class="dim">{task.error.code}{task.error.at && ` · ${moment(task.error.at)}`} · {task.error.retryable ? "trying again may help" : "trying again will not help by itself"}</p>
          </Card>
        )}
        <Card title="Timeline"><Timeline items={task.history} state={task.state} now={now} /></Card>
      </div>
      <div>
        <Card title="Facts">
          <dl>{facts.map(([name, value]) => (value ? <div><dt>{name}</dt><dd>{value as any}</dd></div> : null))}</dl>
        </Card>
        <Card title="Parameters"><Json value={task.params} label="Parameters" /></Card>
        {task.result != null && <Card title="Result"><Json value={task.result} label="Result" /></Card>}
      </div>
    </div>
  );
}

/** What happened, with the time until the next thing happened: where the time went is seen at a glance. */
function Timeline({ items, state, now }: { items: HistoryItem[]; state: State; now: number }) {
  const ended = hasEnded(state);
  const at = items.map((i) => Date.parse(i.at));
  const until = (n: number) => at[n + 1] ?? (ended ? at[n] ?? now : now);
  const longest = Math.max(1, ...at.map((t, n) => until(n) - t));
  // Waiting at a gate is not written into the history: a task that does so would seem queued.
  const elsewhere = items.length > 0 && items.at(-1)?.state !== state;
  return (
    <ol class="timeline">
      {items.map((item, n) => {
        const last = n === items.length - 1;
        const took = until(n) - (at[n] ?? now);
        return (
          <li class={last && !elsewhere ? "last" : ""}>
            <time dateTime={item.at} title={moment(item.at)}>{clock(item.at)}</time>
            <div>
              <StateChip state={item.state} />{" "}
              {item.attempt !== undefined && <span class="dim">attempt {item.attempt} </span>}
              {item.worker && <span class="dim mono">{item.worker}</span>}
              {item.detail && <p>{item.detail}</p>}
              {!(last && ended) && <div class="took"><meter min={0} max={longest} value={took} aria-label={`${span(took)} until the next`} /><span class="dim">{span(took)}{last && !elsewhere ? " so far" : ""}</span></div>}
            </div>
          </li>
        );
      })}
      {elsewhere && <li class="last"><time>now</time><div><StateChip state={state} /></div></li>}
    </ol>
  );
}
