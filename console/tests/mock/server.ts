import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Approval, Decision, DecisionRow } from "../../src/api/types.ts";
import { differences } from "../../src/lib/diff.ts";
import { isNumber, isObject, type Json, type JsonObject, parseJson, sameJson, writeJson } from "../../src/lib/json.ts";
import { mayEdit, pathOf } from "../../src/lib/pointer.ts";
import { hashOf, id, makeWorld, PEOPLE, type World } from "./data.ts";

/** The policy that get-console sends: one place for both, held against each other by a test. */
export const POLICY = readFileSync(new URL("../../policy.txt", import.meta.url), "utf8").trim();
const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

export interface Recorded {
  method: string;
  path: string;
  body: Json | undefined;
  console: string | undefined;
}

/**
 * A stand-in for the API, and for the function that serves the console, below a stage path. It is for tests of the page: it knows what the page
 * asks for, and the rules of a decision that the page must survive.
 */
export class Mock {
  readonly requests: Recorded[] = [];
  /** No answer at all, as without a network. */
  offline = false;
  signedIn = true;
  /** Connections break after a decision is recorded, before it is answered. Chromium itself sends again on connections that it has used before. */
  breaksAfterDecision = false;
  private server: Server | undefined;
  url = "";

  constructor(
    public world: World = makeWorld(),
    readonly prefix = "/v1",
  ) {}

