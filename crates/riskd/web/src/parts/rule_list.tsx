import { words } from "../lib/format.ts";
import type { Rule } from "../lib/types.ts";
import { Empty } from "./values.tsx";
import { Icon } from "./icon.tsx";

/** Each rule in a sentence; what is not armed first, and why it is not. */
export function RuleList({ rules }: { rules: readonly Rule[] }) {
  if (rules.length === 0) {
    return <Empty>No rule is configured: nothing limits this account.</Empty>;
  }
  const ordered = [...rules].sort((a, b) => Number(a.armed) - Number(b.armed) || a.rule_id.localeCompare(b.rule_id));
  return (
    <ul class="rules">
      {ordered.map((rule) => (
        <li key={`${rule.rule_id} ${rule.rule}`} class={rule.armed ? "armed" : "unarmed"}>
          <span class="rule-state">
            <Icon name={rule.armed ? "shield" : "off"} />
            {rule.armed ? "Armed" : "Not armed"}
          </span>
          <div>
            <p class="rule-name">
              {words(rule.rule)} <span class="faint">{rule.rule_id}</span>
            </p>
            {rule.sentence ? <p>{rule.sentence}</p> : null}
            {rule.armed ? null : <p class="rule-why">Why: {rule.reason ?? "riskd does not say."}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}
