import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef } from "react";
import type { Approval, Me } from "../../api/types";
import { Deadline } from "../../components/basic";
import { personName } from "../../lib/format";
import { shortDuration, useNow } from "../../lib/time";
import { flowName, type Line, linesOf, type Sort } from "./rows";
import { toggle, useSelection } from "./selection";
import { type Gone, inbox } from "./store";

interface Props {
  rows: readonly Approval[];
  gone: ReadonlyMap<string, Gone>;
  sort: Sort;
  openId: string | undefined;
  me: Me | undefined;
  onOpen: (row: Approval) => void;
}

const ROW = 56;
const HEAD = 28;

/** The rows of the inbox; only those in view are in the page. */
export function List({ rows, gone, sort, openId, me, onOpen }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const now = useNow();
  const selection = useSelection();
  const minute = Math.floor(now / 60_000);
  const lines = useMemo(() => linesOf(rows, sort, minute * 60_000), [rows, sort, minute]);
  // Its functions are used here only, and nothing is memoised over them.
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (lines[index]?.kind === "head" ? HEAD : ROW),
    getItemKey: (index) => {
      const line = lines[index];
      return line === undefined ? index : line.kind === "head" ? `head ${line.label}` : line.row.id;
    },
    overscan: 8,
    initialRect: { width: 360, height: 800 },
  });
  const openLine = lines.findIndex((line) => line.kind === "row" && line.row.id === openId);
  useEffect(() => {
    if (openLine >= 0) virtual.scrollToIndex(openLine, { align: "auto" });
    // Only what is open moves the list, not each change of the rows.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [openId]);
  useEffect(() => virtual.measure(), [lines, virtual]);

  return (
    <div
      ref={scroller}
      className={`list ${selection.size > 0 ? "selecting" : ""}`}
      onPointerEnter={() => inbox.hold(true)}
      onPointerLeave={() => inbox.hold(false)}
    >
      <ul aria-label="Approvals" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index];
          if (line === undefined) return null;
          const style = { transform: `translateY(${item.start}px)`, height: item.size };
          if (line.kind === "head") return <Head key={item.key} line={line} style={style} />;
          return (
            <Row
              key={item.key}
              row={line.row}
              gone={gone.get(line.row.id)}
              place={[line.index + 1, rows.length]}
              isOpen={line.row.id === openId}
              isFirst={openLine < 0 && line.index === 0}
              isSelected={selection.has(line.row.id)}
              now={now}
              me={me}
              style={style}
              onOpen={onOpen}
            />
          );
        })}
      </ul>
    </div>
  );
}

type Style = React.CSSProperties;

function Head({ line, style }: { line: Extract<Line, { kind: "head" }>; style: Style }) {
  return (
    <li className="list-head" style={style}>
      <span>{line.label}</span>
      <span className="count">{line.count}</span>
    </li>
  );
}

interface RowProps {
  row: Approval;
  gone: Gone | undefined;
  place: readonly [number, number];
  isOpen: boolean;
  isFirst: boolean;
  isSelected: boolean;
  now: number;
  me: Me | undefined;
  style: Style;
  onOpen: (row: Approval) => void;
}

function Row({ row, gone, place, isOpen, isFirst, isSelected, now, me, style, onOpen }: RowProps) {
  const age = shortDuration(now - Date.parse(row.openedAt));
  if (gone !== undefined) {
    return (
      <li className="list-row gone" style={style}>
        <div className="row-text">
          <span className="row-top">
            <s>{row.actionLabel}</s>
          </span>
          <span className="row-bottom">{gone.text}</span>
        </div>
      </li>
    );
  }
  return (
    <li className={`list-row ${isOpen ? "current" : ""} ${isSelected ? "selected" : ""}`} style={style}>
      <input
        type="checkbox"
        checked={isSelected}
        tabIndex={isOpen || isFirst ? 0 : -1}
        aria-label={`Select ${row.actionLabel}`}
        onChange={() => toggle(row.id)}
      />
      <button
        type="button"
        className="row-text"
        data-row={row.id}
        tabIndex={isOpen || isFirst ? 0 : -1}
        aria-current={isOpen ? "true" : undefined}
        aria-description={`${place[0]} of ${place[1]}`}
        onClick={() => onOpen(row)}
      >
        <span className="row-top">
          <span className="row-label">{row.actionLabel}</span>
          <Deadline at={row.expiresAt} />
        </span>
        <span className="row-bottom">
          <span className="row-flow">
            {flowName(row)} · {age} old
          </span>
          <Votes row={row} me={me} />
        </span>
      </button>
    </li>
  );
}

function Votes({ row, me }: { row: Approval; me: Me | undefined }) {
  const votes = row.votes ?? [];
  const needed = Array.isArray(row.requiredApprovals)
    ? row.requiredApprovals.reduce((sum, part) => sum + (part.count ?? 1), 0)
    : (row.requiredApprovals ?? 1);
  if (needed < 2) return null;
  const last = votes.at(-1);
  const who =
    last === undefined
      ? ""
      : last.actor === me?.actor
        ? ", you"
        : `, ${personName(last.actor, last.identity).split(" ")[0] ?? ""}`;
  return (
    <span>
      {votes.length} of {needed}
      {who}
    </span>
  );
}
