import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Approval, ApprovalList } from "../../api/types";
import { arranged, countByAssignee, linesOf } from "./rows";
import { GONE_MS, Inbox } from "./store";

function approval(index: number, more: Partial<Approval> = {}): Approval {
  const at = new Date(1_800_000_000_000 + index * 1000).toISOString();
  return {
    id: `apr_${String(index).padStart(5, "0")}`,
    runId: "run_1",
    nodeId: "review",
    flowId: "flw_1",
    flow: { id: "flw_1", slug: "refunds", name: "Refunds", version: 1 },
    round: 1,
    proposedSha256: "a",
    shownSha256: "b",
    requireDifferentActor: false,
    requiredApprovals: 1,
    canRequestChanges: false,
    canDecide: true,
    cannotDecideBecause: null,
    actionLabel: `Refund ${index}`,
    openedAt: at,
    expiresAt: new Date(1_900_000_000_000 - index * 1000).toISOString(),
    status: "open",
    ...more,
  };
}

/** An API with pages of 100 rows. */
class Api {
  open: Approval[] = [];
  calls = 0;
  ended = new Map<string, Approval>();
  list = (cursor: string | undefined): Promise<ApprovalList> => {
    this.calls += 1;
    const rest = this.open.filter((row) => cursor === undefined || row.id > cursor);
    const data = rest.slice(0, 100);
    const nextCursor = rest.length > 100 ? data.at(-1)?.id : undefined;
    return Promise.resolve({ data, total: this.open.length, page: 1, limit: 100, meta: { pages: 1, nextCursor } });
  };
  read = (id: string): Promise<Approval> => {
    const row = this.ended.get(id);
    return row === undefined ? Promise.reject(new Error("not found")) : Promise.resolve(row);
  };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("the inbox", () => {
  test("an inbox of one page is one call, and so is a poll of it", async () => {
    const api = new Api();
    api.open = [approval(1), approval(2)];
    const inbox = new Inbox(api);
    await inbox.load();
    expect([api.calls, inbox.snapshot().rows.size, inbox.snapshot().complete]).toEqual([1, 2, true]);
    await inbox.poll(undefined);
    expect(api.calls).toBe(2);
  });

  test("5,000 rows are read page by page, and a poll of them is three calls at most", async () => {
    const api = new Api();
    api.open = Array.from({ length: 5_000 }, (_, index) => approval(index));
    const inbox = new Inbox(api);
    await inbox.load();
    expect([api.calls, inbox.snapshot().rows.size]).toEqual([50, 5_000]);
    for (let turn = 0; turn < 60; turn += 1) {
      const before = api.calls;
      await inbox.poll("apr_02500");
      expect(api.calls - before).toBeLessThanOrEqual(3);
    }
  });

  test("new rows appear behind the last page", async () => {
    const api = new Api();
    api.open = Array.from({ length: 100 }, (_, index) => approval(index));
    const inbox = new Inbox(api);
    await inbox.load();
    api.open.push(approval(100), approval(101));
    await inbox.poll(undefined);
    expect(inbox.snapshot().rows.has("apr_00101")).toBe(true);
    expect(inbox.snapshot().complete).toBe(true);
  });

  test("what a colleague decided leaves with a word about who", async () => {
    const api = new Api();
    api.open = [approval(1), approval(2)];
    const inbox = new Inbox(api);
    await inbox.load();
    const row = approval(1);
    const identity = { method: "login", name: "Grace Lund" } as const;
    api.ended.set(row.id, {
      ...row,
      status: "approved",
      decision: {
        decision: "approved",
        actor: "usr_grace",
        identity,
        decidedAt: row.openedAt,
        note: null,
        proposedSha256: "a",
        decidedSha256: "a",
      },
    });
    api.open = [approval(2)];
    await inbox.poll(undefined);
    await vi.advanceTimersByTimeAsync(10);
    expect(inbox.snapshot().gone.get(row.id)?.text).toBe("Grace Lund approved this");
    await vi.advanceTimersByTimeAsync(GONE_MS + 200);
    expect(inbox.snapshot().gone.size).toBe(0);
  });

  test("nothing leaves while the pointer is over the list", async () => {
    const api = new Api();
    api.open = [approval(1)];
    const inbox = new Inbox(api);
    await inbox.load();
    inbox.hold(true);
    api.open = [];
    await inbox.poll(undefined);
    await vi.advanceTimersByTimeAsync(GONE_MS * 2);
    expect(inbox.snapshot().gone.size).toBe(1);
    inbox.hold(false);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(inbox.snapshot().gone.size).toBe(0);
  });

  test("what this tab decided goes without a word, and does not come back with a late answer", async () => {
    const api = new Api();
    api.open = [approval(1), approval(2)];
    const inbox = new Inbox(api);
    await inbox.load();
    inbox.decided("apr_00001");
    await inbox.poll(undefined);
    expect([...inbox.snapshot().rows.keys()]).toEqual(["apr_00002"]);
    expect(inbox.snapshot().gone.size).toBe(0);
  });
});

describe("the list", () => {
  const filters = { assignee: "", flow: "", search: "", sort: "deadline" as const };
  test("the oldest deadline is first, and the search is by words", () => {
    const rows = [approval(1), approval(2), approval(13)];
    expect(arranged(rows, filters, undefined).map((row) => row.id)).toEqual(["apr_00013", "apr_00002", "apr_00001"]);
    expect(arranged(rows, { ...filters, search: "1 refund" }, undefined)).toHaveLength(2);
  });
  test("rows have heads by their deadline", () => {
    const now = Date.parse("2027-01-15T10:00:00Z");
    const at = (minutes: number) => new Date(now + minutes * 60_000).toISOString();
    const rows = [
      approval(1, { expiresAt: at(-1) }),
      approval(2, { expiresAt: at(10) }),
      approval(3, { expiresAt: at(20) }),
      approval(4, { expiresAt: at(60 * 48) }),
    ];
    const heads = linesOf(rows, "deadline", now).flatMap((line) =>
      line.kind === "head" ? [`${line.label} ${line.count}`] : [],
    );
    expect(heads).toEqual(["Expired 1", "Due within an hour 2", "Due later 1"]);
  });
  test("what is assigned to the reader by name is counted first", () => {
    const rows = [
      approval(1, { assignTo: "role:finance" }),
      approval(2, { assignTo: "role:finance" }),
      approval(3, { assignTo: "user:usr_ada" }),
      approval(4),
    ];
    expect(countByAssignee(rows, "usr_ada").map((count) => `${count.label} ${count.count}`)).toEqual([
      "Me 1",
      "role:finance 2",
      "Anybody 1",
    ]);
  });
});
