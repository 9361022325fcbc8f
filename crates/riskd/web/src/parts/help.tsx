import { Store, useStore } from "../state/store.ts";
import { Dialog } from "./dialog.tsx";

export const helping = new Store(false);

const KEYS: [string[], string][] = [
  [["j", "k"], "next and previous row (or the arrows)"],
  [["Enter"], "open the row"],
  [["/"], "search, or the first filter"],
  [["Esc"], "clear, close, or one step back"],
  [["1", "…", "5"], "Accounts, Log, History, Rules, Database"],
  [["t"], "light, dark, or as the system has it"],
  [["?"], "this help"],
];

export function Help() {
  if (!useStore(helping)) {
    return null;
  }
  return (
    <Dialog title="Keys and signs" onClose={() => helping.set(false)}>
      <dl class="keys" data-first tabIndex={-1}>
        {KEYS.map(([keys, what]) => (
          <div key={what}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p>
        Accounts are ordered by danger: those being closed or locked first, then by the share of their nearest limit that is used. While the pointer is over the list the order is held, except for who is
        locked just then.
      </p>
      <p>Grey and underlined with dots: the value is old. A banner on top says why.</p>
    </Dialog>
  );
}
