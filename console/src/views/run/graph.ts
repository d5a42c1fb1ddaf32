import type { FlowSpec, Step } from "../../api/types";

/** An edge of a flow as a picture shows it. */
export interface GraphEdge {
  id: string;
  from: string;
  to: string;
  label: string | undefined;
  /** Whether a run has gone this way; `undefined` without a run. */
  isTaken: boolean | undefined;
}

/** Returns the edges of a flow, with the ways that a rejection, an expiry and an error take. */
export function edgesOf(spec: FlowSpec, steps?: ReadonlyMap<string, Step>): GraphEdge[] {
  const edges: GraphEdge[] = [];
  const add = (from: string, to: string, label: string | undefined, isTaken: boolean | undefined) => {
    edges.push({ id: `${from} ${to} ${label ?? ""}`, from, to, label, isTaken });
  };
  const ran = (nodeId: string) => {
    const step = steps?.get(nodeId);
    return step !== undefined && step.status !== "skipped" && step.status !== "pending";
  };
  for (const edge of spec.edges ?? []) {
    const from = steps?.get(edge.from);
    const went =
      from?.status === "succeeded" &&
      ran(edge.to) &&
      (from.type !== "decision" ||
        edge.case === null ||
        edge.case === undefined ||
        from.output?.selected === edge.case);
    const approved =
      from?.type !== "human_approval" || from.decision?.decision === undefined || from.decision.decision === "approved";
    add(edge.from, edge.to, edge.case ?? undefined, steps === undefined ? undefined : went && approved);
  }
  for (const node of spec.nodes) {
    const step = steps?.get(node.id);
    const verdict = step?.type === "human_approval" ? step.decision?.decision : undefined;
    const route = (text: string | null | undefined, label: string, isTaken: boolean) => {
      const to = text?.startsWith("route_to:") === true ? text.slice("route_to:".length) : undefined;
      if (to === undefined) return;
      const known = edges.find(
        (edge) =>
          edge.from === node.id &&
          edge.to === to &&
          edge.label !== undefined &&
          ["rejected", "expired"].includes(edge.label),
      );
      if (known !== undefined) {
        known.label = "rejected or expired";
        known.isTaken = steps === undefined ? undefined : known.isTaken === true || (isTaken && ran(to));
      } else add(node.id, to, label, steps === undefined ? undefined : isTaken && ran(to));
    };
    if (node.type === "human_approval") {
      route(node.onReject ?? spec.onReject, "rejected", verdict === "rejected");
      route(node.onTimeout ?? spec.onTimeout, "expired", verdict === "expired");
    }
    route(node.onError, "error", step?.status === "failed");
  }
  return edges;
}
