import { useSyncExternalStore } from "react";

/** Whether the API answers, and whether there is a session. */
export interface Connection {
  /** Since when no answer came; `undefined` while answers come. */
  offlineSince: number | undefined;
  /** There was a session, and it ended. */
  sessionIsOver: boolean;
}

let state: Connection = { offlineSince: undefined, sessionIsOver: false };
const listeners = new Set<() => void>();

function change(next: Partial<Connection>): void {
  const changed = { ...state, ...next };
  if (changed.offlineSince === state.offlineSince && changed.sessionIsOver === state.sessionIsOver) return;
  state = changed;
  for (const listener of listeners) listener();
}

export const noteOffline = (): void => change({ offlineSince: state.offlineSince ?? Date.now() });
export const noteAnswer = (): void => change({ offlineSince: undefined });
export const noteSessionOver = (): void => change({ sessionIsOver: true });
export const noteSession = (): void => change({ sessionIsOver: false });
export const connection = (): Connection => state;

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}
