/** What views read, kept fresh. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Fault, get, token } from "./api";
import { type Change, onChange } from "./live";

export interface Loaded<T> {
  data: T | null;
  fault: Fault | null;
  /** Reads anew at once. */
  reload: () => void;
  /** Puts what is known already in the place of what was read. */
  patch: (change: (data: T) => T) => void;
}

interface Fresh<T> {
  /** How it is read: one answer, unless said otherwise. */
  from?: (path: string) => Promise<T>;
  /** Reads anew so often, ms, while the page is seen. */
  every?: number;
  /** Reads anew when a change is of interest. */
  when?: (changes: Map<string, Change>) => boolean;
}

/** Shortest time between two readings of the same, ms. */
const GAP_MS = 800;

/** Reads `path` (`null`: nothing), again every now and then and when tasks change. */
export function useLoad<T>(path: string | null, { from = get<T>, every = 5000, when = () => true }: Fresh<T> = {}): Loaded<T> {
  const [data, setData] = useState<T | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const interest = useRef(when), source = useRef(from);
  interest.current = when;
  source.current = from;
  const now = useRef<() => void>(() => {});

  useEffect(() => {
    setData(null);
    setFault(null);
    if (path === null) return;
    let over = false, busy = false, again = false;
    let begun = 0;
    let later: number | undefined;
    const read = async () => {
      if (busy) { again = true; return; }
      busy = true;
      begun = Date.now();
      try {
        const read = await source.current(path);
        if (!over) { setData(read); setFault(null); }
      } catch (error) {
        if (!over) setFault(error instanceof Fault ? error : new Fault(0, String(error)));
      }
      busy = false;
      if (again && !over) { again = false; soon(); }
    };
    const soon = () => {
      if (later !== undefined) return;
      later = window.setTimeout(() => { later = undefined; void read(); }, Math.max(0, begun + GAP_MS - Date.now()));
    };
    now.current = () => void read();
    void read();
    const timer = window.setInterval(() => { if (!document.hidden) soon(); }, every);
    const seen = () => { if (!document.hidden) soon(); };
    document.addEventListener("visibilitychange", seen);
    const off = onChange((changes) => { if (!document.hidden && (changes === null || interest.current(changes))) soon(); });
    return () => {
      over = true;
      window.clearInterval(timer);
      window.clearTimeout(later);
      document.removeEventListener("visibilitychange", seen);
      off();
    };
  }, [path, every, token.value]);

  const reload = useCallback(() => now.current(), []);
  const patch = useCallback((change: (data: T) => T) => setData((was) => (was === null ? was : change(was))), []);
  return { data, fault, reload, patch };
}

/** The time, renewed every second: for ages that are shown. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => { if (!document.hidden) setNow(Date.now()); }, 1000);
    return () => window.clearInterval(timer);
  }, []);
  return now;
}
