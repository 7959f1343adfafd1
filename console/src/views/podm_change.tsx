/** Changing a Pod Manager: its name, account, limits and how its certificate is judged. Only what was changed is sent. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Fault, patch } from "../api";
import { go } from "../router";
import type { Podm } from "../types";
import { Card, Empty, FaultNote, Show, Title, say } from "../ui";
import { useLoad } from "../use";

const TEXTS = ["name", "location", "description"] as const;
const LIMITS = ["max_changes", "max_reads"] as const;
type Name = (typeof TEXTS)[number] | (typeof LIMITS)[number] | "weight" | "labels" | "username" | "password" | "ca_pem" | "fingerprint" | "trust";
type Values = Record<Name, string>;

/** How a certificate is judged. */
const TRUST = [["system", "by the system's authorities"], ["ca_pem", "by authorities of its own"], ["fingerprint", "by its fingerprint"], ["none", "not at all (insecure)"]] as const;

function known(podm: Podm): Values {
  const text = (value: string | number | null | undefined) => (value == null ? "" : String(value));
  return {
    name: podm.name, location: text(podm.location), description: text(podm.description),
    max_changes: text(podm.max_changes), max_reads: text(podm.max_reads), weight: text(podm.weight),
    labels: Object.entries(podm.labels ?? {}).map(([k, v]) => `${k}=${v}`).join("\n"),
    username: podm.authentication?.find((a) => a.type === "basic")?.auth_items.username ?? "", password: "",
    ca_pem: text(podm.ca_pem), fingerprint: text(podm.fingerprint),
    trust: podm.insecure_skip_verify ? "none" : podm.ca_pem ? "ca_pem" : podm.fingerprint ? "fingerprint" : "system",
  };
}

/** What differs, as the API wants it. */
function changes(was: Values, is: Values): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  const differs = (name: Name) => is[name].trim() !== was[name];
  for (const name of TEXTS) if (differs(name)) body[name] = is[name].trim();
  // A limit that is set cannot be taken away, only replaced: left empty it stays.
  for (const name of [...LIMITS, "weight"] as const) if (differs(name) && is[name].trim()) body[name] = Number(is[name]);
  if (differs("labels")) {
    const lines = is.labels.split("\n").map((line) => line.trim()).filter(Boolean);
    body["labels"] = Object.fromEntries(lines.map((line) => { const at = line.indexOf("="); return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()]; }));
  }
  if (differs("username") || is.password) body["authentication"] = [{ type: "basic", auth_items: { username: is.username.trim(), password: is.password } }];
  if (differs("trust") || differs("ca_pem") || differs("fingerprint")) {
    const of = (name: "ca_pem" | "fingerprint") => (is.trust === name ? is[name].trim() : "");
    Object.assign(body, { insecure_skip_verify: is.trust === "none", ca_pem: of("ca_pem"), fingerprint: of("fingerprint") });
  }
  return body;
}

/** The field that a refusal speaks of, if it names one. */
function field(fault: Fault | null): Name | undefined {
  const of = /'(name|location|description|max_changes|max_reads|weight|labels|username|password|ca_pem|fingerprint)'/.exec(fault?.message ?? "")?.[1];
  return (of ?? (fault?.message.startsWith("duplicated name") ? "name" : undefined)) as Name | undefined;
}

export function PodmChange({ id }: { id: string }) {
  const podm = useLoad<Podm>(`/v1/pod_managers/${encodeURIComponent(id)}`, { every: 86_400_000, when: () => false });
  const name = podm.data?.name ?? "a Pod Manager";
  return (
    <>
      <Title name={`Change ${name}`} side={<a class="button" href={`#/podms/${id}`}>Back</a>}>Change {name}</Title>
      {podm.fault?.status === 404 ? <Card><Empty>Pod Manager {id} is not registered (any more).</Empty></Card>
        : <Show of={podm}>{(data) => <Form podm={data} />}</Show>}
    </>
  );
}

