/** Flavors: named requirements. They are made and deleted here, and nodes are composed from them. */
import { useSignal } from "@preact/signals";
import { Fault, newKey, post, remove } from "../api";
import { short } from "../format";
import type { Flavor, Requirements } from "../types";
import { Card, FaultNote, Show, Table, Title, act, ask, say } from "../ui";
import { useLoad } from "../use";
import { describe } from "./compose";

export function Flavors() {
  const flavors = useLoad<Flavor[]>("/v1/flavors");
  const drop = (f: Flavor) => ask(`Delete ${f.name}?`, "Nodes that were composed from it stay as they are.", "Delete the flavor", () => void act(`${f.name} is deleted.`, () => remove(`/v1/flavors/${f.uuid}`)).then(flavors.reload));
  return (
    <>
      <Title name="Flavors">Flavors</Title>
      <Card>
        <Show of={flavors}>{(data) => (
          <Table caption="Flavors" rows={[...data].sort((a, b) => a.name.localeCompare(b.name))} keyOf={(f) => f.uuid} empty="No flavor yet. The form below makes one." columns={[
            { head: "Name", main: true, cell: (f) => f.name },
            { head: "A node has", cell: (f) => describe(f.properties) },
            { head: "Id", cell: (f) => <span class="mono" title={f.uuid}>{short(f.uuid)}</span> },
            { head: "Actions", cell: (f) => <span class="pairs">
              <a class="button" aria-label={`Compose a node from ${f.name}`} href={`#/compose?flavor_id=${f.uuid}`}>Compose</a>
              <button type="button" class="danger" aria-label={`Delete ${f.name}`} onClick={() => drop(f)}>Delete</button>
            </span> },
          ]} />
        )}</Show>
      </Card>
      <New made={flavors.reload} />
    </>
  );
}

function New({ made }: { made: () => void }) {
  const name = useSignal(""), memory = useSignal(""), cores = useSignal(""), model = useSignal(""), pci = useSignal("");
  const sending = useSignal(false);
  const fault = useSignal<Fault | null>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (sending.value) return;
    const types = pci.value.split(/[\s,]+/).filter(Boolean);
    const properties: Requirements = {
      ...(memory.value && { memory: { capacity_mib: memory.value } }),
      ...((cores.value || model.value) && { processor: { ...(cores.value && { total_cores: cores.value }), ...(model.value.trim() && { model: model.value.trim() }) } }),
      ...(types.length > 0 && { pci_device: { type: types } }),
    };
    sending.value = true;
    fault.value = null;
    try {
      await post("/v1/flavors", { name: name.value.trim(), properties }, { prefer: "wait=20", key: newKey() });
      say(`${name.value.trim()} is stored.`);
      for (const field of [name, memory, cores, model, pci]) field.value = "";
      made();
    } catch (error) {
      fault.value = error instanceof Fault ? error : new Fault(0, String(error));
    }
    sending.value = false;
  };
  return (
    <Card title="A new flavor">
      <form class="form" onSubmit={(e) => void submit(e)}>
        <label>Name<input required maxLength={255} value={name.value} onInput={(e) => { name.value = e.currentTarget.value; }} /></label>
        <fieldset>
          <legend>What a node of it must have; what is left empty may be anything</legend>
          <label>Memory, MiB<input inputMode="numeric" pattern="[0-9]+" value={memory.value} onInput={(e) => { memory.value = e.currentTarget.value; }} /></label>
          <label>Cores in total<input inputMode="numeric" pattern="[0-9]+" value={cores.value} onInput={(e) => { cores.value = e.currentTarget.value; }} /></label>
          <label>Model of the processors<input value={model.value} onInput={(e) => { model.value = e.currentTarget.value; }} /></label>
          <label>PCI devices, a type for each<input placeholder="SSD, NIC" value={pci.value} onInput={(e) => { pci.value = e.currentTarget.value; }} /></label>
        </fieldset>
        {fault.value && <FaultNote fault={fault.value} />}
        <div class="buttons"><button type="submit" class="primary" disabled={sending.value}>{sending.value ? "Sending…" : "Store the flavor"}</button></div>
      </form>
    </Card>
  );
}
