/** Small parts that all views share. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Fault } from "./api";
import type { Loaded } from "./use";
import type { State } from "./types";

const TONE: Record<State, string> = {
  scheduled: "calm", queued: "calm", running: "busy", retrying: "warn", parked: "busy", waiting: "warn", cancelling: "warn",
  completed: "good", failed: "bad", cancelled: "calm",
};

export function Chip({ tone = "calm", children }: { tone?: string | undefined; children: ComponentChildren }) {
  return <span class={`chip ${tone}`}>{children}</span>;
}

export const StateChip = ({ state }: { state: State }) => <Chip tone={TONE[state]}>{state}</Chip>;

export function Bar({ percent, label }: { percent: number; label: string }) {
  return <progress max={100} value={percent} aria-label={label}>{percent} %</progress>;
}

/** The page was only just opened: the focus is where the browser puts it, before the way to the content. */
let opened = false;

/** Title of a view. It takes the focus when another view opens, so that a keyboard and a screen reader begin there. */
export function Title({ children, side, name }: { children: ComponentChildren; side?: ComponentChildren; name: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${name} · Valence`;
  }, [name]);
  useEffect(() => {
    if (opened && !document.querySelector("dialog[open]")) heading.current?.focus({ preventScroll: true });
    opened = true;
  }, []);
  return <header class="title"><h1 tabIndex={-1} ref={heading}>{children}</h1>{side && <div class="side">{side}</div>}</header>;
}

export function Card({ title, side, children, id }: { title?: ComponentChildren; side?: ComponentChildren; children: ComponentChildren; id?: string | undefined }) {
  return (
    <section class="card" id={id}>
      {title && <header><h2>{title}</h2>{side && <div class="side">{side}</div>}</header>}
      {children}
    </section>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function FaultNote({ fault, retry }: { fault: Fault; retry?: (() => void) | undefined }) {
  return (
    <div class="note bad" role="alert">
      <p><strong>{fault.status === 0 ? "No connection" : fault.status === 401 ? "A token is wanted" : `Error ${fault.status}`}</strong> {fault.message}</p>
      {fault.requestId && <p class="dim">request {fault.requestId}</p>}
      {retry && <button type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

/** What was loaded; else that it is being loaded, or why it is not there. Old data stays when a later reading fails. */
export function Show<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ComponentChildren }) {
  return (
    <>
      {of.fault && <FaultNote fault={of.fault} retry={of.reload} />}
      {of.data !== null ? children(of.data) : !of.fault && <div class="loading" role="status"><span class="visually-hidden">Loading</span><i /><i /><i /></div>}
    </>
  );
}

export interface Column<T> { head: string; cell: (row: T) => ComponentChildren; number?: boolean; main?: boolean }

/** A table; on a narrow screen each row becomes a block with the column's name before each value. */
export function Table<T>({ rows, columns, keyOf, empty, caption, id }: {
  rows: T[]; columns: Column<T>[]; keyOf: (row: T) => string; empty: ComponentChildren; caption: string; id?: (row: T) => string;
}) {
  if (rows.length === 0) return <Empty>{empty}</Empty>;
  return (
    <table class="rows">
      <caption class="visually-hidden">{caption}</caption>
      <thead><tr>{columns.map((c) => <th scope="col" class={c.number ? "number" : ""}>{c.head}</th>)}</tr></thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(row)} id={id?.(row)}>
            {columns.map((c) => <td data-head={c.head} class={`${c.number ? "number" : ""} ${c.main ? "main" : ""}`}>{c.cell(row)}</td>)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The one message at the bottom. */
const said = signal<{ text: string; bad: boolean; n: number } | null>(null);

export function say(text: string, bad = false): void {
  said.value = { text, bad, n: (said.value?.n ?? 0) + 1 };
}

/** Does something that changes; says what came of it. Whether it worked. */
export async function act(done: string, change: () => Promise<unknown>): Promise<boolean> {
  try {
    await change();
    if (done) say(done);
    return true;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
    return false;
  }
}

export function Toast() {
  const now = said.value;
  useEffect(() => {
    if (!now || now.bad) return;
    const timer = window.setTimeout(() => { if (said.value === now) said.value = null; }, 6000);
    return () => window.clearTimeout(timer);
  }, [now]);
  return (
    <div class="toast" role="status" aria-live="polite">
      {now && <p class={now.bad ? "bad" : ""}>{now.text} <button type="button" aria-label="Close the message" onClick={() => { said.value = null; }}>×</button></p>}
    </div>
  );
}

/** A dialog that keeps the keyboard inside and closes with Escape. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement, shown = dialog.current;
    shown?.showModal();
    return () => {
      // As long as it is open, nothing else takes the focus.
      shown?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} onCancel={(e) => { e.preventDefault(); close(); }}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}

interface Question { title: string; text: ComponentChildren; yes: string; run: () => void; danger: boolean }
const question = signal<Question | null>(null);
// What was asked belongs to the view that asked it.
window.addEventListener("hashchange", () => { question.value = null; });

/** Asks before something that is not easily undone. */
export function ask(title: string, text: ComponentChildren, yes: string, run: () => void, danger = true): void {
  question.value = { title, text, yes, run, danger };
}

export function Asked() {
  const q = question.value;
  if (!q) return null;
  const close = () => { question.value = null; };
  return (
    <Dialog title={q.title} close={close}>
      <p>{q.text}</p>
      <div class="buttons">
        <button type="button" onClick={close}>Back</button>
        <button type="button" class={q.danger ? "danger" : "primary"} onClick={() => { close(); q.run(); }}>{q.yes}</button>
      </div>
    </Dialog>
  );
}

export function Json({ value, label }: { value: unknown; label: string }) {
  return <pre tabIndex={0} aria-label={label}>{JSON.stringify(value, null, 2)}</pre>;
}