function Form({ podm }: { podm: Podm }) {
  const was = known(podm);
  const values = useSignal(was);
  const sending = useSignal(false);
  const fault = useSignal<{ at: Name | undefined; what: Fault } | null>(null);
  const is = values.value;
  // What is wrong may be far from the button.
  useEffect(() => { if (fault.value?.at) document.getElementsByName(fault.value.at)[0]?.focus(); }, [fault.value]);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (sending.value) return;
    const body = changes(was, is);
    fault.value = null;
    if (body["authentication"] && !is.password) {
      fault.value = { at: "password", what: new Fault(0, "Another account has to come with its password.") };
      return;
    }
    if (Object.keys(body).length > 0) {
      sending.value = true;
      try {
        await patch(`/v1/pod_managers/${podm.uuid}`, body);
      } catch (error) {
        const what = error instanceof Fault ? error : new Fault(0, String(error));
        fault.value = { at: field(what), what };
        sending.value = false;
        return;
      }
    }
    say(Object.keys(body).length > 0 ? `${is.name.trim()} is changed.` : "Nothing was changed.");
    go(`#/podms/${podm.uuid}`);
  };
  const at = (name: Name) => ({
    name, value: is[name], wrong: fault.value?.at === name ? fault.value.what.message : undefined,
    set: (value: string) => { values.value = { ...values.value, [name]: value }; },
  });
  const https = podm.url.toLowerCase().startsWith("https:");
  return (
    <Card id="change">
      <form class="form" onSubmit={(e) => void submit(e)}>
        <Field {...at("name")} label="Name" required maxLength={255} />
        <p class="hint">Address: <span class="mono wrap">{podm.url}</span>. It cannot be changed: another address is another Pod Manager.</p>
        <Field {...at("location")} label="Location" maxLength={255} />
        <Field {...at("description")} label="Description" maxLength={1000} />
        <fieldset>
          <legend>Account</legend>
          <Field {...at("username")} label="User" required autocomplete="off" />
          <Field {...at("password")} label="New password" type="password" autocomplete="new-password" hint="Left empty: the present one stays. It is never shown." />
        </fieldset>
        <fieldset>
          <legend>How much at once, and how gladly</legend>
          <Field {...at("max_changes")} label="Changes at once" type="number" min={1} max={256} placeholder="4" />
          <Field {...at("max_reads")} label="Reads at once" type="number" min={1} max={256} placeholder="8" />
          <Field {...at("weight")} label="Weight in placement" type="number" min={0} max={100} step="any" placeholder="1" hint="What is left empty stays as it is." />
        </fieldset>
        <Field {...at("labels")} label="Labels, one a line: name=value" rows={3} />
        {https && <fieldset>
          <legend>Its certificate is judged</legend>
          <label>How
            <select value={is.trust} onChange={(e) => at("trust").set(e.currentTarget.value)}>{TRUST.map(([value, text]) => <option value={value}>{text}</option>)}</select>
          </label>
          {is.trust === "ca_pem" && <Field {...at("ca_pem")} label="Authorities, PEM" rows={6} required />}
          {is.trust === "fingerprint" && <Field {...at("fingerprint")} label="SHA-256 fingerprint" required />}
        </fieldset>}
        {fault.value && !fault.value.at && <FaultNote fault={fault.value.what} />}
        <div class="buttons"><a class="button" href={`#/podms/${podm.uuid}`}>Back</a><button type="submit" class="primary" disabled={sending.value}>{sending.value ? "Sending…" : "Store"}</button></div>
      </form>
    </Card>
  );
}

interface FieldProps {
  name: Name; label: string; value: string; set: (value: string) => void;
  type?: "password" | "number"; required?: boolean; maxLength?: number; placeholder?: string; autocomplete?: string;
  min?: number; max?: number; step?: "any";
  hint?: string; wrong?: string | undefined;
  /** So many lines of text, in place of one. */
  rows?: number;
}

/** One field, and what is wrong with it right below. */
function Field({ name, label, value, set, hint, wrong, rows, ...input }: FieldProps) {
  const all = {
    ...input, name, value, "aria-invalid": wrong ? true : undefined, "aria-describedby": wrong || hint ? `about-${name}` : undefined,
    onInput: (e: { currentTarget: HTMLInputElement | HTMLTextAreaElement }) => set(e.currentTarget.value),
  };
  return (
    <div class="field">
      <label>{label}{rows ? <textarea {...all} rows={rows} /> : <input {...(all as object)} />}</label>
      {wrong ? <p class="bad-text" role="alert" id={`about-${name}`}>{wrong}</p> : hint && <p class="hint" id={`about-${name}`}>{hint}</p>}
    </div>
  );
}
