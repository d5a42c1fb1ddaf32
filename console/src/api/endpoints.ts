import { call } from "./client";
import type {
  Approval,
  ApprovalList,
  BulkResult,
  Decided,
  DecisionList,
  Flow,
  FlowAsRun,
  FlowSummary,
  Me,
  Page,
  PurgeReceipt,
  Run,
  RunDetail,
  RunFilters,
  RunSummary,
  StepPartName,
} from "./types";
import type { Json } from "../lib/json";

interface Data<Value> {
  data: Value;
}

const id = encodeURIComponent;

export async function readMe(signal?: AbortSignal): Promise<Me> {
  return (await call<Data<{ me: Me }>>("me", { signal })).data.me;
}

export function signOut(): Promise<null> {
  return call<null>("auth/logout", { method: "POST" });
}

// ---- Approvals ----------------------------------------------------------------------------------------------------------

export function listApprovals(cursor: string | undefined, signal?: AbortSignal): Promise<ApprovalList> {
  return call<ApprovalList>("approvals", { query: { assignee: "me", limit: 100, cursor }, signal });
}

export async function readApproval(approvalId: string, signal?: AbortSignal): Promise<Approval> {
  return (await call<Data<{ approval: Approval }>>(`approvals/${id(approvalId)}`, { signal })).data.approval;
}

export interface ApproveBody {
  approvalId: string;
  nodeId: string;
  shownSha256?: string | undefined;
  proposedActionOverride?: Json | undefined;
  actionSha256?: string | undefined;
  note?: string | undefined;
}

export async function approve(
  runId: string,
  body: ApproveBody,
  dryRun = false,
  signal?: AbortSignal,
): Promise<Decided> {
  const query = dryRun ? { dryRun: true } : {};
  return (await call<Data<Decided>>(`runs/${id(runId)}/approve`, { method: "POST", body, query, signal })).data;
}

export interface RejectBody {
  approvalId: string;
  nodeId: string;
  shownSha256?: string | undefined;
  note?: string | undefined;
}

export async function reject(runId: string, body: RejectBody): Promise<Decided> {
  return (await call<Data<Decided>>(`runs/${id(runId)}/reject`, { method: "POST", body })).data;
}

export async function requestChanges(runId: string, body: RejectBody): Promise<unknown> {
  return call<unknown>(`runs/${id(runId)}/request-changes`, { method: "POST", body });
}

export interface ReassignBody {
  approvalId: string;
  nodeId: string;
  to: string;
  note?: string | undefined;
}

export async function reassign(runId: string, body: ReassignBody): Promise<Approval> {
  return (await call<Data<{ approval: Approval }>>(`runs/${id(runId)}/reassign`, { method: "POST", body })).data
    .approval;
}

export interface BulkItem {
  approvalId: string;
  shownSha256: string;
  verdict: "approve" | "reject";
  note?: string | undefined;
}

/** Decides up to 100 approvals, each by itself; the results are in the order of the items. */
export async function decideSeveral(items: BulkItem[]): Promise<BulkResult[]> {
  const answer = await call<Data<{ results: BulkResult[] }>>("approvals/decide", { method: "POST", body: { items } });
  return answer.data.results;
}

export interface DecisionFilters {
  actor?: string | undefined;
  flow?: string | undefined;
  verdict?: string | undefined;
  edited?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  limit?: number;
  cursor?: string | undefined;
}

export function listDecisions(filters: DecisionFilters, signal?: AbortSignal): Promise<DecisionList> {
  return call<DecisionList>("decisions", { query: { ...filters }, signal });
}

// ---- Runs ---------------------------------------------------------------------------------------------------------------

export interface RunAndFlow {
  run: RunDetail;
  flow: FlowAsRun;
}

export async function readRun(runId: string, signal?: AbortSignal): Promise<RunAndFlow> {
  return (await call<Data<RunAndFlow>>(`runs/${id(runId)}`, { signal })).data;
}

/** Reads one part of a step, whole. Larger values than the API puts into other answers come this way. */
export async function readStepPart(
  runId: string,
  nodeId: string,
  of: StepPartName,
  signal?: AbortSignal,
): Promise<Json> {
  const path = `runs/${id(runId)}/steps/${id(nodeId)}/output`;
  const part = (await call<Data<Record<string, Json>>>(path, { query: { of, inline: true }, signal })).data;
  const value = part[of];
  if (value === undefined) throw new Error("This value is larger than the API sends in an answer.");
  return value;
}

export async function cancelRun(runId: string, reason: string): Promise<Run> {
  const body = reason === "" ? {} : { reason };
  return (await call<Data<{ run: Run }>>(`runs/${id(runId)}/cancel`, { method: "POST", body })).data.run;
}

export async function retryRun(
  runId: string,
  fromNodeId: string | undefined,
  latest: boolean,
  key: string,
): Promise<Run> {
  const body = { fromNodeId, flowVersion: latest ? "latest" : undefined };
  const headers = { "Idempotency-Key": key };
  return (await call<Data<{ run: Run }>>(`runs/${id(runId)}/retry`, { method: "POST", body, headers })).data.run;
}

export async function purgeRun(runId: string): Promise<PurgeReceipt> {
  return (await call<Data<PurgeReceipt>>(`runs/${id(runId)}/outputs`, { method: "DELETE" })).data;
}

// ---- Flows --------------------------------------------------------------------------------------------------------------

export function listFlows(cursor?: string, signal?: AbortSignal): Promise<Page<FlowSummary>> {
  return call<Page<FlowSummary>>("flows", { query: { limit: 100, cursor }, signal });
}

export async function readFlow(slug: string, signal?: AbortSignal): Promise<Flow> {
  return (await call<Data<{ flow: Flow }>>(`flows/${id(slug)}`, { signal })).data.flow;
}

export function listRuns(slug: string, filters: RunFilters, signal?: AbortSignal): Promise<Page<RunSummary>> {
  return call<Page<RunSummary>>(`flows/${id(slug)}/runs`, { query: { ...filters }, signal });
}

export async function startRun(slug: string, input: Json, key: string): Promise<Run> {
  const headers = { "Idempotency-Key": key };
  return (await call<Data<{ run: Run }>>(`flows/${id(slug)}/execute`, { method: "POST", body: input, headers })).data
    .run;
}
