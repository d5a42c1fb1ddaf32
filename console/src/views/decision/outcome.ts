import { ApiError, OfflineError } from "../../api/client";
import { readApproval } from "../../api/endpoints";
import type { Approval } from "../../api/types";
import { isObject } from "../../lib/json";

/** Why a decision was not taken. */
export type Refusal =
  | { kind: "fields"; message: string; fieldErrors: Record<string, string[]> }
  /** Somebody else decided, or it is open no longer. */
  | { kind: "lost"; message: string; approval: Approval | undefined }
  /** What was shown is not what is there now. */
  | { kind: "changed"; message: string; changed: string[]; approval: Approval | undefined }
  /** It is not known whether it arrived. The same again is safe: it is recorded once. */
  | { kind: "unknown"; message: string }
  | { kind: "session"; message: string }
  | { kind: "other"; message: string };

/** Finds out why a decision failed; after a conflict it reads what is on record now. */
export async function refusalOf(error: unknown, approvalId: string): Promise<Refusal> {
  if (error instanceof OfflineError)
    return {
      kind: "unknown",
      message:
        "The connection was lost, and it is not known whether your decision arrived. To send it again is safe: it counts once.",
    };
  if (!(error instanceof ApiError))
    return { kind: "other", message: error instanceof Error ? error.message : String(error) };
  const { status, message } = error;
  if (status === 401)
    return { kind: "session", message: "You are signed out. Nothing was sent, and nothing that you typed is lost." };
  if (status === 400 || status === 422) return { kind: "fields", message, fieldErrors: error.fieldErrors };
  if (status === 409 || status === 404) {
    const approval = await readApproval(approvalId).catch(() => undefined);
    const changed = isObject(error.body) && Array.isArray(error.body.changed) ? error.body.changed.map(String) : [];
    if (approval?.status === "open" || (approval === undefined && changed.length > 0))
      return { kind: "changed", message, changed, approval };
    return { kind: "lost", message, approval };
  }
  if (status === 503 || status === 500)
    return { kind: "unknown", message: `${message} To send it again is safe: it counts once.` };
  return { kind: "other", message };
}
