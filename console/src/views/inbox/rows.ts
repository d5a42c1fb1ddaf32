import type { Approval } from "../../api/types";
import { isToday } from "../../lib/time";
import { NEAR_MS } from "../../components/basic";

export type Sort = "deadline" | "age" | "flow";

export interface Filters {
  /** `me` for what is assigned to the reader by name, `anybody` for what is assigned to nobody, or an assignee; empty for all. */
  assignee: string;
  flow: string;
  search: string;
  sort: Sort;
}

export const flowName = (row: Approval): string => row.flow?.name ?? row.flow?.slug ?? row.flowId;
export const flowKey = (row: Approval): string => row.flow?.slug ?? row.flowId;

export interface Count {
  key: string;
  label: string;
  count: number;
}

/** Returns how many rows each flow has, the most first. */
export function countByFlow(rows: readonly Approval[]): Count[] {
  return counted(rows, flowKey, flowName);
}

/** Returns how many rows each assignee has; first what is assigned to the reader by name. */
export function countByAssignee(rows: readonly Approval[], actor: string | undefined): Count[] {
  const counts = counted(
    rows,
    (row) => assigneeKey(row, actor),
    (row) => {
      const key = assigneeKey(row, actor);
      return key === "me" ? "Me" : key === "anybody" ? "Anybody" : key;
    },
  );
  return counts.sort((one, other) => Number(other.key === "me") - Number(one.key === "me"));
}

function assigneeKey(row: Approval, actor: string | undefined): string {
  if (row.assignTo === undefined) return "anybody";
  return actor !== undefined && row.assignTo === `user:${actor}` ? "me" : row.assignTo;
}

function counted(
  rows: readonly Approval[],
  keyOf: (row: Approval) => string,
  labelOf: (row: Approval) => string,
): Count[] {
  const counts = new Map<string, Count>();
  for (const row of rows) {
    const key = keyOf(row);
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { key, label: labelOf(row), count: 1 });
    else known.count += 1;
  }
  return [...counts.values()].sort((one, other) => other.count - one.count || one.label.localeCompare(other.label));
}

/** Returns the rows that pass the filters, in their order. */
export function arranged(rows: Iterable<Approval>, filters: Filters, actor: string | undefined): Approval[] {
  const words = filters.search
    .toLocaleLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const passing = [...rows].filter(
    (row) =>
      (filters.flow === "" || flowKey(row) === filters.flow) &&
      (filters.assignee === "" || assigneeKey(row, actor) === filters.assignee) &&
      words.every((word) => row.actionLabel.toLocaleLowerCase().includes(word)),
  );
  const by = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);
  return passing.sort((one, other) => {
    const first =
      filters.sort === "flow"
        ? flowName(one).localeCompare(flowName(other))
        : filters.sort === "age"
          ? by(one.openedAt, other.openedAt)
          : 0;
    return first || by(one.expiresAt, other.expiresAt) || by(one.id, other.id);
  });
}

export type Line = { kind: "head"; label: string; count: number } | { kind: "row"; row: Approval; index: number };

/** Returns the lines of the list: the rows, with heads between them. */
export function linesOf(rows: readonly Approval[], sort: Sort, now: number): Line[] {
  const lines: Line[] = [];
  let head: Extract<Line, { kind: "head" }> | undefined;
  rows.forEach((row, index) => {
    const label = headOf(row, sort, now);
    if (label !== undefined && head?.label !== label) {
      head = { kind: "head", label, count: 0 };
      lines.push(head);
    }
    if (head !== undefined) head.count += 1;
    lines.push({ kind: "row", row, index });
  });
  return lines;
}

function headOf(row: Approval, sort: Sort, now: number): string | undefined {
  if (sort === "age") return undefined;
  if (sort === "flow") return flowName(row);
  const due = Date.parse(row.expiresAt);
  if (due <= now) return "Expired";
  if (due - now < NEAR_MS) return "Due within an hour";
  return isToday(due, now) ? "Due today" : "Due later";
}
