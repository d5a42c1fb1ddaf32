import type { Approval } from "../../api/types";
import { canonicalText } from "../../lib/canonical";
import { readDraft } from "../../lib/drafts";
import { addressText, inlineText } from "../../lib/format";
import { isNumber, isObject, type Json, sameJson } from "../../lib/json";
import { sumDecimals } from "../../lib/decimal";

export interface PlannedRow {
  approval: Approval;
  action: Json;
  /** Why it cannot be decided with the others; `undefined` if it can. */
  leftOut: string | undefined;
}

export interface Column {
  key: string;
  isNumber: boolean;
  /** The exact sum, if all values are numbers without an exponent. */
  sum: string | undefined;
}

export interface Plan {
  rows: PlannedRow[];
  columns: Column[];
  /** Members that are the same in all rows: said once. */
  shared: readonly (readonly [string, string])[];
  /** Where all are sent to, if they are all sent to the same address. */
  destination: string | undefined;
}

/** What may be decided together: open approvals of the same node of the same version of a flow, with an action of the same shape, as they were proposed. */
export function planOf(selected: readonly Approval[]): Plan {
  const first = selected.find((one) => ownReason(one) === undefined);
  const rows = selected.map((approval): PlannedRow => {
    const action = approval.proposedAction ?? null;
    const leftOut =
      ownReason(approval) ??
      (first !== undefined && shapeOf(approval) !== shapeOf(first) ? "Another flow or shape" : undefined);
    return { approval, action, leftOut };
  });
  const taken = rows.filter((row) => row.leftOut === undefined);
  const actions = taken.map((row) => row.action);
  const keys = isObject(actions[0]) ? Object.keys(actions[0]) : [""];
  const valueOf = (action: Json | undefined, key: string) => (isObject(action) && key !== "" ? action[key] : action);
  const isShared = (key: string) =>
    actions.length > 1 && actions.every((action) => sameJson(valueOf(action, key), valueOf(actions[0], key)));
  const columns = keys
    .filter((key) => !isShared(key))
    .map((key): Column => {
      const values = actions.map((action) => valueOf(action, key));
      const numbers = values.every(isNumber);
      return { key, isNumber: numbers, sum: numbers ? sumDecimals(values.map(String)) : undefined };
    });
  const shared = keys
    .filter((key) => key !== "" && isShared(key))
    .map((key) => [key, inlineText(valueOf(actions[0], key))] as const);
  const addresses = new Set(
    taken.flatMap((row) => (row.approval.destinations ?? []).filter((one) => one.usesDecision).map(addressText)),
  );
  return { rows, columns, shared, destination: addresses.size === 1 ? [...addresses][0] : undefined };
}

function ownReason(approval: Approval): string | undefined {
  if (approval.status !== undefined && approval.status !== "open") return "Not open any more";
  if (!approval.canDecide) return approval.cannotDecideBecause?.message ?? "You may not decide it";
  if (readDraft(approval.id).action !== undefined || readDraft(approval.id).json !== undefined) return "Edited";
  if (approval.proposedAction === undefined) return "Too large for a table";
  if (approval.shownSha256 === undefined) return "Decide it alone";
  const vote = approval.votes?.[0];
  if (vote !== undefined && vote.actionSha256 !== approval.proposedSha256) return "Approved with an edit before";
  return undefined;
}

function shapeOf(approval: Approval): string {
  const action = approval.proposedAction ?? null;
  const shape = isObject(action) ? Object.keys(action).sort().join() : Array.isArray(action) ? "array" : typeof action;
  return canonicalText([approval.flowId, approval.flow?.version ?? 0, approval.nodeId, shape]);
}
