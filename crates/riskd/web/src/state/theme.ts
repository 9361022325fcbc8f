import { Store } from "./store.ts";

export type Theme = "auto" | "light" | "dark";

const NAME = "riskd-theme";

function kept(): Theme {
  const value = document.documentElement.dataset.theme;
  return value === "light" || value === "dark" ? value : "auto";
}

export const theme = new Store<Theme>(kept());
/** Counts up whenever the colours on screen change, for what is drawn on a canvas. */
export const colours = new Store(0);

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => colours.set(colours.get() + 1));

export function choose(next: Theme): void {
  const root = document.documentElement;
  if (next === "auto") {
    delete root.dataset.theme;
  } else {
    root.dataset.theme = next;
  }
  try {
    if (next === "auto") {
      localStorage.removeItem(NAME);
    } else {
      localStorage.setItem(NAME, next);
    }
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  theme.set(next);
  colours.set(colours.get() + 1);
}

/** A colour of the style sheet, for a canvas. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
