/** The names of the contract that the console uses. */
import type { components, operations } from "./contract";

type Schemas = components["schemas"];

export type Approval = Schemas["Approval"];
export type ApprovalList = Schemas["ApprovalList"];
export type BulkResult = Schemas["BulkResult"];
export type Conflict = Schemas["DecisionConflictError"];
export type Decided = Schemas["Decided"];
export type Decision = Schemas["Decision"];
export type DecisionList = Schemas["DecisionList"];
export type DecisionRow = Schemas["DecisionRow"];
export type Destination = Schemas["Destination"];
export type Flow = Schemas["Flow"];
export type FlowAsRun = Schemas["FlowAsRun"];
export type FlowSpec = Schemas["FlowSpec"];
export type FlowSummary = Schemas["FlowSummary"];
export type Identity = Schemas["Identity"];
export type Me = Schemas["Me"];
export type FlowNode = Schemas["Node"];
export type PatchOperation = Schemas["PatchOperation"];
export type PayloadRef = Schemas["PayloadRef"];
export type PurgeReceipt = Schemas["PurgeReceipt"];
export type Run = Schemas["Run"];
export type RunDetail = Schemas["RunDetail"];
export type RunStatus = Schemas["RunStatus"];
export type RunSummary = Schemas["RunSummary"];
export type Step = Schemas["Step"];
export type StepPartName = Schemas["StepPartName"];
export type Vote = Schemas["Vote"];

export interface Page<Row> {
  data: Row[];
  total?: number;
  meta?: { nextCursor?: string | null; totalIsCapped?: boolean };
}

export type RunFilters = NonNullable<operations["listFlowRuns"]["parameters"]["query"]>;
