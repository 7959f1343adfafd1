/**
 * State changes as they happen, over server-sent events.
 *
 * EventSource cannot send a bearer token, so the stream is read with fetch: the few lines of the format that the API uses, and
 * `Last-Event-ID` when the connection is made anew. Changes are handed on four times a second at most, the newest of each task.
 */
import { effect, signal } from "@preact/signals";
import { headers, token, tokenWanted } from "./api";
import type { Progress, State } from "./types";

export interface Change { id: string; state: State; status: string; at: string; progress?: Progress }

/** `null`: everything may have changed (after a `reset`, or when the stream comes back). */
type Listener = (changes: Map<string, Change> | null) => void;

/** Whether changes are being heard. */
export const link = signal<"connecting" | "live" | "lost">("connecting");

const HAND_ON_MS = 250;
const RETRY_MS = [500, 1000, 2000, 5000];

const listeners = new Set<Listener>();
const pending = new Map<string, Change>();
let timer: number | undefined;
let last = "";

/** Calls `listener` with changes until the returned function is called. */
export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => { listeners.delete(listener); };
}

function handOn(changes: Map<string, Change> | null): void {
  for (const listener of [...listeners]) listener(changes);
}

function take(event: string, data: string): void {
  if (event === "reset") { handOn(null); return; }
  const change = JSON.parse(data) as Change;
  pending.set(change.id, change);
  timer ??= window.setTimeout(() => {
    timer = undefined;
    const batch = new Map(pending);
    pending.clear();
    handOn(batch);
  }, HAND_ON_MS);
}

/** Reads the stream until it ends. */
async function read(body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream() as any).getReader() as ReadableStreamDefaultReader<string>;
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      let event = "message", data = "";
      for (const line of block.split(/\r?\n/)) {
        const at = line.indexOf(":");
        if (at <= 0) continue;
        const field = line.slice(0, at), text = line.slice(at + 1).replace(/^ /, "");
        if (field === "id") last = text;
        else if (field === "event") event = text;
        else if (field === "data") data += text;
      }
      if (data) take(event, data);
    }
  }
}

async function follow(stop: AbortSignal): Promise<void> {
  for (let failures = 0; !stop.aborted;) {
    try {
      const response = await fetch("/v1/events", {
        signal: stop, cache: "no-store",
        headers: headers({ accept: "text/event-stream", ...(last ? { "last-event-id": last } : {}) }),
      });
      // What is wrong with the token is said by whatever else is read.
      if (response.status === 401) { tokenWanted.value ||= "a known one is wanted"; return; }
      // A position that the server does not know any more: from now on, and everything read anew.
      if (response.status === 400) last = "";
      if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
      // Resumed, nothing is missed; without a position, what happened meanwhile is.
      if (failures > 0 && !last) handOn(null);
      failures = 0;
      link.value = "live";
      await read(response.body);
    } catch {
      if (stop.aborted) return;
    }
    link.value = "lost";
    await new Promise((go) => setTimeout(go, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
    failures += 1;
  }
}

/** Starts to listen; anew whenever the token changes. */
export function start(): void {
  let stop = new AbortController();
  effect(() => {
    void token.value;
    stop.abort();
    stop = new AbortController();
    void follow(stop.signal);
  });
}
