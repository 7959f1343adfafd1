/** Depth of every queue since the page was opened. */
import { useEffect } from "preact/hooks";
import { signal } from "@preact/signals";
import { Chart } from "../chart";
import { count } from "../format";
import type { Queue } from "../types";

/** Samples kept: some twenty minutes. */
const KEPT = 400;
const COLOURS: Record<string, string> = {
  compute: "--line-1", network: "--line-2", storage: "--line-3", telemetry: "--line-4", scheduler: "--line-5",
};

// Kept here, not in the view: going to another view and back loses nothing.
const history = signal<{ at: number; depth: Record<string, number> }[]>([]);

export function QueueChart({ queues }: { queues: Queue[] }) {
  useEffect(() => {
    const depth = Object.fromEntries(queues.map((q) => [q.topic, Object.values(q.depth).reduce((a, b) => a + b, 0)]));
    history.value = [...history.value, { at: Date.now() / 1000, depth }].slice(-KEPT);
  }, [queues]);
  const samples = history.value;
  return (
    <Chart label="Tasks that have not ended, by topic" format={count} times={samples.map((s) => s.at)}
      lines={queues.map((q) => ({ label: q.topic, colour: COLOURS[q.topic] ?? "--line-1", values: samples.map((s) => s.depth[q.topic] ?? null) }))} />
  );
}