  async start(): Promise<this> {
    this.server = createServer((request, response) => void this.handle(request, response));
    await new Promise<void>((resolve) => this.server?.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${this.prefix}`;
    return this;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => this.server?.close(resolve));
  }

  approvalOf(label: string): Approval {
    const found = [...this.world.approvals.values()].find((one) => one.actionLabel.includes(label));
    if (found === undefined) throw new Error(`no approval is called ${label}`);
    return found;
  }

  /** A colleague decides. */
  decideAs(
    who: keyof typeof PEOPLE,
    approval: Approval,
    verdict: "approved" | "rejected",
    action?: Json,
    note: string | null = null,
  ): Decision {
    const proposed = approval.proposedAction ?? null;
    const decided = action ?? proposed;
    const decision: Decision = {
      decision: verdict,
      ...PEOPLE[who],
      decidedAt: new Date().toISOString(),
      note,
      proposedSha256: hashOf(proposed),
      decidedSha256: hashOf(decided),
      proposedAction: proposed,
      decidedAction: decided,
      shownSha256: approval.shownSha256,
      patch: differences(proposed, decided).map((one) => ({
        op: "replace",
        path: one.pointer,
        value: one.after ?? null,
      })),
    };
    Object.assign(approval, { status: verdict, decision, canDecide: false });
    const row: DecisionRow = {
      approvalId: approval.id,
      runId: approval.runId,
      nodeId: approval.nodeId,
      flow: approval.flow,
      actionLabel: approval.actionLabel,
      verdict,
      ...PEOPLE[who],
      decidedAt: decision.decidedAt,
      openedAt: approval.openedAt,
      edited: decision.proposedSha256 !== decision.decidedSha256,
      note,
      proposedSha256: decision.proposedSha256,
      decidedSha256: decision.decidedSha256,
    };
    this.world.decisions.unshift(row);
    return decision;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.offline) {
      request.socket.destroy();
      return;
    }
    const url = new URL(request.url ?? "/", "http://mock");
    const path = url.pathname.slice(this.prefix.length);
    if (path === "/console") {
      response.writeHead(308, { Location: "console/" }).end();
    } else if (path.startsWith("/console/")) {
      this.page(path.slice("/console/".length), response);
    } else {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      const body = text === "" ? undefined : parseJson(text);
      const header = request.headers["x-runs-console"];
      this.requests.push({
        method: request.method ?? "",
        path: path + url.search,
        body,
        console: Array.isArray(header) ? header[0] : header,
      });
      const [status, answer] = this.answer(
        request.method ?? "GET",
        path.replace(/^\/api\//, ""),
        url.searchParams,
        body,
        header !== undefined,
      );
      const isDecision = /\/(approve|reject)$/.test(path) && !url.searchParams.has("dryRun");
      if (this.breaksAfterDecision && status === 200 && isDecision) {
        request.socket.destroy();
      } else
        response
          .writeHead(status, { "Content-Type": "application/json" })
          .end(answer === undefined ? "" : writeJson(answer));
    }
  }

  private page(path: string, response: ServerResponse): void {
    const isFile = /^[\w./-]+\.\w+$/.test(path) && !path.includes("..") && existsSync(DIST + path);
    const name = isFile ? path : "index.html";
    const headers: Record<string, string> = {
      "Content-Type": TYPES[name.split(".").at(-1) ?? ""] ?? "application/octet-stream",
      "Content-Security-Policy": POLICY,
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
    };
    let body = readFileSync(DIST + name);
    if (name === "index.html")
      body = Buffer.from(
        body.toString().replace('<base href="./"', `<base href="${"../".repeat(path.split("/").length - 1) || "./"}"`),
      );
    response.writeHead(200, headers).end(body);
  }

  private answer(
    method: string,
    path: string,
    query: URLSearchParams,
    body: Json | undefined,
    hasHeader: boolean,
  ): [number, unknown?] {
    if (path === "auth/logout") {
      this.signedIn = false;
      return [204];
    }
    if (!this.signedIn) return [401, { error: "missing or invalid Bearer" }];
    if (method !== "GET" && !hasHeader) return [403, { error: "the header X-Runs-Console is missing" }];
    const [first = "", second = "", third = ""] = path.split("/").map(decodeURIComponent);
    const object: JsonObject = isObject(body) ? body : {};
    const { world } = this;
    if (path === "me") return [200, { data: { me: world.me } }];
    if (path === "approvals") return this.list(query);
    if (path === "approvals/decide") return this.several(object);
    if (first === "approvals") {
      const approval = world.approvals.get(second);
      return approval === undefined ? [404, { error: "not found" }] : [200, { data: { approval } }];
    }
    if (path === "decisions") return this.decisions(query);
    if (first === "runs" && third === "steps") return this.part(second, query);
    if (first === "runs" && third === "") {
      const run = world.runs.get(second);
      const flow = run === undefined ? undefined : [...world.flows.values()].find((one) => one.id === run.flowId);
      if (run === undefined || flow === undefined) return [404, { error: "not found" }];
      return [
        200,
        {
          data: {
            run,
            flow: { id: flow.id, slug: flow.slug, name: flow.name, version: run.flowVersion, spec: flow.spec },
          },
        },
      ];
    }
    if (first === "runs") return this.act(second, third, object, query, method);
    if (path === "flows")
      return [
        200,
        {
          data: [...world.flows.values()].map((flow) => ({ ...flow, spec: undefined })),
          total: world.flows.size,
          meta: { pages: 1 },
        },
      ];
    if (first === "flows") return this.flow(second, third, query, body);
    return [404, { error: "not found" }];
  }

  private list(query: URLSearchParams): [number, unknown] {
    const limit = Number(query.get("limit") ?? 20);
    const open = [...this.world.approvals.values()]
      .filter((one) => one.status === "open")
      .sort((one, other) => (`${one.openedAt} ${one.id}` < `${other.openedAt} ${other.id}` ? -1 : 1));
    const cursor = query.get("cursor");
    const rest =
      cursor === null
        ? open
        : open.filter((one) => `${one.openedAt} ${one.id}` > Buffer.from(cursor, "base64url").toString());
    const data = rest.slice(0, limit);
    const last = data.at(-1);
    const nextCursor =
      rest.length > limit && last !== undefined
        ? Buffer.from(`${last.openedAt} ${last.id}`).toString("base64url")
        : undefined;
    return [
      200,
      { data, total: open.length, page: 1, limit, meta: { pages: Math.ceil(open.length / limit), nextCursor } },
    ];
  }

  private decisions(query: URLSearchParams): [number, unknown] {
    const rows = this.world.decisions.filter(
      (row) =>
        (query.get("flow") === null || row.flow.slug === query.get("flow")) &&
        (query.get("actor") === null || row.actor === query.get("actor")) &&
        (query.get("verdict") === null || row.verdict === query.get("verdict")) &&
        (query.get("edited") === null || String(row.edited) === query.get("edited")),
    );
    rows.sort((one, other) => (one.decidedAt > other.decidedAt ? -1 : 1));
    return [200, { data: rows.slice(0, Number(query.get("limit") ?? 20)), total: rows.length, meta: { pages: 1 } }];
  }

  private part(runId: string, query: URLSearchParams): [number, unknown] {
    const of = query.get("of") ?? "output";
    const approval = [...this.world.approvals.values()].find((one) => one.runId === runId);
    const hidden = approval === undefined ? undefined : this.large.get(approval.id);
    return hidden === undefined ? [404, { error: "not found" }] : [200, { data: { [of]: hidden } }];
  }

  /** Actions that are too large for a row. */
  readonly large = new Map<string, Json>();

  private flow(slug: string, what: string, query: URLSearchParams, body: Json | undefined): [number, unknown] {
    const flow = this.world.flows.get(slug);
    if (flow === undefined) return [404, { error: "not found" }];
    if (what === "") return [200, { data: { flow } }];
    if (what === "execute")
      return [202, { data: { run: { id: this.world.runs.keys().next().value ?? id("run"), input: body } } }];
    const rows = [...this.world.runs.values()]
      .filter((run) => run.flowId === flow.id && (query.get("status") === null || run.status === query.get("status")))
      .map((run) => ({ ...run, steps: undefined, input: undefined, output: undefined }));
    return [
      200,
      {
        data: rows.slice(0, Number(query.get("limit") ?? 20)),
        total: rows.length,
        page: 1,
        limit: 20,
        meta: { pages: 1 },
      },
    ];
  }

  private several(body: JsonObject): [number, unknown] {
    const items = Array.isArray(body.items) ? body.items.filter(isObject) : [];
    const results = items.map((item) => {
      const approval = this.world.approvals.get(textOf(item.approvalId));
      if (approval?.status !== "open")
        return {
          approvalId: item.approvalId,
          status: 409,
          error: approval === undefined ? "not found" : `this approval was ${approval.status ?? "closed"} already`,
        };
      if (item.shownSha256 !== approval.shownSha256)
        return {
          approvalId: item.approvalId,
          status: 409,
          error: "what was shown has changed",
          changed: ["proposedAction"],
        };
      const decision = this.decideAs(
        "ada",
        approval,
        item.verdict === "approve" ? "approved" : "rejected",
        undefined,
        typeof item.note === "string" ? item.note : null,
      );
      return { approvalId: item.approvalId, status: 200, decision, votes: [] };
    });
    const decided = results.filter((one) => one.status === 200).length;
    return [200, { data: { results, decided, refused: results.length - decided } }];
  }

  private act(
    runId: string,
    what: string,
    body: JsonObject,
    query: URLSearchParams,
    method: string,
  ): [number, unknown?] {
    const run = this.world.runs.get(runId);
    if (run === undefined) return [404, { error: "not found" }];
    if (what === "cancel") {
      Object.assign(run, { status: "cancelled", finishedAt: new Date().toISOString(), cancelledBy: "usr_ada" });
      return [200, { data: { run } }];
    }
    if (what === "retry") return [202, { data: { run: { ...run, id: [...this.world.runs.keys()][0] } } }];
    if (what === "outputs" && method === "DELETE")
      return [200, { data: { runId, purgedAt: new Date().toISOString(), steps: [], objects: 0, bytes: 4120 } }];
    const approval = this.world.approvals.get(textOf(body.approvalId));
    if (approval === undefined) return [404, { error: "not found" }];
    if (approval.status !== "open") {
      const same = approval.decision?.actor === "usr_ada";
      if (same)
        return [
          200,
          { data: { run, nodeId: approval.nodeId, approvalId: approval.id, votes: [], decision: approval.decision } },
        ];
      return [409, { error: `this approval was ${approval.status ?? "closed"} already` }];
    }
    if (Date.parse(approval.expiresAt) <= Date.now()) return [409, { error: "this approval has expired" }];
    if (body.shownSha256 !== undefined && body.shownSha256 !== approval.shownSha256)
      return [409, { error: "what was shown has changed", changed: ["proposedAction"] }];
    if (what === "reassign") {
      this.world.approvals.delete(approval.id);
      return [200, { data: { approval } }];
    }
    if (what === "request-changes") {
      approval.status = "closed";
      return [202, { data: { run, nodeId: approval.nodeId, approvalId: approval.id, round: 2 } }];
    }
    const note = typeof body.note === "string" ? body.note : null;
    const proposed = approval.proposedAction ?? this.large.get(approval.id) ?? null;
    const override = body.proposedActionOverride;
    if (override !== undefined) {
      const fieldErrors = refusedEdits(approval, proposed, override);
      if (Object.keys(fieldErrors).length > 0)
        return [422, { error: "the override is not allowed", details: { fieldErrors } }];
    }
    const voted = approval.votes?.[0];
    const action = override ?? voted?.action ?? proposed;
    if (typeof body.actionSha256 === "string" && body.actionSha256 !== hashOf(action))
      return [409, { error: "no action has this hash" }];
    const vote = { ...PEOPLE.ada, at: new Date().toISOString(), note, actionSha256: hashOf(action), action, patch: [] };
    const needed = typeof approval.requiredApprovals === "number" ? approval.requiredApprovals : 1;
    const votes = [...(approval.votes ?? []), vote];
    if (query.get("dryRun") === "true")
      return [
        200,
        { data: { dryRun: true, run, nodeId: approval.nodeId, approvalId: approval.id, votes, decision: null } },
      ];
    let decision: Decision | null = null;
    if (what === "reject") decision = this.decideAs("ada", approval, "rejected", undefined, note);
    else if (votes.length >= needed) decision = this.decideAs("ada", approval, "approved", action, note);
    else approval.votes = votes;
    return [200, { data: { run, nodeId: approval.nodeId, approvalId: approval.id, votes, decision } }];
  }
}

function refusedEdits(approval: Approval, proposed: Json, override: Json): Record<string, string[]> {
  const errors: Record<string, string[]> = {};
  for (const place of differences(proposed, override)) {
    if (!mayEdit(pathOf(place.pointer), approval.allowedEdits))
      errors[`proposedActionOverride${place.pointer}`] = [
        `may not be changed; the flow allows edits of ${(approval.allowedEdits ?? []).join(", ")}`,
      ];
  }
  const schema = approval.overrideSchema;
  const properties = isObject(schema) && isObject(schema.properties) ? schema.properties : {};
  for (const [key, rule] of Object.entries(properties)) {
    const value = isObject(override) ? override[key] : undefined;
    if (!isObject(rule) || !isNumber(value) || !isNumber(rule.maximum) || sameJson(value, rule.maximum)) continue;
    if (Number(value) > Number(rule.maximum))
      errors[`proposedActionOverride/${key}`] = [
        `${String(value)} is greater than the maximum of ${String(rule.maximum)}`,
      ];
  }
  return errors;
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}
