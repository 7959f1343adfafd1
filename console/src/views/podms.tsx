/** Pod Managers: which is stuck and why, its gates and who is in them, its circuit breaker; cordon and drain. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { newKey, post } from "../api";
import { amount, count, short, span } from "../format";
import { taskLink } from "../router";
import type { Gate } from "../types";
import { Card, Chip, Empty, Show, Title, act, ask } from "../ui";
import { useNow } from "../use";
import { LEVEL, type Standing, useStandings } from "./trouble";

/** Pod Managers that are drawn; a search finds the others. */
const MOST = 60;

export function Podms({ wanted }: { wanted: string | undefined }) {
  const now = useNow();
  const { list, loaded, reload } = useStandings(now);
  const text = useSignal("");
  const found = list.some((s) => s.podm.uuid === wanted);
  useEffect(() => { if (found) document.getElementById(`podm-${wanted}`)?.scrollIntoView({ block: "center" }); }, [wanted, found]);
  const fits = (s: Standing) => `${s.podm.name} ${s.podm.url} ${s.podm.driver}`.toLowerCase().includes(text.value.trim().toLowerCase());
  return (
    <>
      <Title name="Pod Managers">Pod Managers</Title>
      <Show of={loaded}>{() => {
        if (list.length === 0) return <Card><Empty>No Pod Manager is registered. <code>valence podm add</code> registers one.</Empty></Card>;
        const fitting = list.filter(fits);
        const shown = fitting.filter((s, n) => n < MOST || s.podm.uuid === wanted);
        return <>
          {list.length > 6 && <form class="filters" onSubmit={(e) => e.preventDefault()}><label>Find<input type="search" value={text.value} onInput={(e) => { text.value = e.currentTarget.value; }} /></label></form>}
          {wanted && !found && <Empty>Pod Manager {wanted} is not registered (any more).</Empty>}
          <p class="dim lead">{list.filter((s) => s.level === 2).length} stuck, {list.filter((s) => s.level === 1).length} slow, {list.filter((s) => s.level === 0).length} well. The worst stand first.</p>
          <div class="podms">{shown.map((s) => <One key={s.podm.uuid} s={s} wanted={s.podm.uuid === wanted} reload={reload} />)}</div>
          {shown.length < fitting.length && <p class="dim more">{shown.length} of {count(fitting.length)}; a search finds the others.</p>}
          {shown.length === 0 && <Empty>None fits.</Empty>}
        </>;
      }}</Show>
    </>
  );
}

function One({ s, wanted, reload }: { s: Standing; wanted: boolean; reload: () => void }) {
  const { podm, state, level, reasons } = s;
  const [tone, word] = LEVEL[level];
  const circuit = state?.circuit;
  return (
    <section class={`card podm ${wanted ? "wanted" : ""} level-${level}`} id={`podm-${podm.uuid}`} aria-label={`Pod Manager ${podm.name}`}>
      <header>
        <h2><a href={`#/podms/${podm.uuid}`}>{podm.name}</a></h2>
        <div class="side">
          {state?.draining ? <Chip tone="warn">draining</Chip> : state?.cordoned && <Chip tone="warn">cordoned</Chip>}
          {podm.insecure_skip_verify && <Chip tone="bad">certificate not verified</Chip>}
          <Chip tone={tone}>{word}</Chip>
        </div>
      </header>
      {reasons.length > 0 && <ul class="why">{reasons.map((r) => <li>{r}</li>)}</ul>}
      <dl>
        <div><dt>Probe</dt><dd>{state?.status ?? podm.status}</dd></div>
        {circuit && <div><dt>Circuit</dt><dd><Chip tone={circuit.state === "closed" ? "good" : circuit.state === "open" ? "bad" : "warn"}>{circuit.state.replace("_", " ")}</Chip>{circuit.failures > 0 && ` ${amount(circuit.failures, "failure")}`}</dd></div>}
        {state?.gates.map((gate) => <div><dt>Gate: {gate.name}</dt><dd><GateBar gate={gate} /></dd></div>)}
        <div><dt>Tasks</dt><dd>{s.live === 0 ? "none" : <a href={`#/tasks?podm_id=${podm.uuid}&status=In+progress`}>{Object.entries(s.tasks).map(([k, n]) => `${n} ${k}`).join(", ")}</a>}</dd></div>
        {state && <div><dt>Inventory</dt><dd>{state.inventory ? `read ${span(state.inventory.age_s * 1000)} ago` : "not read yet"}</dd></div>}
        <div><dt>Driver</dt><dd>{podm.driver}</dd></div>
        <div><dt>Address</dt><dd class="mono wrap">{podm.url}</dd></div>
      </dl>
      {state && <Switches s={s} reload={reload} />}
    </section>
  );
}

function GateBar({ gate }: { gate: Gate }) {
  return (
    <div class="gate">
      <meter min={0} max={Math.max(1, gate.limit)} high={Math.max(1, gate.limit) - 0.5} value={gate.in_flight} aria-label={`${gate.name}: ${gate.in_flight} of ${gate.limit}`} />
      <span>{gate.in_flight} of {gate.limit}{gate.waiting > 0 && <strong>, {gate.waiting} wait</strong>}</span>
      {gate.holders.length > 0 && <details><summary>held by {amount(gate.holders.length, "task")}</summary><p>{gate.holders.map((h) => <a class="mono" href={taskLink(h)}>{short(h)}</a>)}</p></details>}
    </div>
  );
}

function Switches({ s, reload }: { s: Standing; reload: () => void }) {
  const { podm, state } = s;
  const set = (done: string, what: string) => void act(done, () => post(`/v1/pod_managers/${podm.uuid}/${what}`, undefined, { key: newKey() })).then(reload);
  const cordon = () => ask(`Cordon ${podm.name}?`, "No new node is placed there. What it has and what runs stays.", "Cordon", () => set(`${podm.name} is being cordoned.`, "cordon"));
  const drain = () => ask(`Drain ${podm.name}?`, "It takes no new node and begins no change; what runs is waited for.", "Drain", () => set(`${podm.name} is being drained.`, "drain"));
  const back = state?.cordoned || state?.draining;
  return (
    <div class="buttons">
      <a class="button" href={`#/podms/${podm.uuid}/change`}>Change</a>
      {!state?.draining && <button type="button" onClick={drain}>Drain</button>}
      {back ? <button type="button" class="primary" onClick={() => set(`${podm.name} takes work again.`, "uncordon")}>Uncordon</button>
        : <button type="button" onClick={cordon}>Cordon</button>}
    </div>
  );
}
