const PATHS = {
  shield: "M8 1 14 3v4.500c0 3.500-2.500 6-6 7.500-3.500-1.500-6-4-6-7.500V3zM5 8l2.200 2.200L11 6",
  lock: "M4 7V5a4 4 0 0 1 8 0v2M3 7h10v8H3zM8 10.500v1.500",
  closing: "M8 1.500v3M8 11.500v3M1.500 8h3M11.500 8h3M3.400 3.400l2.100 2.100M10.500 10.500l2.100 2.100M12.600 3.400l-2.100 2.100M5.500 10.500l-2.100 2.100",
  warning: "M8 1.500 15 14H1zM8 6v4M8 11.500v1",
  check: "M2.500 8.500 6.500 12.500 13.500 4",
  cross: "M3.500 3.500l9 9M12.500 3.500l-9 9",
  question: "M5.500 5.500a2.500 2.500 0 1 1 3.700 2.200c-.8.5-1.200 1-1.200 1.800v.5M8 12.500v1",
  barred: "M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM3.500 3.500l9 9",
  off: "M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM5 8h6",
  clock: "M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM8 4.500V8l2.500 2",
  search: "M7 2a5 5 0 1 0 0 10A5 5 0 0 0 7 2zM10.700 10.700 14.500 14.500",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13.500 10A6 6 0 0 1 6 2.500a6 6 0 1 0 7.500 7.500z",
  auto: "M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM8 1.500v13M8 4l4 1M8 7h6M8 10l5 1",
  key: "M10 2a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM7 9l-5 5v1h2.500v-2h2",
  up: "M3 10l5-5 5 5",
  down: "M3 6l5 5 5-5",
  back: "M10 3 5 8l5 5",
} as const;

export type IconName = keyof typeof PATHS;

/** A sign beside words; it says nothing that the words do not. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
