/** Lines over time. Colours come from the style sheet, so dark and light are told in one place. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { theme } from "./theme";

export interface Line { label: string; colour: string; values: (number | null)[] }

/** What is shown: all that is known, and never less than a minute, since a first sample alone has no width. */
function span([times]: uPlot.AlignedData): [number, number] {
  const last = times.at(-1) ?? Date.now() / 1000;
  return [Math.min(times[0] ?? last, last - 60), last];
}
/** Whole tasks: no axis with half of one. */
const STEPS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((ten) => [1, 2, 5].map((n) => n * ten));
const style = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Chart({ times, lines, label, format }: { times: number[]; lines: Line[]; label: string; format: (n: number) => string }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shape = `${lines.map((l) => l.label).join()} ${theme.value}`;

  useEffect(() => {
    const host = box.current;
    if (!host) return;
    const axis = { stroke: style("--dim"), grid: { stroke: style("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const made = new uPlot({
      width: Math.max(200, host.clientWidth), height: 180,
      legend: { live: false, markers: { fill: (_u, n) => style(lines[n - 1]?.colour ?? "--dim") } }, cursor: { drag: { x: false, y: false } },
      scales: { x: { range: (u) => span(u.data) }, y: { range: (_u, _min, max) => [0, Math.max(1, max * 1.1)] } },
      series: [{}, ...lines.map((l) => ({ label: l.label, stroke: style(l.colour), width: 2, points: { show: (u: uPlot) => u.data[0].length < 2, size: 6 } }))],
      axes: [{ ...axis, space: 90, values: (_u, ticks) => ticks.map((t) => new Date(t * 1000).toLocaleTimeString("en-GB")) }, { ...axis, size: 52, incrs: STEPS, values: (_u, ticks) => ticks.map(format) }],
    }, [times, ...lines.map((l) => l.values)], host);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: Math.max(200, host.clientWidth), height: 180 }));
    watch.observe(host);
    return () => { watch.disconnect(); made.destroy(); plot.current = null; };
  }, [shape]);

  useEffect(() => { plot.current?.setData([times, ...lines.map((l) => l.values)]); }, [times, lines]);
  const latest = lines.map((l) => `${l.label} ${format(l.values.at(-1) ?? 0)}`).join(", ");
  return <div class="chart" ref={box} role="img" aria-label={`${label}: now ${latest}`} />;
}
