/** Composing a node: from a flavor or from what it must have, at a Pod Manager or wherever Valence places it. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Fault, newKey, post } from "../api";
import { go, place, taskLink } from "../router";
import type { Flavor, Podm, Requirements, Task } from "../types";
import { Card, FaultNote, Show, Title } from "../ui";
import { useLoad } from "../use";

const never = () => false;

export function describe(r: Requirements): string {
  const parts = [
    r.memory?.capacity_mib && `${r.memory.capacity_mib} MiB${r.memory.type ? ` ${r.memory.type}` : ""} of memory`,
    r.processor?.total_cores && `${r.processor.total_cores} cores`,
    r.processor?.model && `processor ${r.processor.model}`,
    r.pci_device?.type?.length && `PCI ${r.pci_device.type.join(", ")}`,
  ].filter(Boolean);
  return parts.length > 0 ? parts.join(", ") : "anything";
}

export function Compose() {
  const flavors = useLoad<Flavor[]>("/v1/flavors", { every: 30_000, when: never });
  return (
    <>
      <Title name="Compose a node">Compose a node</Title>
      <Show of={flavors}>{(data) => <Form flavors={data} />}</Show>
    </>
  );
}

function Form({ flavors }: { flavors: Flavor[] }) {
  const podms = useLoad<Podm[]>("/v1/pod_managers", { every: 30_000, when: never });
  const name = useSignal("");
  const description = useSignal("");
  const flavor = useSignal(place.value.query.get("flavor_id") ?? flavors[0]?.uuid ?? "");
  const podm = useSignal(place.value.query.get("podm_id") ?? "");
  const memory = useSignal("");
  const cores = useSignal("");
  const model = useSignal("");
  const sending = useSignal(false);
  const fault = useSignal<Fault | null>(null);
  // One key as long as nothing of the form changes: pressing twice, or again after a lost answer, composes one node.
  const key = useRef({ body: "", key: "" });

  const submit = async (event: Event) => {
    event.preventDefault();
    if (sending.value) return;
    const properties: Requirements = {};
    if (memory.value) properties.memory = { capacity_mib: memory.value };
    if (cores.value || model.value) properties.processor = { ...(cores.value && { total_cores: cores.value }), ...(model.value && { model: model.value }) };
    const body = {
      name: name.value.trim(),
      ...(description.value.trim() && { description: description.value.trim() }),
      ...(podm.value && { podm_id: podm.value }),
      ...(flavor.value ? { flavor_id: flavor.value } : Object.keys(properties).length > 0 && { properties }),
    };
    const text = JSON.stringify(body);
    if (key.current.body !== text) key.current = { body: text, key: newKey() };
    sending.value = true;
    fault.value = null;
    try {
      const task = await post<Task>("/v1/nodes", body, { key: key.current.key });
      go(taskLink(task.id));
    } catch (error) {
      fault.value = error instanceof Fault ? error : new Fault(0, String(error));
    }
    sending.value = false;
  };

  const chosen = flavors.find((f) => f.uuid === flavor.value);
  return (
    <Card id="compose">
      <form class="form" onSubmit={(e) => void submit(e)}>
        <label>Name<input required maxLength={255} autocomplete="off" value={name.value} onInput={(e) => { name.value = e.currentTarget.value; }} /></label>
        <label><span>Description (optional)</span><input maxLength={1000} autocomplete="off" value={description.value} onInput={(e) => { description.value = e.currentTarget.value; }} /></label>
        <label>Flavor
          <select value={flavor.value} onChange={(e) => { flavor.value = e.currentTarget.value; }}>
            {flavors.map((f) => <option value={f.uuid}>{f.name}</option>)}
            <option value="">none: say below what it must have</option>
          </select>
        </label>
        {chosen ? <p class="hint">At least {describe(chosen.properties)}.</p> : (
          <fieldset>
            <legend>It must have at least</legend>
            <label>Memory, MiB<input inputMode="numeric" pattern="[0-9]+" value={memory.value} onInput={(e) => { memory.value = e.currentTarget.value; }} /></label>
            <label>Cores<input inputMode="numeric" pattern="[0-9]+" value={cores.value} onInput={(e) => { cores.value = e.currentTarget.value; }} /></label>
            <label>Processor model<input value={model.value} onInput={(e) => { model.value = e.currentTarget.value; }} /></label>
            <p class="hint">Left empty: anything will do.{flavors.length === 0 && <> There is no flavor yet: <a href="#/flavors">make one</a>.</>}</p>
          </fieldset>
        )}
        <label>Pod Manager
          <select value={podm.value} onChange={(e) => { podm.value = e.currentTarget.value; }}>
            <option value="">let Valence choose</option>
            {(podms.data ?? []).map((p) => <option value={p.uuid}>{p.name} ({p.status.toLowerCase()}{p.cordoned ? ", cordoned" : ""})</option>)}
          </select>
        </label>
        {fault.value && <FaultNote fault={fault.value} />}
        <div class="buttons"><button type="submit" class="primary" disabled={sending.value}>{sending.value ? "Sending…" : "Compose"}</button></div>
      </form>
    </Card>
  );
}
