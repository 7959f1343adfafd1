/** Names of Pod Managers: tasks and nodes know only their ids. */
import { short } from "../format";
import type { Podm } from "../types";
import { useLoad } from "../use";

const never = () => false;

export function useNames(): (id: string | null) => string {
  const { data } = useLoad<Podm[]>("/v1/pod_managers", { every: 60_000, when: never });
  const names = new Map((data ?? []).map((p) => [p.uuid, p.name]));
  return (id) => (id === null ? "—" : names.get(id) ?? short(id));
}
