/** Calls to the API. The bearer token lives in this tab's sessionStorage, asked for when the API answers 401. */
import { signal } from "@preact/signals";

const KEY = "valence-token";

/** Bearer token of this tab; empty: none. */
export const token = signal(sessionStorage.getItem(KEY) ?? "");
/** Why the API wants a (better) token; empty: it does not. */
export const tokenWanted = signal("");

export function useToken(value: string): void {
  token.value = value;
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
  tokenWanted.value = "";
}

/** What went wrong, as the API's five-key body says it. Status 0: it could not be reached. */
export class Fault extends Error {
  constructor(readonly status: number, message: string, readonly requestId?: string) { super(message); }
}

export function headers(more: Record<string, string> = {}): Record<string, string> {
  return token.value ? { ...more, authorization: `Bearer ${token.value}` } : more;
}

interface Body { json?: unknown; prefer?: string; key?: string }

async function call<T>(method: string, path: string, { json, prefer, key }: Body = {}): Promise<T> {
  const given: Record<string, string> = {};
  if (json !== undefined) given["content-type"] = "application/json";
  if (prefer) given["prefer"] = prefer;
  if (key) given["idempotency-key"] = key;
  let response: Response;
  try {
    response = await fetch(path, {
      method, headers: headers(given), cache: "no-store",
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
  } catch {
    throw new Fault(0, "The API cannot be reached.");
  }
  const text = await response.text();
  let body: any = null;
  try { body = text ? JSON.parse(text) : null; } catch { /* not JSON: the status says enough */ }
  if (response.ok) return body as T;
  if (response.status === 401) tokenWanted.value = body?.detail || "a known one is wanted";
  throw new Fault(response.status, body?.detail || body?.title || `HTTP ${response.status}`, body?.request_id);
}

export const get = <T>(path: string): Promise<T> => call<T>("GET", path);

/** Changes something. `key` makes a repeat the same request. */
export const post = <T>(path: string, json?: unknown, more: Omit<Body, "json"> = {}): Promise<T> =>
  call<T>("POST", path, { json, prefer: "respond-async", ...more });

export const patch = <T>(path: string, json: unknown): Promise<T> => call<T>("PATCH", path, { json });

export const remove = <T>(path: string): Promise<T> => call<T>("DELETE", path, { prefer: "respond-async" });

/** An Idempotency-Key; also where crypto.randomUUID is missing, which is on plain http. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
