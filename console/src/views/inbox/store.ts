import { useSyncExternalStore } from "react";
import { ApiError } from "../../api/client";
import { listApprovals, readApproval } from "../../api/endpoints";
import type { Approval, ApprovalList } from "../../api/types";
import { announce } from "../../lib/announce";
import { personName } from "../../lib/format";

/** A row that is not open any more, and stays for a moment with a word about it. */
export interface Gone {
  row: Approval;
  text: string;
  at: number;
}

export interface InboxState {
  rows: ReadonlyMap<string, Approval>;
  gone: ReadonlyMap<string, Gone>;
  /** `loading` until the first page is there; `error` if it could not be read. */
  status: "loading" | "ready" | "error";
  error: Error | undefined;
  /** Whether every page has been read. */
  complete: boolean;
}

/** One page of the list: what lies behind `after`, up to and with `last`. Without a `last`, it is the last page. */
interface Page {
  cursor: string | undefined;
  after: string;
  last: string | undefined;
}

interface Source {
  list: (cursor: string | undefined) => Promise<ApprovalList>;
  read: (approvalId: string) => Promise<Approval>;
}

/** How long a row that a colleague decided stays, in milliseconds. */
export const GONE_MS = 5_000;
/** How many rows that vanished at once are asked after; the others are only said to be gone. */
const ASKED_AFTER = 5;

/** The order of the API's list: the oldest first. */
const positionOf = (row: Approval): string => `${row.openedAt} ${row.id}`;

/**
 * What the reader can decide. The first page is shown as soon as it is there, and the others follow by themselves. A poll reads again the page with
 * the row that is open, the last page (where new ones appear), and one other page in turn: three calls at most, one for an inbox of up
 * to 100 rows.
 */
export class Inbox {
  private state: InboxState = {
    rows: new Map(),
    gone: new Map(),
    status: "loading",
    error: undefined,
    complete: false,
  };
  private pages: Page[] = [];
  private readonly listeners = new Set<() => void>();
  /** Approvals that this tab has decided: their disappearance needs no word. */
  private readonly decidedHere = new Set<string>();
  /** What is being read; one thing at a time. */
  private running: Promise<void> | undefined;
  private isQueued = false;
  private turn = 0;
  /** The pointer is over the list: nothing that is gone leaves it now. */
  private held = false;

  constructor(private readonly source: Source) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  readonly snapshot = (): InboxState => this.state;

  private change(next: Partial<InboxState>): void {
    this.state = { ...this.state, ...next };
    for (const listener of this.listeners) listener();
  }

  /** Does one thing after the other; what is asked for while something waits already is that. */
  private async alone(work: () => Promise<void>): Promise<void> {
    if (this.running !== undefined) {
      if (this.isQueued) return this.running;
      this.isQueued = true;
      await this.running;
      this.isQueued = false;
    }
    const running = work();
    this.running = running;
    await running;
    if (this.running === running) this.running = undefined;
  }

  /** Reads the list from the beginning. */
  load(): Promise<void> {
    return this.alone(() => this.readAll());
  }

  private async readAll(): Promise<void> {
    try {
      this.pages = [];
      await this.readOn({ cursor: undefined, after: "", last: undefined });
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      this.change({ status: this.state.status === "ready" ? "ready" : "error", error: failure });
    }
  }

  /** Reads again what may have changed. `openId` is the approval that is on the screen. */
  poll(openId: string | undefined): Promise<void> {
    return this.alone(() =>
      this.state.status === "ready" && this.state.complete ? this.readAgain(openId) : this.readAll(),
    );
  }

  private async readAgain(openId: string | undefined): Promise<void> {
    try {
      const open = openId === undefined ? undefined : this.state.rows.get(openId);
      const position = open === undefined ? undefined : positionOf(open);
      const openIndex = this.pages.findIndex(
        (page) => position !== undefined && position > page.after && (page.last === undefined || position <= page.last),
      );
      this.turn = (this.turn + 1) % this.pages.length;
      const indices = new Set([openIndex, this.turn, this.pages.length - 1].filter((index) => index >= 0));
      for (const index of [...indices].sort((one, other) => one - other)) {
        const page = this.pages[index];
        if (page === undefined) continue;
        if (index === this.pages.length - 1) await this.readTail(page);
        else this.apply(page, await this.source.list(page.cursor));
      }
    } catch (error) {
      // A cursor that is good no longer: from the beginning, the next time.
      if (error instanceof ApiError && error.status === 400) this.change({ complete: false });
    }
  }

