import { sorted } from "../lib/accounts.ts";
import { overview } from "../state/live.ts";
import { useStore } from "../state/store.ts";

/** One of the accounts, by name; typing the first letters finds it. */
export function AccountPicker({ label, value, all, onPick }: { label: string; value: string; all?: string; onPick: (id: string) => void }) {
  const accounts = sorted(useStore(overview)?.accounts ?? [], "name");
  const known = accounts.some((each) => String(each.id) === value);
  return (
    <label class="field">
      {label}
      <select name="account" value={value} onChange={(event) => onPick(event.currentTarget.value)}>
        {all === undefined ? null : <option value="">{all}</option>}
        {value !== "" && !known ? <option value={value}>{value}</option> : null}
        {accounts.map((each) => (
          <option key={each.id} value={String(each.id)}>
            {each.name === String(each.id) ? each.name : `${each.name} (${each.id})`}
          </option>
        ))}
      </select>
    </label>
  );
}
