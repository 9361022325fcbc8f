import { useEffect, useReducer } from "preact/hooks";

/** A value that people watch. */
export class Store<T> {
  #value: T;
  readonly #watchers = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get(): T {
    return this.#value;
  }

  set(value: T): void {
    if (!Object.is(value, this.#value)) {
      this.#value = value;
      for (const watcher of [...this.#watchers]) {
        watcher();
      }
    }
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

/** The value, drawn anew when it changes: at most once an animation frame, however often it changes. */
export function useStore<T>(store: Store<T>): T {
  const [, redraw] = useReducer((turn: number) => turn + 1, 0);
  useEffect(() => {
    let frame = 0;
    const draw = () => {
      frame = 0;
      redraw(0);
    };
    const stop = store.watch(() => {
      if (frame === 0) {
        frame = requestAnimationFrame(draw);
      }
    });
    redraw(0);
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [store]);
  return store.get();
}
