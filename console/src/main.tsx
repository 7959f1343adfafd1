import { render } from "preact";
import { App } from "./app";
import { start } from "./live";
import "uplot/dist/uPlot.min.css";
import "./style.css";

start();
const root = document.getElementById("app");
if (root) {
  root.textContent = "";
  render(<App />, root);
}
