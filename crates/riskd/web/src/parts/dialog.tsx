import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { message, Refused } from "../state/api.ts";
import { lost } from "../state/session.ts";

interface Props {
  title: string;
  children: ComponentChildren;
  /** The word on the button that does it; without one the dialog only shows. */
  act?: string;
  danger?: boolean;
  ready?: boolean;
  onAct?: () => Promise<void>;
  onClose: () => void;
}

/** A question in front of the page: focus stays in it, Esc leaves it, and a refusal is shown where it was asked. */
export function Dialog({ title, children, act, danger = false, ready = true, onAct, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    element?.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => {
      element?.close();
      if (before instanceof HTMLElement && before.isConnected) {
        before.focus();
      }
    };
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!onAct || busy || !ready) {
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await onAct();
      onClose();
    } catch (problem) {
      setBusy(false);
      setError(refusal(problem));
      if (problem instanceof Refused && problem.status === 401) {
        lost();
      }
    }
  };
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <form onSubmit={submit}>
        <h2 id="dialog-title">{title}</h2>
        {children}
        <p class="dialog-error" role="alert">
          {error}
        </p>
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={onClose}>
            {act ? "Cancel" : "Close"}
          </button>
          {act ? (
            <button type="submit" class={`button ${danger ? "danger" : "primary"}`} disabled={busy || !ready}>
              {busy ? "Asking riskd…" : act}
            </button>
          ) : null}
        </div>
      </form>
    </dialog>
  );
}

function refusal(problem: unknown): string {
  if (problem instanceof Refused && problem.status === 429) {
    return `${message(problem)}${problem.retryAfter ? ` Try again in ${problem.retryAfter} seconds.` : ""}`;
  }
  return message(problem);
}
