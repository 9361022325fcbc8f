import { useEffect, useRef } from "preact/hooks";

export type Keys = Record<string, () => void>;

/** The last page that asked goes first. */
const layers: { current: Keys }[] = [];

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches("input, textarea, select") || target.isContentEditable);
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
    return;
  }
  if (isTyping(event.target) && event.key !== "Escape") {
    return;
  }
  // Enter and space on a link or a button are its own.
  if (event.key === "Enter" && event.target instanceof HTMLElement && event.target.closest("a, button, summary")) {
    return;
  }
  for (const layer of [...layers].reverse()) {
    const act = layer.current[event.key];
    if (act) {
      event.preventDefault();
      act();
      return;
    }
  }
});

/** Keys of this part of the page, while it is shown. */
export function useKeys(keys: Keys): void {
  const layer = useRef(keys);
  layer.current = keys;
  useEffect(() => {
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, []);
}
