/** Pod Managers as they stand: what the API says of each, and what its live tasks say. Worst first. */
import { useMemo } from "preact/hooks";
import { amount, span } from "../format";
import type { Podm, PodmState, State, Task } from "../types";
import { type Loaded, useLoad } from "../use";

/** Longest time that an attempt may run without being remarked, ms. */
const LONG_MS = 120_000;
/** Live tasks that are looked at. */
const MOST = 500;

export interface Standing {
  podm: Podm;
  state: PodmState | null;
  tasks: Partial<Record<State, number>>;
  live: number;
  /** 2: stuck, 1: worth a look, 0: well. */
  level: 0 | 1 | 2;
  reasons: string[];
}

export const LEVEL = [["good", "well"], ["warn", "slow"], ["bad", "stuck"]] as const;

export interface Standings { list: Standing[]; loaded: Loaded<Podm[]>; live: Loaded<{ tasks: Task[] }>; reload: () => void }

export function useStandings(now: number): Standings {
  const podms = useLoad<Podm[]>("/v1/pod_managers", { every: 10_000 });
  const states = useLoad<{ states: PodmState[] }>("/v1/pod_managers/states?limit=1000");
  const live = useLoad<{ tasks: Task[] }>(`/v1/tasks?status=In%20progress&limit=${MOST}`);
  const second = Math.floor(now / 5000);
  const list = useMemo(() => {
    const of = new Map((states.data?.states ?? []).map((s) => [s.podm_id, s]));
    return (podms.data ?? [])
      .map((podm) => stand(podm, of.get(podm.uuid) ?? null, (live.data?.tasks ?? []).filter((t) => t.podm_id === podm.uuid), now))
      .sort((a, b) => b.level - a.level || b.live - a.live || a.podm.name.localeCompare(b.podm.name));
  }, [podms.data, states.data, live.data, second]);
  return { list, loaded: podms, live, reload: () => { podms.reload(); states.reload(); live.reload(); } };
}

const waits = (n: number): string => `${amount(n, "task")} ${n === 1 ? "waits" : "wait"}`;

function stand(podm: Podm, state: PodmState | null, tasks: Task[], now: number): Standing {
  const counts: Partial<Record<State, number>> = {};
  let longest = 0;
  for (const task of tasks) {
    counts[task.state] = (counts[task.state] ?? 0) + 1;
    if (task.state === "running" && task.started_at) longest = Math.max(longest, now - Date.parse(task.started_at));
  }
  const reasons: string[] = [];
  let level: 0 | 1 | 2 = 0;
  const add = (how: 0 | 1 | 2, why: string) => { level = Math.max(level, how) as 0 | 1 | 2; reasons.push(why); };
  const circuit = state?.circuit;
  if (circuit?.state === "open") {
    const left = circuit.until ? Date.parse(circuit.until) - now : 0;
    add(2, `its circuit is open${left > 0 ? ` for ${span(left)} more` : ""} after ${amount(circuit.failures, "failure")}${circuit.why ? `: ${circuit.why}` : ""}`);
  }
  if ((state?.status ?? podm.status) === "Offline") add(2, "it did not answer its last probe");
  if (circuit?.state === "half_open") add(1, "its circuit is half open: one request tries whether it answers");
  for (const gate of state?.gates ?? []) {
    if (gate.in_flight >= gate.limit && gate.waiting > 0) add(1, `${gate.name} are full (${gate.in_flight} of ${gate.limit}), ${waits(gate.waiting)}`);
  }
  // Behind a full gate they have been counted; else they wait for what was just said.
  if (counts.waiting && !state?.gates.some((g) => g.in_flight >= g.limit && g.waiting > 0)) add(state ? level : 1, waits(counts.waiting));
  if (longest > LONG_MS) add(1, `an attempt has run for ${span(longest)}`);
  if (counts.retrying) add(1, `${amount(counts.retrying, "task")} will try again`);
  if (state?.draining && state.under_way !== undefined) reasons.push(state.under_way > 0 ? `drains: ${amount(state.under_way, "task")} under way` : "drained: nothing runs any more");
  return { podm, state, tasks: counts, live: tasks.length, level, reasons };
}
