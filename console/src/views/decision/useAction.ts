import { useEffect, useMemo, useState } from "react";
import { ApiError } from "../../api/client";
import { approve } from "../../api/endpoints";
import type { Approval } from "../../api/types";
import { byteLength, canonicalText, sha256 } from "../../lib/canonical";
import { differences } from "../../lib/diff";
import { type Draft, EMPTY, readDraft, saveDraft } from "../../lib/drafts";
import { type Json, parseJson, sameJson, writeJson } from "../../lib/json";
import { mayEdit, type Path, pathOf, pointerOf, valueAt, withValueAt } from "../../lib/pointer";

export interface ActionState {
  draft: Draft;
  /** The action as it would be approved. */
  action: Json;
  isEdited: boolean;
  /** Problems by JSON Pointer; what is wrong with the text in JSON mode is at `json`. */
  problems: Record<string, string[]>;
  isValid: boolean;
  setNote: (note: string) => void;
  change: (path: Path, value: Json | undefined) => void;
  type: (path: Path, text: string, value: Json | undefined) => void;
  typeJson: (text: string) => void;
  leaveJson: () => void;
  reset: (path: Path) => void;
  refuse: (problems: Record<string, string[]>) => void;
  clear: () => void;
}

/** The action of an approval while somebody edits it, and the note. Every change is kept as a draft. */
export function useAction(
  approvalId: string,
  proposed: Json,
  allowed: readonly string[] | null | undefined,
): ActionState {
  const [draft, setDraft] = useState<Draft>(() => readDraft(approvalId));
  const [refused, setRefused] = useState<Record<string, string[]>>({});

  const update = (next: (draft: Draft) => Draft) =>
    setDraft((current) => {
      const changed = next(current);
      saveDraft(approvalId, changed);
      return changed;
    });
  const unrefuse = (path: Path) =>
    setRefused((current) => {
      const pointer = pointerOf(path);
      const touches = (other: string) =>
        other === pointer || other === "" || other.startsWith(`${pointer}/`) || pointer.startsWith(`${other}/`);
      return Object.fromEntries(Object.entries(current).filter(([other]) => !touches(other)));
    });

  const action = draft.action === undefined ? proposed : draft.action;
  const isEdited = draft.action !== undefined && !sameJson(draft.action, proposed);
  const kept = (value: Json | undefined) => (value === undefined || sameJson(value, proposed) ? undefined : value);

  const problems = useMemo(() => {
    const found: Record<string, string[]> = {};
    for (const [pointer, texts] of Object.entries(refused)) found[pointer] = [...texts];
    for (const [pointer, text] of Object.entries(draft.texts)) {
      found[pointer] = [
        text.trim() === "" ? "A number is needed here." : `“${text}” is not a number that this field takes.`,
      ];
    }
    if (draft.json !== undefined) {
      try {
        parseJson(draft.json);
      } catch (error) {
        found.json = [error instanceof Error ? error.message : String(error)];
      }
    }
    if (isEdited && allowed !== null && allowed !== undefined) {
      for (const place of differences(proposed, action).slice(0, 50)) {
        const path = pathOf(place.pointer);
        if (!mayEdit(path, allowed)) found[place.pointer] ??= ["This may not be changed: the flow does not allow it."];
      }
    }
    return found;
  }, [refused, draft.texts, draft.json, isEdited, allowed, proposed, action]);

  return {
    draft,
    action,
    isEdited,
    problems,
    isValid: Object.keys(problems).length === 0,
    setNote: (note) => update((current) => ({ ...current, note })),
    change: (path, value) => {
      unrefuse(path);
      update((current) => ({
        ...current,
        action: kept(withValueAt(current.action ?? proposed, path, value)),
        texts: without(current.texts, pointerOf(path)),
      }));
    },
    type: (path, text, value) => {
      unrefuse(path);
      update((current) => {
        const pointer = pointerOf(path);
        if (value === undefined) return { ...current, texts: { ...current.texts, [pointer]: text } };
        const next = withValueAt(current.action ?? proposed, path, value);
        return { ...current, action: kept(next), texts: without(current.texts, pointer) };
      });
    },
    typeJson: (text) => {
      setRefused({});
      update((current) => {
        try {
          return { ...current, json: text, action: kept(parseJson(text)), texts: {} };
        } catch {
          return { ...current, json: text };
        }
      });
    },
    leaveJson: () => update((current) => (problems.json === undefined ? { ...current, json: undefined } : current)),
    reset: (path) => {
      unrefuse(path);
      update((current) => ({
        ...current,
        action: kept(withValueAt(current.action ?? proposed, path, valueAt(proposed, path))),
        texts: without(current.texts, pointerOf(path)),
      }));
    },
    refuse: setRefused,
    clear: () => {
      saveDraft(approvalId, EMPTY);
      setDraft(EMPTY);
      setRefused({});
    },
  };
}

