/** Which page: after the `#`, so that one file serves all of them. */

import { Store } from "./store.ts";

export interface Route {
  path: string[];
  query: URLSearchParams;
}

function read(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
}

export const route = new Store<Route>(read());

addEventListener("hashchange", () => route.set(read()));

export function go(to: string): void {
  location.hash = to;
}

/** The same page under another address, without a step back in the history for each letter typed. */
export function replace(to: string): void {
  history.replaceState(null, "", to);
  route.set(read());
}
