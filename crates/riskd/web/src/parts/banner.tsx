import { useEffect, useRef } from "preact/hooks";
import type { Trouble } from "../lib/trouble.ts";
import { clock } from "../lib/time.ts";
import { ago } from "../lib/format.ts";
import { deskZone, found, now } from "../state/live.ts";
import { speak } from "../state/say.ts";
import { useStore } from "../state/store.ts";
import { Icon } from "./icon.tsx";
import { useSeconds } from "./values.tsx";

/** How many are shown before the rest is folded away. */
const SHOWN = 4;

/** What is wrong, over everything else and as wide as the window. */
export function Banners() {
  const troubles = useStore(found);
  const known = useRef(new Map<string, string>());
  useEffect(() => {
    for (const trouble of troubles) {
      if (!known.current.has(trouble.key)) {
        speak(`${trouble.title}. ${trouble.detail}`);
      }
    }
    const keys = new Set(troubles.map((trouble) => trouble.key));
    for (const [key, title] of known.current) {
      if (!keys.has(key)) {
        speak(`Over: ${title}.`);
      }
    }
    known.current = new Map(troubles.map((trouble) => [trouble.key, trouble.title]));
  }, [troubles]);
  if (troubles.length === 0) {
    return null;
  }
  const critical = troubles.filter((trouble) => trouble.severity === "critical");
  const warnings = troubles.filter((trouble) => trouble.severity === "warning");
  // One warning is said in full, more of them in one line: a screen full of yellow is soon not seen.
  const shown = [...critical.slice(0, SHOWN), ...(warnings.length === 1 ? warnings : [])];
  const rest = [...critical.slice(SHOWN), ...(warnings.length === 1 ? [] : warnings)];
  return (
    <section class="banners" aria-label="Alarms">
      {shown.map((trouble, place) => (
        <Banner key={trouble.key} trouble={trouble} first={place === 0} />
      ))}
      {rest.length > 0 ? (
        <details class="banner warning rest">
          <summary>
            <strong>{rest.length} warnings:</strong> {[...new Set(rest.map((trouble) => trouble.title))].join(", ")}
          </summary>
          {rest.map((trouble) => (
            <p key={trouble.key} data-trouble={trouble.key}>
              <strong>{trouble.title}.</strong> {trouble.detail}
            </p>
          ))}
        </details>
      ) : null}
    </section>
  );
}

function Banner({ trouble, first }: { trouble: Trouble; first: boolean }) {
  useSeconds(trouble.since !== null);
  const since = trouble.since ? Date.parse(trouble.since) : Number.NaN;
  return (
    <div class={`banner ${trouble.severity} ${first ? "first" : ""}`} data-trouble={trouble.key}>
      <Icon name="warning" />
      <p>
        <strong>{trouble.title}.</strong> {trouble.detail}
      </p>
      {Number.isNaN(since) ? null : (
        <span class="banner-since num">
          {trouble.key === "silent" ? "last word " : "since "}
          {clock(since, deskZone())}, {ago(Math.max(0, now() - since))}
        </span>
      )}
    </div>
  );
}
