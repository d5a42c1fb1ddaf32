import { useSyncExternalStore } from "react";

/** The rows that are selected, to decide several at once. */
let selected: ReadonlySet<string> = new Set();
const listeners = new Set<() => void>();

export function select(ids: Iterable<string>): void {
  selected = new Set(ids);
  for (const listener of listeners) listener();
}

export function toggle(id: string): void {
  const next = new Set(selected);
  if (!next.delete(id)) next.add(id);
  select(next);
}

export function useSelection(): ReadonlySet<string> {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => selected,
  );
}
