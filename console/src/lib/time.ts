import { useSyncExternalStore } from "react";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Returns a duration as a person says it: `38 min`, `2 h`, `3 d`. */
export function shortDuration(ms: number): string {
  const size = Math.abs(ms);
  if (size < MINUTE) return `${Math.max(0, Math.floor(size / 1000))} s`;
  if (size < HOUR) return `${Math.floor(size / MINUTE)} min`;
  if (size < DAY) return `${Math.floor(size / HOUR)} h`;
  return `${Math.floor(size / DAY)} d`;
}

/** Returns how long something took: `184 ms`, `2.9 s`, `3 h 23 min`. */
export function exactDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${Math.floor((ms % MINUTE) / 1000)} s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${Math.floor((ms % HOUR) / MINUTE)} min`;
  return `${Math.floor(ms / DAY)} d ${Math.floor((ms % DAY) / HOUR)} h`;
}

export function ago(at: number, now: number): string {
  return now - at < 10_000 ? "just now" : `${shortDuration(now - at)} ago`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const precise = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const shortDay = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

export const clockTime = (at: number): string => clock.format(at);
export const preciseTime = (at: number): string => precise.format(at);
export const dayOf = (at: number): string => day.format(at);
export const absoluteTime = (at: number): string => full.format(at);
export const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Returns a time as `Today 14:28`, `Wed, 9 Jun 16:08`. */
export function dayAndTime(at: number, now: number): string {
  const today = new Date(now).toDateString();
  const date = new Date(at);
  if (date.toDateString() === today) return `Today ${clockTime(at)}`;
  if (date.toDateString() === new Date(now - DAY).toDateString()) return `Yesterday ${clockTime(at)}`;
  return `${shortDay.format(at)} ${clockTime(at)}`;
}

/** Returns whether the time is on the reader's today. */
export function isToday(at: number, now: number): boolean {
  return new Date(at).toDateString() === new Date(now).toDateString();
}

// One clock for the page: it ticks every 15 seconds, and every second while something asks for seconds.
const listeners = new Set<() => void>();
let current = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    current = Date.now();
    for (const one of listeners) one();
  }, 15_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Returns the present in milliseconds; the component is drawn again as it moves on. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => {
    if (timer === undefined) current = Math.max(current, Date.now());
    return current;
  });
}
