import { useSyncExternalStore } from "react";
import { type ApproveBody, approve } from "../../api/endpoints";
import type { Approval } from "../../api/types";
import { announce } from "../../lib/announce";
import { forgetDraft } from "../../lib/drafts";
import { inbox } from "./store";

/** For how long a single-key approval can be taken back before it is sent, in milliseconds. */
export const TAKE_BACK_MS = 5_000;

export interface PendingApproval {
  approval: Approval;
  body: ApproveBody;
  /** When it is sent. */
  sendAt: number;
  state: "waiting" | "sending" | "sent" | "failed";
  /** What came of it, once it was sent. */
  text: string;
}

let list: readonly PendingApproval[] = [];
const listeners = new Set<() => void>();
const timers = new Map<string, ReturnType<typeof setTimeout>>();

function change(next: readonly PendingApproval[]): void {
  list = next;
  for (const listener of listeners) listener();
}

function update(approvalId: string, next: Partial<PendingApproval>): void {
  change(list.map((one) => (one.approval.id === approvalId ? { ...one, ...next } : one)));
}

function drop(approvalId: string): void {
  clearTimeout(timers.get(approvalId));
  timers.delete(approvalId);
  change(list.filter((one) => one.approval.id !== approvalId));
}

/** Approves as proposed, in five seconds; until then it can be taken back. */
export function approveSoon(approval: Approval, body: ApproveBody): void {
  drop(approval.id);
  inbox.decided(approval.id);
  change([
    ...list.filter((one) => one.state === "waiting" || one.state === "sending"),
    { approval, body, sendAt: Date.now() + TAKE_BACK_MS, state: "waiting", text: "" },
  ]);
  announce(`Approving ${approval.actionLabel} in 5 seconds. Press z to take it back.`);
  timers.set(
    approval.id,
    setTimeout(() => void send(approval.id), TAKE_BACK_MS),
  );
}

/** Takes back the last approval that is not sent yet; returns it. */
export function takeBack(): Approval | undefined {
  const last = list.findLast((one) => one.state === "waiting");
  if (last === undefined) return undefined;
  drop(last.approval.id);
  inbox.putBack(last.approval);
  announce(`Taken back: ${last.approval.actionLabel} is not approved.`);
  return last.approval;
}

async function send(approvalId: string): Promise<void> {
  const pending = list.find((one) => one.approval.id === approvalId);
  if (pending?.state !== "waiting") return;
  update(approvalId, { state: "sending" });
  try {
    const decided = await approve(pending.approval.runId, pending.body);
    forgetDraft(approvalId);
    const text = decided.decision === null ? "Your approval is recorded. Another one is needed." : "Sent. Final.";
    update(approvalId, { state: "sent", text });
    announce(`${pending.approval.actionLabel}: ${text}`);
    setTimeout(() => dismiss(approvalId), 4_000);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    inbox.putBack(pending.approval);
    update(approvalId, { state: "failed", text: reason });
    announce(`${pending.approval.actionLabel} is not approved: ${reason}`);
  }
}

export function dismiss(approvalId: string): void {
  const pending = list.find((one) => one.approval.id === approvalId);
  if (pending?.state === "sent" || pending?.state === "failed") drop(approvalId);
}

export function usePending(): readonly PendingApproval[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => list,
  );
}

// Leaving the page sends nothing: the browser asks first, and what was not sent is open still.
window.addEventListener("beforeunload", (event) => {
  if (list.some((one) => one.state === "waiting" || one.state === "sending")) event.preventDefault();
});
