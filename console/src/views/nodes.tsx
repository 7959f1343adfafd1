/** Composed nodes, and one as its Pod Manager shows it. */
import { useSignal } from "@preact/signals";
import { remove } from "../api";
import { short } from "../format";
import { go, taskLink } from "../router";
import type { Node, Task } from "../types";
import { Card, Empty, Json, Show, Table, Title, act, ask } from "../ui";
import { useLoad } from "../use";
import { useNames } from "./names";

export function Nodes() {
  const nodes = useLoad<Node[]>("/v1/nodes");
  const podm = useNames();
  const text = useSignal("");
  const fits = (n: Node) => `${n.name} ${n.uuid} ${podm(n.podm_id)}`.toLowerCase().includes(text.value.trim().toLowerCase());
  return (
    <>
      <Title name="Nodes" side={<a class="button primary" href="#/compose">Compose a node</a>}>Nodes</Title>
      <Card>
        <Show of={nodes}>{(data) => <>
          {data.length > 10 && <form class="filters" onSubmit={(e) => e.preventDefault()}><label>Find<input type="search" value={text.value} onInput={(e) => { text.value = e.currentTarget.value; }} /></label></form>}
          <Table caption="Nodes" rows={data.filter(fits).sort((a, b) => a.name.localeCompare(b.name))} keyOf={(n) => n.uuid} empty={data.length > 0 ? "None fits." : <>No node yet. <a href="#/compose">Compose one</a></>} columns={[
            { head: "Name", main: true, cell: (n) => <a href={`#/nodes/${n.uuid}`}>{n.name}</a> },
            { head: "Pod Manager", cell: (n) => <a href={`#/podms/${n.podm_id}`}>{podm(n.podm_id)}</a> },
            { head: "Resource", cell: (n) => <span class="mono wrap">{n.resource_uri}</span> },
            { head: "Id", cell: (n) => <span class="mono" title={n.uuid}>{short(n.uuid)}</span> },
            { head: "Tasks", cell: (n) => <a href={`#/tasks?node_id=${n.uuid}`}>what happened</a> },
          ]} />
        </>}</Show>
      </Card>
    </>
  );
}

interface Full extends Node {
  node_power_state?: string; node_state?: string; health_status?: string; boot_source?: string;
  description?: string; created_at?: string; metadata?: unknown;
}

export function NodeView({ id }: { id: string }) {
  // It is read from the hardware: not more often than needed.
  const node = useLoad<Full>(`/v1/nodes/${encodeURIComponent(id)}`, { every: 60_000, when: () => false });
  const podm = useNames();
  const name = node.data?.name ?? "Node";
  const drop = () => ask(`Delete ${name}?`, "Its hardware is given back to its Pod Manager.", "Delete the node", () => void act("", async () => {
    const task = await remove<Task>(`/v1/nodes/${encodeURIComponent(id)}`);
    go(taskLink(task.id));
  }));
  return (
    <>
      <Title name={name} side={<><a class="button" href={`#/tasks?node_id=${id}`}>Tasks</a>{node.data && <button type="button" class="danger" onClick={drop}>Delete</button>}</>}>{name}</Title>
      <p class="dim mono id">{id}</p>
      {node.fault?.status === 404
        ? <Card><Empty>There is no such node (any more). <a href={`#/tasks?node_id=${id}`}>What happened to it</a></Empty></Card>
        : <Show of={node}>{(n) => <>
          <Card title="Facts">
            <dl>
              <div><dt>Pod Manager</dt><dd><a href={`#/podms/${n.podm_id}`}>{podm(n.podm_id)}</a></dd></div>
              <div><dt>Power</dt><dd>{n.node_power_state ?? "unknown"}</dd></div>
              <div><dt>State</dt><dd>{n.node_state ?? "unknown"}</dd></div>
              <div><dt>Health</dt><dd>{n.health_status ?? "unknown"}</dd></div>
              <div><dt>Boots from</dt><dd>{n.boot_source ?? "unknown"}</dd></div>
              <div><dt>Resource</dt><dd class="mono wrap">{n.resource_uri}</dd></div>
              {n.description && <div><dt>Description</dt><dd>{n.description}</dd></div>}
              {n.created_at && <div><dt>Composed</dt><dd>{n.created_at}</dd></div>}
            </dl>
          </Card>
          {n.metadata != null && <Card title="Hardware"><Json value={n.metadata} label="Hardware" /></Card>}
        </>}</Show>}
    </>
  );
}
