// Draws each dashboard from its JSON and what a Prometheus has: which panels there are, where, and their data. Not Grafana's looks.
// node dashboards.mjs PROMETHEUS FOLDER-OF-JSON FOLDER-FOR-PNG; `make pictures` calls it.
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { start } from "../test/browser.mjs";

const [prometheus, from, to] = process.argv.slice(2);
const SPAN_S = 80;
const STEP_S = 1;
const end = Math.floor(Date.now() / 1000 / STEP_S) * STEP_S;
const VARIABLES = [["$__rate_interval", "30s"], ["$__range", `${SPAN_S}s`], ["$job", ".+"], ["$instance", ".+"], ["$topic", "compute"]];
const fill = (text) => VARIABLES.reduce((all, [name, value]) => all.replaceAll(name, value), text);

async function series(target) {
  const query = new URLSearchParams({ query: fill(target.expr), start: end - SPAN_S, end, step: STEP_S });
  const answer = await (await fetch(`${prometheus}/api/v1/query_range?${query}`)).json();
  if (answer.status !== "success") throw new Error(`${target.expr}: ${JSON.stringify(answer)}`);
  return answer.data.result.map(({ metric, values }) => ({
    metric,
    name: target.legendFormat.replace(/\{\{(\w+)\}\}/g, (_all, label) => metric[label] ?? "").trim() || "value",
    values: new Map(values.map(([at, value]) => [at, Number(value)])),
  }));
}

/** A table's rows: what all its queries have now, joined by Pod Manager, as its transformations say. */
function rows(panel, queries) {
  const { indexByName: order, renameByName: names } = panel.transformations.find((t) => t.id === "organize").options;
  const words = (name) => panel.fieldConfig.overrides.find((o) => o.matcher.options === name)?.properties.find((p) => p.id === "mappings")?.value[0].options;
  const columns = Object.keys(order).sort((a, b) => order[a] - order[b]);
  const [first, ...others] = queries.map((lines, n) => ({ ref: `Value #${panel.targets[n].refId}`, of: new Map(lines.flatMap((l) => { const v = l.values.get(end); return v === undefined ? [] : [[l.metric.podm, v]]; })) }));
  const sorted = [...first.of].sort((a, b) => b[1] - a[1]).map(([podm]) => podm);
  const cell = (podm, column) => {
    const value = others.find((q) => q.ref === column)?.of.get(podm);
    return column === "podm" ? { text: podm } : words(names[column])?.[value] ?? { text: String(value ?? "") };
  };
  return { heads: columns.map((c) => names[c]), cells: sorted.map((podm) => columns.map((c) => cell(podm, c))) };
}

async function read(dashboard) {
  const panels = [];
  for (const panel of dashboard.panels) {
    const queries = await Promise.all((panel.targets ?? []).map(series));
    const found = queries.flat();
    const times = Array.from({ length: SPAN_S / STEP_S + 1 }, (_gone, n) => end - SPAN_S + n * STEP_S);
    panels.push({
      type: panel.type, title: fill(panel.title), at: panel.gridPos, ...panel.fieldConfig?.defaults && { unit: panel.fieldConfig.defaults.unit },
      stacked: panel.fieldConfig?.defaults?.custom?.stacking?.mode === "normal",
      whole: panel.fieldConfig?.defaults?.decimals === 0, none: panel.fieldConfig?.defaults?.noValue ?? "No data", ...panel.type === "table" && { table: rows(panel, queries) },
      words: panel.fieldConfig?.defaults?.mappings?.[0]?.options, steps: panel.fieldConfig?.defaults?.thresholds?.steps, times,
      lines: found.map((line) => ({ name: line.name, values: times.map((t) => { const v = line.values.get(t); return v === undefined || Number.isNaN(v) ? null : v; }) })),
    });
  }
  return panels;
}

