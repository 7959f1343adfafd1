/** The frame around every view: where one can go, whether changes are heard, the token, dark or light. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { token, tokenWanted, useToken } from "./api";
import { link } from "./live";
import { place } from "./router";
import { theme, toggle } from "./theme";
import { Asked, Dialog, Empty, Title, Toast } from "./ui";
import { Audit } from "./views/audit";
import { Compose } from "./views/compose";
import { DeadLetters } from "./views/dead_letters";
import { Flavors } from "./views/flavors";
import { NodeView, Nodes } from "./views/nodes";
import { Overview } from "./views/overview";
import { PodmChange } from "./views/podm_change";
import { Podms } from "./views/podms";
import { Queues } from "./views/queues";
import { Schedules } from "./views/schedules";
import { TaskView } from "./views/task";
import { Tasks } from "./views/tasks";
import { Telemetry } from "./views/telemetry";
import { Workers } from "./views/workers";

const VIEWS = [
  ["", "Overview"], ["tasks", "Tasks"], ["podms", "Pod Managers"], ["nodes", "Nodes"], ["compose", "Compose"], ["flavors", "Flavors"],
  ["queues", "Queues"], ["dead-letters", "Dead letters"], ["workers", "Workers"],
  ["schedules", "Schedules"], ["telemetry", "Telemetry"], ["audit", "Audit log"],
] as const;

function View() {
  const [view = "", id, what] = place.value.parts;
  switch (view) {
    case "": return <Overview />;
    case "tasks": return id ? <TaskView key={id} id={id} /> : <Tasks />;
    case "podms": return id && what === "change" ? <PodmChange key={id} id={id} /> : <Podms wanted={id} />;
    case "nodes": return id ? <NodeView key={id} id={id} /> : <Nodes />;
    case "compose": return <Compose />;
    case "flavors": return <Flavors />;
    case "queues": return <Queues wanted={id} />;
    case "dead-letters": return <DeadLetters />;
    case "workers": return <Workers />;
    case "schedules": return <Schedules />;
    case "telemetry": return <Telemetry />;
    case "audit": return <Audit />;
    default: return <><Title name="Not found">Not found</Title><Empty>There is no such view. <a href="#/">To the overview</a></Empty></>;
  }
}

function TokenDialog() {
  const text = useSignal("");
  const close = () => { tokenWanted.value = ""; };
  const submit = (event: Event) => { event.preventDefault(); if (text.value.trim()) useToken(text.value.trim()); };
  return (
    <Dialog title="Bearer token" close={close}>
      <form onSubmit={submit}>
        <p>{token.value ? `The API does not take this token: ${tokenWanted.value}.` : "The API wants to know who asks."} The token is kept in this tab only.</p>
        <label>Token<input type="password" autocomplete="off" value={text.value} onInput={(e) => { text.value = e.currentTarget.value; }} /></label>
        <div class="buttons">
          <button type="button" onClick={close}>Not now</button>
          <button type="submit" class="primary">Use it</button>
        </div>
      </form>
    </Dialog>
  );
}

const LINK = { live: ["good", "live"], connecting: ["calm", "connecting"], lost: ["warn", "reconnecting"] } as const;

export function App() {
  const open = useSignal(false);
  const [view = ""] = place.value.parts;
  useEffect(() => { open.value = false; window.scrollTo(0, 0); }, [place.value.parts.join("/")]);
  const [tone, word] = LINK[link.value];
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.querySelector<HTMLElement>("main h1")?.focus(); }}>To the content</a>
      <header class="top">
        <a class="brand" href="#/"><img src="/console/icon.svg" alt="" width="24" height="24" /> Valence</a>
        <button type="button" class="menu" aria-expanded={open.value} aria-controls="nav" onClick={() => { open.value = !open.value; }}>Menu</button>
        <nav id="nav" aria-label="Views" class={open.value ? "open" : ""}>
          {VIEWS.map(([to, name]) => <a href={`#/${to}`} aria-current={view === to ? "page" : undefined}>{name}</a>)}
        </nav>
        <div class="tools">
          <span class={`link ${tone}`} role="status" title="Whether changes arrive as they happen"><i aria-hidden="true" />{word}</span>
          {token.value && <button type="button" onClick={() => useToken("")}>Sign out</button>}
          <button type="button" onClick={toggle} aria-label={`Use ${theme.value === "dark" ? "light" : "dark"} colours`}>{theme.value === "dark" ? "☀" : "☾"}</button>
        </div>
      </header>
      <main id="main"><View /></main>
      <Toast />
      <Asked />
      {tokenWanted.value && <TokenDialog />}
    </>
  );
}
