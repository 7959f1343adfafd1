/** What the API answers, as far as the console reads it. `docs/openapi.json` is the whole of it. */

export type State =
  | "scheduled" | "queued" | "running" | "retrying" | "parked" | "waiting" | "cancelling"
  | "completed" | "failed" | "cancelled";

export interface Progress { percent: number; step: string; message?: string }

export interface TaskError {
  code: string; title: string; status: number; detail: string;
  podm_id?: string | null; at?: string | null; retryable: boolean; answered?: boolean;
}

export interface HistoryItem { at: string; state: State; worker?: string; attempt?: number; detail?: string }

export interface Task {
  id: string; kind: string; topic: string; status: string; state: State; priority: string;
  params: unknown; result: unknown; error: TaskError | null; progress: Progress | null;
  attempt: number; max_attempts: number; crashes: number;
  podm_id: string | null; node_id: string | null; parent_id: string | null;
  labels: Record<string, string>;
  created_at: string; started_at: string | null; finished_at: string | null; run_at: string | null;
  timeout_s: number; worker: string | null; history: HistoryItem[];
}

export interface Explanation {
  id: string; state: State; summary: string; reasons: { code: string; message: string }[];
  position: number | null; due_at: string | null; holders: string[]; deadline_at: string;
}

export interface Queue {
  topic: string; paused: boolean; depth: Record<string, number>; priorities: Record<string, number>;
  lag: number; pending: number; sync: number; oldest_age_s: number;
  totals: Record<string, number>; rates: Record<string, number>; workers: number;
}

export interface Worker {
  id: string; topics: string[]; slots: number; busy: number; sync_slots: number;
  version: string; host: string; started_at: string; draining: boolean;
}

export interface Podm {
  uuid: string; name: string; url: string; driver: string; status: string; cordoned?: boolean; draining?: boolean;
  description?: string | null; location?: string | null;
  authentication?: { type: string; auth_items: { username?: string } }[];
  labels?: Record<string, string>; weight?: number; max_changes?: number; max_reads?: number;
  insecure_skip_verify?: boolean; ca_pem?: string | null; fingerprint?: string | null;
}

export interface Gate { name: string; limit: number; in_flight: number; waiting: number; holders: string[] }

export interface PodmState {
  podm_id: string; name: string; driver: string; status: string; cordoned: boolean; draining: boolean;
  under_way?: number;
  circuit: { state: "closed" | "open" | "half_open"; failures: number; until?: string; why?: string };
  gates: Gate[];
  inventory?: { at: string; age_s: number };
}

export interface Node { uuid: string; name: string; podm_id: string; index: string; resource_uri: string }

export interface Requirements {
  memory?: { capacity_mib?: string; type?: string };
  processor?: { model?: string; total_cores?: string };
  pci_device?: { type?: string[] };
}

export interface Flavor { uuid: string; name: string; description?: string; properties: Requirements }

export interface Reading {
  resource_uri: string; name: string; kind: string; value: number | null; unit: string;
  state?: string; health?: string; podm_id: string; read_at: string; age_s: number; stale: boolean;
}

export interface Schedule {
  id: string; name: string; cron?: string; every_s?: number; time_zone: string; jitter_s: number; enabled: boolean;
  task: { kind: string }; next_at: string | null; last_at: string | null; last_task: string | null; last_error?: string;
}

export interface AuditLine {
  id: string; at: string; actor: string; role?: string; from?: string; action: string; target: string;
  task_id?: string; outcome: string; detail?: string;
}
export interface AuditPage { audit: AuditLine[]; marker?: string }

/** States in which a task has ended. */
export const ENDED: readonly State[] = ["completed", "failed", "cancelled"];
export const hasEnded = (state: State): boolean => ENDED.includes(state);