/** Runs in the page. */
function draw({ title, panels }) {
  const COLOURS = ["#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#5794f2", "#ba43a9", "#b877d9", "#f2495c", "#96d98d", "#ffb357", "#8ab8ff"];
  const COLOUR = { green: "#56a64b", orange: "#ff9830", red: "#e02f44" };
  const WHOLE = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((ten) => [1, 2, 5].map((n) => n * ten));
  const short = (n) => (Math.abs(n) >= 1e9 ? `${(n / 1e9).toFixed(1)} G` : Math.abs(n) >= 1e6 ? `${(n / 1e6).toFixed(1)} M` : Math.abs(n) >= 1e4 ? `${(n / 1e3).toFixed(1)} k` : String(+n.toPrecision(3)));
  const format = (n, unit) => {
    if (n === null || n === undefined) return "";
    if (unit === "s") return n < 1e-3 && n > 0 ? `${+(n * 1e6).toPrecision(3)} µs` : n < 1 ? `${+(n * 1e3).toPrecision(3)} ms` : `${+n.toPrecision(3)} s`;
    if (unit === "percentunit") return `${+(n * 100).toPrecision(3)} %`;
    if (unit === "bytes") return `${short(n)}B`;
    return short(n) + ({ ops: "/s", reqps: " req/s", celsius: " °C", watt: " W" }[unit] ?? "");
  };
  const make = (tag, className, text) => { const e = document.createElement(tag); e.className = className; if (text) e.textContent = text; return e; };
  document.body.append(make("h1", "", title));
  const grid = document.body.appendChild(make("div", "grid"));
  for (const panel of panels) {
    const box = grid.appendChild(make("section", panel.type));
    const { x, y, w, h } = panel.at;
    Object.assign(box.style, { gridColumn: `${x + 1} / span ${w}`, gridRow: `${y + 1} / span ${h}` });
    box.append(make("h2", "", panel.title));
    const body = box.appendChild(make("div", "body"));
    if (panel.type === "stat") {
      const value = panel.lines[0]?.values.filter((v) => v !== null).at(-1);
      const number = body.appendChild(make("strong", "", value === undefined ? panel.none : format(value, panel.unit)));
      const step = (panel.steps ?? []).filter((s) => s.value === null || value >= s.value).at(-1);
      number.style.color = COLOUR[step?.color] ?? "#888";
    } else if (panel.type === "table" && panel.table.cells.length > 0) {
      const table = body.appendChild(make("table", ""));
      const line = (tag, cells) => { const tr = table.appendChild(make("tr", "")); for (const { text, color } of cells) tr.appendChild(make(tag, "", text)).style.color = color ? COLOUR[color] : ""; };
      line("th", panel.table.heads.map((text) => ({ text })));
      for (const cells of panel.table.cells) line("td", cells);
    } else if (panel.lines.length === 0 && panel.type !== "row" || panel.type === "table") {
      body.append(make("p", "none", panel.none));
    } else if (panel.type === "state-timeline") {
      for (const line of panel.lines) {
        const row = body.appendChild(make("div", "states"));
        row.append(make("span", "", line.name));
        const bar = row.appendChild(make("div", "bar"));
        for (const value of line.values) {
          const word = panel.words?.[value];
          bar.appendChild(make("i", "")).style.background = value === null ? "transparent" : COLOUR[word?.color] ?? "#888";
        }
        const last = line.values.filter((v) => v !== null).at(-1);
        row.append(make("span", "", panel.words?.[last]?.text ?? ""));
      }
    } else if (panel.type !== "row") {
      let shown = panel.lines;
      if (panel.stacked) {
        const sum = panel.times.map(() => 0);
        shown = panel.lines.map((l) => ({ name: l.name, values: l.values.map((v, n) => (v === null ? null : (sum[n] += v))) })).reverse();
      }
      const colour = (line) => COLOURS[panel.lines.findIndex((l) => l.name === line.name) % COLOURS.length];
      const axis = { stroke: "#9aa4b5", grid: { stroke: "#2b3240", width: 1 }, ticks: { show: false }, font: "11px sans-serif" };
      const legend = make("p", "legend");
      for (const line of panel.lines) { const name = legend.appendChild(make("span", "", line.name)); name.style.setProperty("--colour", colour(line)); }
      body.append(legend);
      new uPlot({
        width: body.clientWidth, height: body.clientHeight - legend.offsetHeight - 4, legend: { show: false }, cursor: { show: false },
        scales: { y: { range: (_u, low, high) => (panel.unit === "celsius" ? [Math.floor(low - 1), Math.ceil(high + 1)] : [0, high > 0 ? high * 1.1 : 1]) } },
        series: [{}, ...shown.map((l) => ({ stroke: colour(l), width: 1.6, points: { show: false }, ...(panel.stacked && { fill: `${colour(l)}55` }) }))],
        axes: [{ ...axis, values: (_u, at) => at.map((t) => new Date(t * 1000).toISOString().slice(14, 19)), space: 60 }, { ...axis, size: 68, ...(panel.whole && { incrs: WHOLE }), values: (_u, ticks) => ticks.map((n) => format(n, panel.unit)) }],
      }, [panel.times, ...shown.map((l) => l.values)], body);
      body.append(legend);
    }
  }
}

