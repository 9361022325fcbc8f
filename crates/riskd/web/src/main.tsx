import { render } from "preact";
import { App } from "./app.tsx";
import { watchAccounts } from "./parts/watch.ts";
import { start } from "./state/live.ts";
import { check } from "./state/session.ts";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/pages.css";

const place = document.getElementById("app");
if (place) {
  watchAccounts();
  render(<App />, place);
  start();
  void check();
}