  /** Reads the last page again, and what has come behind it. If that fails, the page is the last one still. */
  private async readTail(page: Page): Promise<void> {
    this.pages.pop();
    const count = this.pages.length;
    try {
      await this.readOn(page);
    } finally {
      if (this.pages.length === count) this.pages.push(page);
    }
  }

  /** Reads from a page to the end. */
  private async readOn(from: Page): Promise<void> {
    let page: Page | undefined = from;
    while (page !== undefined) {
      const answer: ApprovalList = await this.source.list(page.cursor);
      const next = this.apply(page, answer);
      this.pages.push(page);
      this.change({ status: "ready", error: undefined, complete: next === undefined });
      page = next;
    }
  }

  /** Takes over what a page says; returns the page behind it. */
  private apply(page: Page, answer: ApprovalList): Page | undefined {
    const cursor = answer.meta.nextCursor;
    const last = answer.data.at(-1);
    page.last = cursor === undefined || last === undefined ? undefined : positionOf(last);
    const rows = new Map(this.state.rows);
    const open = new Set(answer.data.map((row) => row.id));
    const vanished: Approval[] = [];
    for (const row of rows.values()) {
      const position = positionOf(row);
      const isHere = position > page.after && (page.last === undefined || position <= page.last);
      if (isHere && !open.has(row.id)) {
        rows.delete(row.id);
        if (!this.decidedHere.has(row.id)) vanished.push(row);
      }
    }
    for (const row of answer.data) if (!this.decidedHere.has(row.id)) rows.set(row.id, row);
    this.change({ rows });
    if (vanished.length > 0) void this.say(vanished);
    return cursor === undefined ? undefined : { cursor, after: page.last ?? "", last: undefined };
  }

  /** Keeps rows that are not open any more on the screen for a moment, with a word about who decided. */
  private async say(vanished: Approval[]): Promise<void> {
    const gone = new Map(this.state.gone);
    for (const row of vanished) gone.set(row.id, { row, text: "Not open any more", at: Date.now() });
    this.change({ gone });
    for (const row of vanished.slice(0, ASKED_AFTER)) {
      const text = await this.source.read(row.id).then(endOf, () => "Not open any more");
      const known = this.state.gone.get(row.id);
      if (known === undefined) continue;
      this.change({ gone: new Map(this.state.gone).set(row.id, { ...known, text, at: Date.now() }) });
      announce(`${row.actionLabel}: ${text}`);
    }
    setTimeout(() => this.sweep(), GONE_MS + 50);
  }

  private sweep(): void {
    const limit = Date.now() - GONE_MS;
    const kept = [...this.state.gone].filter(([, gone]) => gone.at > limit);
    if (kept.length === this.state.gone.size) return;
    if (this.held) {
      setTimeout(() => this.sweep(), 1_000);
      return;
    }
    this.change({ gone: new Map(kept) });
  }

  /** Nothing leaves the list while the pointer is over it. */
  hold(held: boolean): void {
    this.held = held;
  }

  /** Takes out what this tab has decided. */
  decided(approvalId: string): void {
    this.decidedHere.add(approvalId);
    const rows = new Map(this.state.rows);
    if (rows.delete(approvalId)) this.change({ rows });
  }

  /** Puts back what could not be decided, or has only got a vote more. */
  putBack(row: Approval): void {
    this.decidedHere.delete(row.id);
    this.change({ rows: new Map(this.state.rows).set(row.id, row) });
  }

  /** Takes out what a colleague has decided, with a word about it. */
  lost(row: Approval): void {
    const rows = new Map(this.state.rows);
    if (!rows.delete(row.id)) return;
    this.change({ rows });
    void this.say([row]);
  }
}

/** Returns how an approval ended, in a sentence. */
export function endOf(approval: Approval): string {
  const who = personName(approval.decision?.actor, approval.decision?.identity);
  switch (approval.status) {
    case "approved":
      return `${who} approved this${isEdited(approval) ? ", with an edit" : ""}`;
    case "rejected":
      return `${who} rejected this`;
    case "expired":
      return "It expired";
    case "closed":
      return "It was closed with its run";
    case "open":
    case undefined:
      return !approval.canDecide ? `Now with ${approval.assignTo ?? "someone else"}` : "Not open any more";
  }
}

export function isEdited(approval: Approval): boolean {
  const { decision } = approval;
  return decision !== undefined && decision.proposedSha256 !== decision.decidedSha256;
}

export const inbox = new Inbox({
  list: (cursor) => listApprovals(cursor),
  read: (approvalId) => readApproval(approvalId),
});

export function useInbox(): InboxState {
  return useSyncExternalStore(inbox.subscribe, inbox.snapshot);
}
