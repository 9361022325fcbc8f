import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { message } from "./api.ts";

export interface Loaded<T> {
  data: T | null;
  error: string | null;
  busy: boolean;
  again: () => void;
}

/** Loads when `key` changes and when asked again. What has been shown stays until the new is there; a late answer to an old question is dropped. */
export function useLoad<T>(key: string, load: () => Promise<T>): Loaded<T> {
  const [state, set] = useState<{ key: string; data: T | null; error: string | null; busy: boolean }>({ key, data: null, error: null, busy: true });
  const question = useRef(0);
  const latest = useRef(load);
  latest.current = load;
  const again = useCallback(() => {
    question.current += 1;
    const mine = question.current;
    set((before) => ({ ...before, busy: true }));
    latest.current().then(
      (data) => mine === question.current && set({ key, data, error: null, busy: false }),
      (error: unknown) => mine === question.current && set((before) => ({ ...before, key, error: message(error), busy: false })),
    );
  }, [key]);
  useEffect(() => {
    again();
    return () => {
      question.current += 1;
    };
  }, [again]);
  return { ...state, data: state.key === key ? state.data : null, again };
}

/** Calls `act` when asked, at most every `ms`; the last asking is never lost. */
export function useThrottled(act: () => void, ms: number): () => void {
  const latest = useRef(act);
  latest.current = act;
  const timer = useRef(0);
  const last = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  return useCallback(() => {
    if (timer.current) {
      return;
    }
    const wait = Math.max(0, last.current + ms - performance.now());
    timer.current = window.setTimeout(() => {
      timer.current = 0;
      last.current = performance.now();
      latest.current();
    }, wait);
  }, [ms]);
}
