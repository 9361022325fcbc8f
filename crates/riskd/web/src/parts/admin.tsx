import { useState } from "preact/hooks";
import { milliseconds } from "../lib/format.ts";
import { reloadInWords, type Reloaded } from "../lib/reload.ts";
import { minute } from "../lib/time.ts";
import { post, Refused } from "../state/api.ts";
import { begin, deskZone } from "../state/live.ts";
import { say } from "../state/say.ts";
import { logIn, logOut, session } from "../state/session.ts";
import { Store, useStore } from "../state/store.ts";
import { Dialog } from "./dialog.tsx";
import { Icon } from "./icon.tsx";

type Wish = { what: "log-in"; then?: Wish } | { what: "unlock"; account: number; name: string } | { what: "reload" } | { what: "stop" } | { what: "alerts" };

interface Tried {
  channels?: { channel: string; kind: string; delivered: boolean; answer: string; took_ms: number }[];
}

/** The dialog that is open. */
export const wish = new Store<Wish | null>(null);

/** Opens it, or first the log-in where that is needed. */
export function want(wanted: Wish): void {
  wish.set(session.get() === null && wanted.what !== "log-in" ? { what: "log-in", then: wanted } : wanted);
}

const close = () => wish.set(null);

export function AdminDialogs() {
  const open = useStore(wish);
  switch (open?.what) {
    case undefined:
      return null;
    case "log-in":
      return <LogIn key="log-in" then={open.then} />;
    case "unlock":
      return <Unlock key="unlock" account={open.account} name={open.name} />;
    case "reload":
      return <Reload key="reload" />;
    case "stop":
      return <Stop key="stop" />;
    case "alerts":
      return <Alerts key="alerts" />;
  }
}

function LogIn({ then }: { then: Wish | undefined }) {
  const [password, set] = useState("");
  const act = async () => {
    try {
      await logIn(password);
    } catch (problem) {
      if (problem instanceof Refused && problem.status === 401) {
        throw new Error("That is not the admin password.");
      }
      if (problem instanceof Refused && problem.status === 409) {
        throw new Error("No admin password is set. Set one with: riskd admin set-password");
      }
      throw problem;
    }
    say("Logged in as admin.", "good");
  };
  return (
    <Dialog title="Log in as admin" act="Log in" ready={password !== ""} onAct={act} onClose={() => wish.set(session.get() !== null && then ? then : null)}>
      <p>Watching needs no password. Unlocking, reloading and stopping do; each is kept in the audit trail.</p>
      <label class="field">
        Admin password
        <input data-first type="password" autocomplete="current-password" value={password} onInput={(event) => set(event.currentTarget.value)} />
      </label>
    </Dialog>
  );
}

function Reason({ reason, set, first = true }: { reason: string; set: (text: string) => void; first?: boolean }) {
  return (
    <label class="field">
      Reason, for the audit trail
      <input {...(first ? { "data-first": true } : {})} type="text" maxLength={500} value={reason} onInput={(event) => set(event.currentTarget.value)} />
    </label>
  );
}

function Unlock({ account, name }: { account: number; name: string }) {
  const [reason, set] = useState("");
  const act = async () => {
    await post(`/admin/accounts/${account}/unlock`, { reason: reason.trim() });
    say(`${name} is unlocked.`, "good");
  };
  return (
    <Dialog title={`Unlock ${name}?`} act="Unlock" danger ready={reason.trim() !== ""} onAct={act} onClose={close}>
      <p>The account can trade again at once. What locked it is forgiven: the same rule locks it again only when the breach gets worse.</p>
      <Reason reason={reason} set={set} />
    </Dialog>
  );
}

function Reload() {
  const act = async () => {
    say(reloadInWords((await post<Reloaded | null>("/admin/reload", {})) ?? {}), "good");
  };
  return (
    <Dialog title="Load the rules anew?" act="Reload" onAct={act} onClose={close}>
      <p>riskd reads its config again: all of it, or, where anything in it is wrong, nothing. What is stricter holds at once; what is looser waits for the account’s next reset.</p>
    </Dialog>
  );
}

