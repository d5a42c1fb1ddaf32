import { type Json, parseJson, writeJson } from "./json";

/** What a reviewer has typed for an approval and not sent yet. */
export interface Draft {
  /** The edited action; `undefined` if nothing was edited. */
  action: Json | undefined;
  /** What is typed in a field and is not a value (yet), by its pointer: `1e`, for instance. */
  texts: Record<string, string>;
  /** What is typed in JSON mode, if that is not (yet) JSON. */
  json: string | undefined;
  note: string;
}

export const EMPTY: Draft = { action: undefined, texts: {}, json: undefined, note: "" };

const PREFIX = "runs.draft.";
const drafts = new Map<string, Draft>();

export function isEmpty(draft: Draft): boolean {
  return (
    draft.action === undefined && draft.json === undefined && draft.note === "" && Object.keys(draft.texts).length === 0
  );
}

/**
 * Drafts live in memory and in the tab's session storage: a login that ends, a reload, or another approval in between loses nothing
 * that was typed. They end with the tab.
 */
export function readDraft(approvalId: string): Draft {
  const known = drafts.get(approvalId);
  if (known !== undefined) return known;
  const stored = storage()?.getItem(PREFIX + approvalId);
  if (stored === null || stored === undefined) return EMPTY;
  const draft = decode(stored);
  drafts.set(approvalId, draft);
  return draft;
}

export function saveDraft(approvalId: string, draft: Draft): void {
  if (isEmpty(draft)) {
    forgetDraft(approvalId);
    return;
  }
  drafts.set(approvalId, draft);
  try {
    storage()?.setItem(PREFIX + approvalId, writeJson(draft));
  } catch {
    // The storage is full: the draft is still in memory.
  }
}

export function forgetDraft(approvalId: string): void {
  drafts.delete(approvalId);
  storage()?.removeItem(PREFIX + approvalId);
}

/** Signing out leaves nothing behind. */
export function forgetDrafts(): void {
  const store = storage();
  if (store === undefined) return;
  for (const key of Object.keys(store)) if (key.startsWith(PREFIX)) store.removeItem(key);
  drafts.clear();
}

function storage(): Storage | undefined {
  try {
    return window.sessionStorage;
  } catch {
    return undefined;
  }
}

function decode(text: string): Draft {
  try {
    const value = parseJson(text) as unknown as Partial<Draft>;
    return { action: value.action, texts: value.texts ?? {}, json: value.json, note: value.note ?? "" };
  } catch {
    return EMPTY;
  }
}
