import type { RunDetail, Step } from "../../api/types";
import { inlineText, personName } from "../../lib/format";
import { exactDuration } from "../../lib/time";

export interface Entry {
  at: number;
  nodeId: string | undefined;
  text: string;
  took: string;
  /** A stretch in which the run waited for a person. */
  isWait: boolean;
}

/** Returns what happened in a run, in order. */
export function timelineOf(run: RunDetail): Entry[] {
  const entries: Entry[] = [
    {
      at: Date.parse(run.startedAt),
      nodeId: undefined,
      text: `Started by ${run.startedBy}, version ${run.flowVersion}`,
      took: "",
      isWait: false,
    },
  ];
  for (const step of run.steps) entries.push(...entriesOf(step));
  if (run.finishedAt !== undefined) {
    const why = run.error === undefined ? (run.cancelReason ?? "") : run.error.message;
    const status = run.status.charAt(0).toUpperCase() + run.status.slice(1);
    entries.push({
      at: Date.parse(run.finishedAt),
      nodeId: undefined,
      text: why === "" ? status : `${status}: ${why}`,
      took: "",
      isWait: false,
    });
  }
  return entries.sort((one, other) => one.at - other.at);
}

function entriesOf(step: Step): Entry[] {
  if (step.startedAt === undefined) return [];
  const at = Date.parse(step.startedAt);
  const entry = (when: number, text: string, took = "", isWait = false): Entry => ({
    at: when,
    nodeId: step.nodeId,
    text,
    took,
    isWait,
  });
  const took = step.durationMs === undefined ? "" : exactDuration(step.durationMs);
  if (step.type !== "human_approval") return [entry(at, summaryOf(step), took)];
  const opened = entry(at, `Opened for ${step.input?.assignTo ?? "anybody who may decide"}`);
  const { decision } = step;
  if (decision === undefined) return [opened];
  const decidedAt = Date.parse(decision.decidedAt);
  return [
    opened,
    entry(at + 1, `${exactDuration(decidedAt - at)} waiting for a person`, "", true),
    entry(decidedAt, decisionText(decision)),
  ];
}

function decisionText(decision: NonNullable<Extract<Step, { type: "human_approval" }>["decision"]>): string {
  if (decision.decision === "expired") return "Expired without a decision";
  const edits = (decision.patch ?? [])
    .filter((one) => one.op === "replace")
    .map((one) => `${one.path} to ${inlineText(one.value)}`);
  const how =
    edits.length > 0
      ? `, edited: ${edits.slice(0, 3).join(", ")}`
      : decision.proposedSha256 === decision.decidedSha256
        ? ", as proposed"
        : ", with an edit";
  return `${personName(decision.actor, decision.identity)} ${decision.decision} it${decision.decision === "approved" ? how : ""}${decision.note === null ? "" : `. “${decision.note}”`}`;
}

/** Returns a step in one line. */
export function summaryOf(step: Step): string {
  if (step.status === "failed") return `Failed: ${(step.error ?? "").split("\n")[0] ?? ""}`;
  const reused = step.reusedFrom === undefined ? "" : ", taken over from an earlier run";
  const tries = step.attempts > 1 ? `, ${step.attempts} attempts` : "";
  const status = step.response === undefined ? "" : `, ${step.response.status}`;
  switch (step.type) {
    case "llm_step": {
      const tokens = step.output?.tokens;
      return `${step.output?.model ?? step.input?.model ?? "model"}${tokens === undefined ? "" : `, ${tokens.prompt ?? 0} tokens in, ${tokens.completion ?? 0} out`}${tries}${reused}`;
    }
    case "service_call":
      return `${step.input?.method ?? ""} ${step.input?.service ?? ""}${step.input?.path ?? ""}${status}${tries}${reused}`.trim();
    case "http_request":
    case "http_sink":
      return `${step.input?.method ?? ""} ${step.input?.url ?? ""}${status}${tries}${reused}`.trim();
    case "decision":
      return `${step.input === undefined ? "" : `${step.input.expression} is ${inlineText(step.input.value)}, `}on to ${step.output?.selected ?? "…"}${reused}`;
    case "webhook_emit":
      return `Sent the event ${step.input?.event ?? ""}${reused}`;
    case "wait":
      return step.input === undefined ? "Waits" : `Waits until ${step.input.until}`;
    case "transform":
      return `Made a value${reused}`;
    case "human_approval":
      return "";
  }
}
