import type { DecisionRow } from "../../api/types";
import { personName } from "../../lib/format";

const COLUMNS: readonly (readonly [string, (row: DecisionRow) => string])[] = [
  ["approvalId", (row) => row.approvalId],
  ["runId", (row) => row.runId],
  ["flow", (row) => row.flow.slug],
  ["flowVersion", (row) => String(row.flow.version)],
  ["label", (row) => row.actionLabel],
  ["verdict", (row) => row.verdict],
  ["edited", (row) => String(row.edited)],
  ["actor", (row) => row.actor ?? ""],
  ["name", (row) => (row.actor === null || row.actor === undefined ? "" : personName(row.actor, row.identity))],
  ["openedAt", (row) => row.openedAt],
  ["decidedAt", (row) => row.decidedAt],
  ["note", (row) => row.note ?? ""],
  ["proposedSha256", (row) => row.proposedSha256],
  ["decidedSha256", (row) => row.decidedSha256],
];

/** Returns the rows as CSV (RFC 4180). A cell that a spreadsheet would take for a formula gets an apostrophe in front. */
export function csvOf(rows: readonly DecisionRow[]): string {
  const cell = (text: string) => {
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [COLUMNS.map(([name]) => name), ...rows.map((row) => COLUMNS.map(([, read]) => cell(read(row))))];
  return `${lines.map((line) => line.join(",")).join("\r\n")}\r\n`;
}

/** Saves a text as a file of the reader's. */
export function save(name: string, text: string, type = "text/csv;charset=utf-8"): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