const STYLE = `body { margin: 16px; background: #111217; color: #d5dae3; font: 13px system-ui, "DejaVu Sans", sans-serif; width: 1400px; }
h1 { font-size: 18px; margin: 0 0 12px; } h2 { font-size: 12.5px; font-weight: 600; margin: 0 0 4px; }
.grid { display: grid; grid-template-columns: repeat(24, 1fr); grid-auto-rows: 28px; gap: 6px; }
section { background: #181b20; border: 1px solid #262c37; border-radius: 4px; padding: 6px 9px; display: flex; flex-direction: column; min-width: 0; overflow: hidden; }
.row { background: none; border: 0; padding: 6px 2px 0; } .body { flex: 1; min-height: 0; }
.stat strong { font-size: 28px; display: block; text-align: center; padding-top: 14px; }
.legend { margin: 2px 0 0; display: flex; flex-wrap: wrap; gap: 0 10px; overflow: hidden; white-space: nowrap; font-size: 11px; max-height: 48px; }
.legend span::before { content: ""; display: inline-block; width: 10px; height: 3px; margin-right: 4px; vertical-align: middle; background: var(--colour); }
.states { display: grid; grid-template-columns: 90px 1fr 70px; gap: 8px; align-items: center; margin: 7px 0; } .bar { display: flex; height: 22px; } .bar i { flex: 1; }
table { width: 100%; border-collapse: collapse; } th, td { text-align: left; padding: 4px 8px; border-bottom: 1px solid #262c37; } th { font-size: 11.5px; color: #9aa4b5; }
.none { text-align: center; color: #8a93a3; margin-top: 50px; }`;

const library = createRequire(import.meta.url).resolve("uplot").replace(/[^/]+$/, "");
mkdirSync(to, { recursive: true });
const browser = await start({ viewport: { width: 1432, height: 900 } });
const page = await browser.context.newPage();
for (const file of readdirSync(from).filter((name) => name.endsWith(".json"))) {
  const dashboard = JSON.parse(readFileSync(join(from, file), "utf8"));
  const panels = await read(dashboard);
  await page.setContent("<!doctype html><html><head></head><body></body></html>");
  await page.addStyleTag({ content: STYLE + readFileSync(join(library, "uPlot.min.css"), "utf8") });
  await page.addScriptTag({ content: readFileSync(join(library, "uPlot.iife.min.js"), "utf8") });
  await page.evaluate(draw, { title: dashboard.title, panels });
  await page.screenshot({ path: join(to, `${basename(file, ".json")}.png`), fullPage: true });
}
await browser.close();
