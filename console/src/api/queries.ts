import { QueryClient, queryOptions } from "@tanstack/react-query";
import { ApiError } from "./client";
import {
  type DecisionFilters,
  listDecisions,
  listFlows,
  listRuns,
  readApproval,
  readFlow,
  readMe,
  readRun,
  readStepPart,
} from "./endpoints";
import type { RunFilters, RunStatus, StepPartName } from "./types";

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      refetchOnWindowFocus: true,
      // The API has said what is wrong: asking again does not change it.
      retry: (count, error) => !(error instanceof ApiError && error.status < 500) && count < 2,
      networkMode: "always",
      structuralSharing: false,
    },
    mutations: { networkMode: "always", retry: false },
  },
});

export const meQuery = queryOptions({ queryKey: ["me"], queryFn: ({ signal }) => readMe(signal), staleTime: 300_000 });

export const approvalQuery = (id: string) =>
  queryOptions({ queryKey: ["approval", id], queryFn: ({ signal }) => readApproval(id, signal), staleTime: 10_000 });

const ENDED: readonly RunStatus[] = ["succeeded", "failed", "cancelled"];

/** A run, read again while it moves; the less often the longer it waits for a person, and not at all while the tab is hidden. */
export const runQuery = (id: string, live = false) =>
  queryOptions({
    queryKey: ["run", id],
    queryFn: ({ signal }) => readRun(id, signal),
    refetchInterval: (query) => {
      const status = query.state.data?.run.status;
      if (!live || status === undefined || ENDED.includes(status)) return false;
      return status === "running" ? 2_000 : 15_000;
    },
    refetchIntervalInBackground: false,
  });

export const stepPartQuery = (runId: string, nodeId: string, of: StepPartName) =>
  queryOptions({
    queryKey: ["part", runId, nodeId, of],
    queryFn: ({ signal }) => readStepPart(runId, nodeId, of, signal),
    staleTime: Infinity,
  });

export const decisionsQuery = (filters: DecisionFilters) =>
  queryOptions({ queryKey: ["decisions", filters], queryFn: ({ signal }) => listDecisions(filters, signal) });

export const flowsQuery = queryOptions({
  queryKey: ["flows"],
  queryFn: ({ signal }) => listFlows(undefined, signal),
  staleTime: 60_000,
});

export const flowQuery = (slug: string) =>
  queryOptions({ queryKey: ["flow", slug], queryFn: ({ signal }) => readFlow(slug, signal) });

export const runsQuery = (slug: string, filters: RunFilters) =>
  queryOptions({ queryKey: ["runs", slug, filters], queryFn: ({ signal }) => listRuns(slug, filters, signal) });
