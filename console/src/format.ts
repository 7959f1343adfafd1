/** Numbers and times for people. */

export function count(n: number): string {
  if (Math.abs(n) < 10_000) return n.toLocaleString("en");
  return Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(n);
}

export function rate(perSecond: number | undefined): string {
  const n = perSecond ?? 0;
  if (n === 0) return "0/s";
  return n < 10 ? `${n.toFixed(1)}/s` : `${count(Math.round(n))}/s`;
}

/** A length of time, from milliseconds: the two largest units at most. */
export function span(ms: number): string {
  const s = Math.max(0, ms) / 1000;
  if (s < 0.001) return "0 s";
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

export function ago(at: string | null | undefined, now: number): string {
  if (!at) return "—";
  const ms = now - Date.parse(at);
  if (Number.isNaN(ms)) return at;
  return ms < 1000 ? "just now" : `${span(ms)} ago`;
}

export function clock(at: string): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : date.toLocaleTimeString("en-GB") + "." + String(date.getMilliseconds()).padStart(3, "0");
}

export function moment(at: string | null | undefined): string {
  if (!at) return "—";
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : `${date.toLocaleDateString("en-CA")} ${date.toLocaleTimeString("en-GB")}`;
}

/** The end of an id: its beginning is the time, and looks alike for all. No line ends after the dots. */
export const short = (id: string): string => (id.length > 12 ? `…\u2060${id.slice(-10)}` : id);

export function amount(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
