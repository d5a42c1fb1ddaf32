import { graphlib, layout } from "@dagrejs/dagre";
import { type Edge, Handle, MarkerType, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { useMemo } from "react";
import type { FlowSpec, Step } from "../../api/types";
import { Icon, type IconName } from "../../components/Icon";
import { exactDuration } from "../../lib/time";
import { edgesOf } from "./graph";
import "../../styles/graph.css";

interface Props {
  spec: FlowSpec;
  steps?: readonly Step[];
  selected?: string | undefined;
  onSelect?: (nodeId: string) => void;
}

const WIDTH = 168;
const HEIGHT = 48;

interface Data extends Record<string, unknown> {
  type: string;
  step: Step | undefined;
  hasRun: boolean;
  isSelected: boolean;
  onSelect: ((nodeId: string) => void) | undefined;
}

type StepNode = Node<Data, "step">;

const SIGNS: Partial<Record<Step["status"], IconName>> = {
  succeeded: "check",
  failed: "cross",
  skipped: "skip",
  cancelled: "cross",
  awaiting_approval: "wait",
  running: "clock",
  pending: "clock",
};

function StepBox({ id, data }: NodeProps<StepNode>) {
  const { step } = data;
  const status = step?.status ?? (data.hasRun ? "skipped" : undefined);
  const sign = status === undefined ? undefined : SIGNS[status];
  const tries = step !== undefined && step.attempts > 1 ? `${step.attempts} tries` : "";
  const time =
    status === "skipped"
      ? "skipped"
      : step?.durationMs === undefined
        ? (status?.replace("_", " ") ?? "")
        : exactDuration(step.durationMs);
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <button
        type="button"
        className={`graph-node ${status ?? ""} ${data.isSelected ? "selected" : ""}`}
        aria-pressed={data.isSelected}
        onClick={() => data.onSelect?.(id)}
      >
        <span>
          {sign !== undefined && <Icon name={sign} />}
          <b>{id}</b>
          <small>{time}</small>
        </span>
        <span>
          <small>{data.type}</small>
          <small>{tries}</small>
        </span>
      </button>
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
}

const nodeTypes = { step: StepBox };

/** A flow as a picture, from left to right; with a run, the way that was taken is solid. */
export default function Graph({ spec, steps, selected, onSelect }: Props) {
  const stepOf = useMemo(
    () => (steps === undefined ? undefined : new Map(steps.map((step) => [step.nodeId, step]))),
    [steps],
  );
  const edges = useMemo(() => edgesOf(spec, stepOf), [spec, stepOf]);
  const placed = useMemo(() => place(spec), [spec]);
  const nodes = spec.nodes.map((node): StepNode => {
    const at = placed.positions.get(node.id) ?? { x: 0, y: 0 };
    return {
      id: node.id,
      type: "step",
      position: at,
      // Without a handler of its own, xyflow would let no pointer through to the button.
      style: { pointerEvents: "all" },
      width: WIDTH,
      height: HEIGHT,
      data: {
        type: node.type,
        step: stepOf?.get(node.id),
        hasRun: stepOf !== undefined,
        isSelected: node.id === selected,
        onSelect,
      },
    };
  });
  const drawn = edges.map((edge): Edge => ({
    id: edge.id,
    source: edge.from,
    target: edge.to,
    type: "smoothstep",
    label: edge.label,
    className: edge.isTaken === false ? "not-taken" : "",
    markerEnd: {
      type: MarkerType.ArrowClosed,
      width: 14,
      height: 14,
      color: edge.isTaken === false ? "var(--control)" : "var(--text)",
    },
    zIndex: edge.isTaken === true ? 1 : 0,
  }));
  return (
    <div className="graph" style={{ height: Math.min(440, Math.max(120, placed.height + 48)) }}>
      <ReactFlow
        nodes={nodes}
        edges={drawn}
        nodeTypes={nodeTypes}
        fitView
        fitViewOptions={{ padding: 0.04, minZoom: spec.nodes.length > 40 ? 0.1 : 0.5, maxZoom: 1 }}
        minZoom={0.05}
        maxZoom={2}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        zoomOnScroll={false}
        preventScrolling={false}
        onlyRenderVisibleElements
        aria-label="The flow as a picture"
      />
    </div>
  );
}

/** Places the nodes in layers. */
function place(spec: FlowSpec): { positions: Map<string, { x: number; y: number }>; height: number } {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 28, ranksep: 56, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of spec.nodes) graph.setNode(node.id, { width: WIDTH, height: HEIGHT });
  const known = new Set(spec.nodes.map((node) => node.id));
  for (const edge of edgesOf(spec)) if (known.has(edge.from) && known.has(edge.to)) graph.setEdge(edge.from, edge.to);
  layout(graph);
  const positions = new Map<string, { x: number; y: number }>();
  let height = 0;
  for (const node of spec.nodes) {
    const { x, y } = graph.node(node.id) as { x: number; y: number };
    positions.set(node.id, { x: x - WIDTH / 2, y: y - HEIGHT / 2 });
    height = Math.max(height, y + HEIGHT / 2);
  }
  return { positions, height };
}