function without(texts: Record<string, string>, pointer: string): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).filter(([other]) => other !== pointer));
}

/** Turns the paths of a 422 into JSON Pointers: `proposedActionOverride/amount` is at `/amount`. */
export function pointersOf(fieldErrors: Record<string, string[]>): Record<string, string[]> {
  const prefix = "proposedActionOverride";
  return Object.fromEntries(
    Object.entries(fieldErrors).map(([path, texts]) => [
      path.startsWith(prefix) ? path.slice(prefix.length) : "",
      texts,
    ]),
  );
}

export interface Bytes {
  text: string;
  length: number;
  sha256: string | undefined;
  /** Whether the API has said that it would take exactly this. */
  isConfirmed: boolean;
}

const SETTLED_MS = 500;

/**
 * The bytes that would be approved and their hash. As proposed, the API has said the hash; for an edit it is computed here at once, and a dry
 * run then says what the API would record, or what it refuses.
 */
export function useBytes(
  approval: Approval,
  state: ActionState,
  refuse: (problems: Record<string, string[]>) => void,
): Bytes {
  const { action, isEdited, isValid } = state;
  const text = useMemo(() => canonicalText(action), [action]);
  const [computed, setComputed] = useState<{ text: string; sha256: string }>();
  const [confirmed, setConfirmed] = useState<{ text: string; sha256: string }>();

  useEffect(() => {
    let current = true;
    void sha256(text).then((hash) => {
      if (current) setComputed({ text, sha256: hash });
    });
    return () => {
      current = false;
    };
  }, [text]);

  const { id, nodeId, runId, shownSha256, canDecide } = approval;
  useEffect(() => {
    if (!isEdited || !isValid || !canDecide) return;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      const body = { approvalId: id, nodeId, shownSha256, proposedActionOverride: action };
      approve(runId, body, true, abort.signal).then(
        (decided) => {
          const hash = decided.decision?.decidedSha256 ?? decided.votes.at(-1)?.actionSha256;
          if (hash !== undefined) setConfirmed({ text, sha256: hash });
        },
        (error: unknown) => {
          if (error instanceof ApiError && error.status === 422) refuse(pointersOf(error.fieldErrors));
        },
      );
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
    // `refuse` only sets state, and the other parts are what the request says.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [text, isEdited, isValid, id, nodeId, runId, shownSha256, canDecide]);

  const own = computed?.text === text ? computed.sha256 : undefined;
  const length = useMemo(() => byteLength(text), [text]);
  if (!isEdited)
    return { text, length, sha256: approval.proposedSha256 ?? own, isConfirmed: approval.proposedSha256 !== undefined };
  if (confirmed?.text === text) return { text, length, sha256: confirmed.sha256, isConfirmed: true };
  return { text, length, sha256: own, isConfirmed: false };
}

/** The text of JSON mode. */
export function jsonText(state: ActionState): string {
  return state.draft.json ?? writeJson(state.action, 2);
}