function Stop() {
  const [reason, set] = useState("");
  const [word, setWord] = useState("");
  const act = async () => {
    await post("/admin/stop", { reason: reason.trim() });
    say("riskd is stopping. Nothing is enforced from now on.", "critical");
  };
  return (
    <Dialog title="Stop riskd?" act="Stop riskd" danger ready={reason.trim() !== "" && word.trim().toLowerCase() === "stop"} onAct={act} onClose={close}>
      <p class="danger-text">
        <Icon name="warning" /> <strong>After this no limit is enforced on any account.</strong> Open positions stay open at the broker.
      </p>
      <Reason reason={reason} set={set} />
      <label class="field">
        Type <kbd>stop</kbd> to confirm
        <input type="text" autocomplete="off" value={word} onInput={(event) => setWord(event.currentTarget.value)} />
      </label>
    </Dialog>
  );
}

function Alerts() {
  const act = async () => {
    const tried = (await post<Tried>("/admin/alerts/test", {}))?.channels ?? [];
    const failed = tried.filter((each) => !each.delivered);
    if (tried.length === 0) {
      throw new Error("No alert channel is configured: see config/alerts.yaml.");
    }
    if (failed.length > 0) {
      throw new Error(`${failed.length} of ${tried.length} channels took no message. ${failed.map((each) => `${each.channel}: ${each.answer}`).join("; ")}`);
    }
    say(`The test alert was taken by ${tried.map((each) => `${each.channel} (${milliseconds(each.took_ms)})`).join(", ")}.`, "good");
  };
  return (
    <Dialog title="Send a test alert?" act="Send" onAct={act} onClose={close}>
      <p>Every configured channel gets a message that says it is a test. What each of them answered is told here.</p>
    </Dialog>
  );
}

/** In the top bar: log in, or what an admin can do. */
export function AdminMenu() {
  const until = useStore(session);
  const [open, set] = useState(false);
  if (until === null) {
    return (
      <button type="button" class="button small" onClick={() => want({ what: "log-in" })}>
        <Icon name="key" /> Admin
      </button>
    );
  }
  const choose = (act: () => void) => () => {
    set(false);
    act();
  };
  return (
    <div class="menu" onFocusOut={(event) => !event.currentTarget.contains(event.relatedTarget as Node | null) && set(false)}>
      <button
        type="button"
        class="button small primary"
        aria-expanded={open}
        aria-controls="admin-menu"
        onClick={() => set(!open)}
        onKeyDown={(event) => event.key === "Escape" && set(false)}
      >
        <Icon name="key" /> Admin
      </button>
      {open ? (
        <div id="admin-menu" class="menu-list" onKeyDown={(event) => event.key === "Escape" && set(false)}>
          <p class="faint">Logged in until {minute(until, deskZone())}</p>
          <button type="button" onClick={choose(() => want({ what: "reload" }))}>
            Reload rules…
          </button>
          <button type="button" onClick={choose(() => want({ what: "alerts" }))}>
            Send a test alert…
          </button>
          <button type="button" class="danger-text" onClick={choose(() => want({ what: "stop" }))}>
            Stop riskd…
          </button>
          <button type="button" onClick={choose(() => void logOut().catch((problem: Error) => say(problem.message, "warning")))}>
            Log out
          </button>
        </div>
      ) : null}
    </div>
  );
}

/** In place of the page, where the daemon wants a trader's token. */
export function TokenForm() {
  const [token, set] = useState("");
  const [error, setError] = useState("");
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await post("/session", { token: token.trim() });
      set("");
      await begin();
    } catch (problem) {
      setError(problem instanceof Refused && problem.status === 401 ? "riskd does not know this token." : (problem as Error).message);
    }
  };
  return (
    <form class="panel token" onSubmit={submit}>
      <h1 tabIndex={-1}>This riskd wants a token</h1>
      <p>Reading is free only on the machine itself. The token is in the file that `api.token_file` names; the page hands it over once and does not keep it.</p>
      <label class="field">
        Trader token
        <input type="password" autocomplete="off" value={token} onInput={(event) => set(event.currentTarget.value)} />
      </label>
      <p class="dialog-error" role="alert">
        {error}
      </p>
      <button type="submit" class="button primary" disabled={token.trim() === ""}>
        Watch
      </button>
    </form>
  );
}
