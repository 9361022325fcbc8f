import type { Rule } from "./types.ts";

export interface Group {
  accounts: number[];
  rules: Rule[];
}

/** Accounts under the same rules in the same state, together; those with something not armed first, then the largest group. */
export function grouped(accounts: readonly { id: number; rules: Rule[] }[]): Group[] {
  const groups = new Map<string, Group>();
  for (const account of accounts) {
    const name = JSON.stringify(account.rules.map((rule) => [rule.rule_id, rule.rule, rule.sentence, rule.armed, rule.reason]));
    const group = groups.get(name) ?? { accounts: [], rules: account.rules };
    group.accounts.push(account.id);
    groups.set(name, group);
  }
  const off = (group: Group) => Number(group.rules.some((rule) => !rule.armed));
  return [...groups.values()].sort((a, b) => off(b) - off(a) || b.accounts.length - a.accounts.length);
}
