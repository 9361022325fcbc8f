/** Times in a time zone, with the zone named. A zone that the browser does not know is shown as UTC, and said so. */

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, key: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const name = `${zone} ${key}`;
  let found = formats.get(name);
  if (!found) {
    found = new Intl.DateTimeFormat("en-US", { ...options, timeZone: known(zone), hourCycle: "h23" });
    formats.set(name, found);
  }
  return found;
}

const zones = new Map<string, boolean>();

/** The zone, or UTC where the browser does not know it. */
export function known(zone: string): string {
  let is = zones.get(zone);
  if (is === undefined) {
    try {
      new Intl.DateTimeFormat("en-US", { timeZone: zone });
      is = zone !== "";
    } catch {
      is = false;
    }
    zones.set(zone, is);
  }
  return is ? zone : "UTC";
}

function parts(at: number, zone: string): Record<string, string> {
  const pieces = format(zone, "all", {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  }).formatToParts(at);
  return Object.fromEntries(pieces.map((piece) => [piece.type, piece.value]));
}

export function instant(text: string | null | undefined): number | null {
  const at = text ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/** `EST`. */
export function zoneName(at: number, zone: string): string {
  return parts(at, zone).timeZoneName ?? "UTC";
}

/** `2026-03-02`, the date there at that time. */
export function dateOf(at: number, zone: string): string {
  const part = parts(at, zone);
  return `${part.year}-${part.month}-${part.day}`;
}

/** `14:03:22 EST`. */
export function clock(at: number, zone: string): string {
  const part = parts(at, zone);
  return `${part.hour}:${part.minute}:${part.second} ${part.timeZoneName}`;
}

/** `14:03 EST`. */
export function minute(at: number, zone: string): string {
  const part = parts(at, zone);
  return `${part.hour}:${part.minute} ${part.timeZoneName}`;
}

/** `14:03`, where the zone is named beside. */
export function bareMinute(at: number, zone: string): string {
  const part = parts(at, zone);
  return `${part.hour}:${part.minute}`;
}

/** `Mar 2, 14:03:22 EST`, with the year where it is another than now. */
export function moment(at: number, zone: string, now: number): string {
  const part = parts(at, zone);
  const year = part.year === parts(now, zone).year ? "" : ` ${part.year}`;
  return `${month(part)} ${Number(part.day)}${year}, ${part.hour}:${part.minute}:${part.second} ${part.timeZoneName}`;
}

/** The time alone today, with the date on another day. */
export function near(at: number, zone: string, now: number): string {
  return dateOf(at, zone) === dateOf(now, zone) ? clock(at, zone) : moment(at, zone, now);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function month(part: Record<string, string>): string {
  return MONTHS[Number(part.month) - 1] ?? "";
}

/** A trading day as people say it: `Mon, Mar 2`. Days have no zone. */
export function day(date: string): string {
  const at = Date.parse(`${date}T12:00:00Z`);
  if (Number.isNaN(at)) {
    return date;
  }
  return new Intl.DateTimeFormat("en-US", { weekday: "short", month: "short", day: "numeric", timeZone: "UTC" }).format(at);
}
