import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { matches } from "../lib/accounts.ts";
import { count } from "../lib/format.ts";
import { grouped } from "../lib/rules.ts";
import type { RuleSet } from "../lib/types.ts";
import { Icon } from "../parts/icon.tsx";
import { RuleList } from "../parts/rule_list.tsx";
import { Empty, Failed, Time } from "../parts/values.tsx";
import { get } from "../state/api.ts";
import { useKeys } from "../state/keys.ts";
import { deskZone, overview } from "../state/live.ts";
import { useLoad } from "../state/load.ts";
import { useStore } from "../state/store.ts";

/** How many names stand over a group before the rest is folded away. */
const NAMES = 12;

export function Rules() {
  const said = useStore(overview);
  const loadedAt = said?.daemon.rules_loaded_at ?? null;
  const rules = useLoad("rules", () => get<RuleSet>("/rules"));
  useEffect(() => rules.again(), [loadedAt]);
  const [search, setSearch] = useState("");
  const [unarmed, setUnarmed] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => box.current?.focus(), Escape: () => (setSearch(""), box.current?.blur()) });
  const names = new Map(said?.accounts.map((each) => [each.id, each.name]));
  const groups = useMemo(() => {
    const wanted = (rules.data?.accounts ?? []).filter(
      (each) => matches({ id: each.id, name: names.get(each.id) ?? "" }, search) && (!unarmed || each.rules.some((rule) => !rule.armed)),
    );
    return grouped(wanted);
  }, [rules.data, search, unarmed, names.size]);
  const off = (rules.data?.accounts ?? []).reduce((sum, each) => sum + each.rules.filter((rule) => !rule.armed).length, 0);
  return (
    <>
      <div class="page-head">
        <h1 tabIndex={-1}>Rules</h1>
        <p class="faint">
          Loaded <Time at={loadedAt} zone={deskZone()} full />
        </p>
      </div>
      {rules.data?.strict_mode ? (
        <p class="note">
          <Icon name="warning" /> <strong>Strict mode.</strong> Any breach closes everything and locks the account without end.
        </p>
      ) : null}
      <div class="tools">
        <div class="chips" role="group" aria-label="Which rules">
          <button type="button" class="chip" aria-pressed={!unarmed} onClick={() => setUnarmed(false)}>
            All accounts
          </button>
          <button type="button" class="chip" aria-pressed={unarmed} onClick={() => setUnarmed(true)}>
            With rules not armed <span class="num chip-count">{off}</span>
          </button>
        </div>
        <label class="search">
          <Icon name="search" />
          <span class="out-of-sight">Search accounts by name or id</span>
          <input ref={box} type="search" placeholder="Name or id" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </label>
      </div>
      {rules.error ? <Failed error={rules.error} again={rules.again} /> : null}
      {rules.data && groups.length === 0 ? <Empty>{unarmed && off === 0 ? "Every rule is armed on every account." : "No account matches."}</Empty> : null}
      {groups.map((group) => (
        <section class="panel" key={group.accounts.join()} aria-labelledby={`rules-of-${group.accounts[0]}`}>
          <h2 class="group-names" id={`rules-of-${group.accounts[0]}`}>
            {group.accounts.slice(0, NAMES).map((id) => (
              <a key={id} href={`#/accounts/${id}`}>
                {names.get(id) ?? id}
              </a>
            ))}
            {group.accounts.length > NAMES ? <span class="faint">and {count(group.accounts.length - NAMES, "more account")}</span> : null}
          </h2>
          <RuleList rules={group.rules} />
        </section>
      ))}
    </>
  );
}
