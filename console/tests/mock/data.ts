import type { Approval, DecisionRow, Flow, FlowSpec, FlowSummary, Me, RunDetail, Step } from "../../src/api/types.ts";
import { canonicalText } from "../../src/lib/canonical.ts";
import { type Json, parseJson } from "../../src/lib/json.ts";
import { createHash } from "node:crypto";

/** A world with a few flows and approvals, as the API shows it. Times are relative to the moment it is made. */
export interface World {
  me: Me;
  approvals: Map<string, Approval>;
  decisions: DecisionRow[];
  flows: Map<string, Flow>;
  runs: Map<string, RunDetail>;
}

export const hashOf = (value: Json): string => createHash("sha256").update(canonicalText(value)).digest("hex");

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
let sequence = 0;
export function id(prefix: string): string {
  sequence += 1;
  let text = "";
  for (let rest = sequence * 7919, index = 0; index < 8; index += 1) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return `${prefix}_01KTVT1NP8Z4T9V5C2${text}`;
}

const isoAt = (at: number): string => new Date(at).toISOString();

const REFUNDS: FlowSpec = {
  startNodeId: "order",
  nodes: [
    { id: "order", type: "service_call", service: "custom:shop", method: "GET", path: "/orders/${trigger.order}" },
    { id: "draft", type: "llm_step", userPrompt: "A customer wrote: ${trigger.message}. Propose a refund." },
    {
      id: "large",
      type: "decision",
      expression: "step.draft.output.parsed.large",
      cases: { yes: { next: "review" }, no: { next: "auto" } },
    },
    { id: "auto", type: "transform", output: "${step.draft.output.parsed}" },
    {
      id: "review",
      type: "human_approval",
      actionLabel: "Refund",
      proposedAction: "${step.draft.output.parsed}",
      assignTo: "role:finance",
      allowedEdits: ["/amount", "/message"],
      onReject: "route_to:decline",
    },
    {
      id: "pay",
      type: "service_call",
      service: "custom:payments",
      path: "/refunds",
      body: "${step.review.output.proposedAction}",
    },
    { id: "decline", type: "llm_step", userPrompt: "Write a kind no." },
    { id: "reply", type: "service_call", service: "custom:desk", path: "/replies", body: {} },
  ],
  edges: [
    { from: "order", to: "draft" },
    { from: "draft", to: "large" },
    { from: "large", to: "review", case: "yes" },
    { from: "large", to: "auto", case: "no" },
    { from: "review", to: "pay" },
    { from: "auto", to: "reply" },
    { from: "pay", to: "reply" },
    { from: "decline", to: "reply" },
  ],
} as FlowSpec;

function flowOf(slug: string, name: string, now: number, more: Partial<FlowSummary> = {}): Flow {
  return {
    id: id("flw"),
    slug,
    name,
    description: "",
    status: "active",
    triggerType: "api",
    version: 14,
    createdAt: isoAt(now - 90 * DAY),
    updatedAt: isoAt(now - 9 * DAY),
    ...more,
    spec: REFUNDS,
  };
}

interface Wanted {
  label: string;
  flow: Flow;
  node?: string;
  assignTo?: string;
  due: number;
  age: number;
  action: Json;
  data?: Json;
  schema?: Json;
  allowed?: string[];
  needed?: number;
  votes?: Approval["votes"];
  destination?: string;
  message?: string;
  rounds?: boolean;
}

export const PEOPLE = {
  ada: {
    actor: "usr_ada",
    identity: { method: "login", name: "Ada Okafor", issuer: "https://login.nordwind.example", subject: "ada" },
  },
  grace: {
    actor: "usr_grace",
    identity: { method: "login", name: "Grace Lund", issuer: "https://login.nordwind.example", subject: "grace" },
  },
  henrik: {
    actor: "usr_henrik",
    identity: { method: "login", name: "Henrik Vang", issuer: "https://login.nordwind.example", subject: "henrik" },
  },
} as const;

export function addApproval(world: World, wanted: Wanted, now: number): Approval {
  const runId = id("run");
  const { flow, action } = wanted;
  const proposedSha256 = hashOf(action);
  const destination = new URL(wanted.destination ?? "https://payments.nordwind.example/refunds");
  const approval: Approval = {
    id: id("apr"),
    runId,
    nodeId: wanted.node ?? "review",
    flowId: flow.id,
    flow: { id: flow.id, slug: flow.slug, name: flow.name, version: flow.version },
    actionLabel: wanted.label,
    proposedAction: action,
    proposedSha256,
    ...(wanted.data === undefined ? {} : { data: wanted.data }),
    ...(wanted.assignTo === undefined ? {} : { assignTo: wanted.assignTo }),
    ...(wanted.schema === undefined ? {} : { overrideSchema: wanted.schema }),
    ...(wanted.allowed === undefined ? {} : { allowedEdits: wanted.allowed }),
    openedAt: isoAt(now - wanted.age),
    expiresAt: isoAt(now + wanted.due),
    round: wanted.rounds === true ? 2 : 1,
    requiredApprovals: wanted.needed ?? 1,
    requireDifferentActor: false,
    canRequestChanges: true,
    canDecide: true,
    cannotDecideBecause: null,
    votes: wanted.votes ?? [],
    status: "open",
    shownSha256: hashOf({ action, to: destination.href }),
    destinations: [
      {
        nodeId: "pay",
        type: "service_call",
        service: "custom:payments",
        baseUrl: destination.origin,
        method: "POST",
        path: destination.pathname,
        body: "${step.review.output.proposedAction}",
        after: ["approved"],
        usesDecision: true,
        complete: true,
      },
    ],
  };
  world.approvals.set(approval.id, approval);
  world.runs.set(runId, runOf(approval, wanted.message ?? "Could you look at this, please?", now));
  return approval;
}

function runOf(approval: Approval, message: string, now: number): RunDetail {
  const start = Date.parse(approval.openedAt) - 3_300;
  const step = (nodeId: string, type: Step["type"], from: number, ms: number, more: object): Step => ({
    id: id("stp"),
    nodeId,
    type,
    status: "succeeded",
    attempts: 1,
    startedAt: isoAt(start + from),
    completedAt: isoAt(start + from + ms),
    durationMs: ms,
    ...more,
  });
  return {
    id: approval.runId,
    flowId: approval.flowId,
    flowVersion: 14,
    status: "awaiting_approval",
    trigger: "webhook",
    traceId: "98074ed5b692c442fb8a80d45bee83ee",
    startedBy: "webhook zendesk",
    startedAt: isoAt(Math.min(start, now)),
    input: { ticket: 48213, order: "A-20419", message },
    steps: [
      step("order", "service_call", 106, 184, {
        input: { service: "custom:shop", method: "GET", path: "/orders/A-20419" },
        output: { id: "A-20419", paid: "612.80", currency: "EUR" },
        response: { status: 200, headers: { "content-type": "application/json" } },
      }),
      step("draft", "llm_step", 316, 2_900, {
        input: {
          model: "gpt-4.1-mini",
          systemPrompt: "You are careful with other people's money. Propose the smallest refund that is fair.",
          userPrompt: `A customer wrote: ${message} The order is A-20419. Propose a refund as JSON.`,
        },
        output: {
          text: "Drawer unit damaged, customer keeps the desk. Partial refund: drawer unit 149.00 plus shipping 37.40, together 186.40. Inside the 30 days, no earlier refund.",
          parsed: null,
          model: "gpt-4.1-mini",
          inferenceMs: 2_870,
          tokens: { prompt: 1_018, completion: 186, total: 1_204 },
          toolCalls: [],
        },
      }),
      step("large", "decision", 3_239, 4, {
        input: { expression: "step.draft.output.parsed.large", value: "yes" },
        output: { selected: "yes" },
      }),
      {
        id: id("stp"),
        nodeId: "review",
        type: "human_approval",
        status: "awaiting_approval",
        attempts: 1,
        startedAt: approval.openedAt,
        approvalId: approval.id,
        expiresAt: approval.expiresAt,
        input: { actionLabel: approval.actionLabel, proposedAction: approval.proposedAction as Json },
        votes: approval.votes ?? [],
      },
    ],
  };
}

const SCHEMA: Json = {
  type: "object",
  properties: {
    amount: { type: "number", exclusiveMinimum: 0, maximum: 500 },
    message: { type: "string", maxLength: 1000 },
  },
};

/** The world of the pictures: an inbox in the middle of a working day. */
export function makeWorld(now = Date.now()): World {
  const world: World = {
    me: {
      actor: PEOPLE.ada.actor,
      name: "Ada Okafor",
      mail: "ada@nordwind.example",
      organisation: { id: "org_01KTVT1NP8Z4T9V5C2H6N7W2FA", name: "Nordwind" },
      roles: ["finance"],
      teams: ["contracts"],
      scopes: ["approvals:decide", "runs:read", "runs:write", "flows:read"],
      identity: PEOPLE.ada.identity,
      session: { id: "ses_1", idleExpiresAt: isoAt(now + HOUR), expiresAt: isoAt(now + 12 * HOUR) },
    },
    approvals: new Map(),
    decisions: [],
    flows: new Map(),
    runs: new Map(),
  };
  const flow = (slug: string, name: string, more: Partial<FlowSummary> = {}) => {
    const made = flowOf(slug, name, now, more);
    world.flows.set(slug, made);
    return made;
  };
  const refunds = flow("refunds", "Refunds", {
    triggerType: "webhook",
    description: "Drafts a refund for a complaint, and pays what a person approves.",
  });
  const payments = flow("vendor-payments", "Vendor payments");
  const replies = flow("ticket-replies", "Ticket replies", { triggerType: "webhook" });
  const clauses = flow("contract-clauses", "Contract clauses", {
    triggerType: "cron",
    cronExpression: "0 6 * * 1-5",
    cronTimezone: "Europe/Berlin",
    cronEnabled: true,
    nextCronRunAt: isoAt(now + 14 * HOUR),
  });
  const message =
    "The standing desk arrived on Tuesday. One of the two drawers has a split front and its runner is bent, so it does not close. The rest is fine and I do not want to send 38 kg back. Could you refund the drawer unit?";
  const refund = (amount: string, currency: string, order: string, text: string): Json =>
    parseJson(`{"order":"${order}","currency":"${currency}","amount":${amount},"message":${JSON.stringify(text)}}`);
  const refundRow = (
    who: string,
    amount: string,
    order: string,
    text: string,
    due: number,
    age: number,
    more: Partial<Wanted> = {},
  ) =>
    addApproval(
      world,
      {
        label: `Refund €${amount} to ${who}`,
        flow: refunds,
        assignTo: "role:finance",
        due,
        age,
        action: refund(amount, "EUR", order, text),
        schema: SCHEMA,
        allowed: ["/amount", "/message"],
        message,
        ...more,
      },
      now,
    );

  const wire = parseJson(
    '{"amount":48200.00,"currency":"EUR","account":"NO93 8601 1117 947","reference":"INV-2026-0417","executionDate":"2026-06-12"}',
  );
  const sooner = parseJson(
    '{"amount":48200.00,"currency":"EUR","account":"NO93 8601 1117 947","reference":"INV-2026-0417","executionDate":"2026-06-11"}',
  );
  addApproval(
    world,
    {
      label: "Wire €48,200.00 to Halvorsen Marine AS",
      flow: payments,
      assignTo: "role:finance",
      due: 12 * MINUTE + 30_000,
      age: 2 * DAY,
      action: wire,
      data: {
        invoice:
          "INV-2026-0417: Dry-dock, hull survey and two shaft seals, MV Selje. 14 days net. Matches order PO-1182; same account as the last six payments.",
      },
      allowed: ["/executionDate"],
      needed: 2,
      destination: "https://bank.nordwind.example/wires",
      votes: [
        {
          ...PEOPLE.grace,
          at: isoAt(now - 2 * HOUR),
          note: "They close early on Friday. Pay today.",
          actionSha256: hashOf(sooner),
          action: sooner,
          patch: [{ op: "replace", path: "/executionDate", value: "2026-06-11" }],
        },
      ],
    },
    now,
  );
  refundRow(
    "Maria Lindqvist",
    "186.40",
    "A-20419",
    "Dear Maria, we refund the drawer unit and the shipping of order A-20419. You can keep the desk. The money is on your card in 3 to 5 days.",
    38 * MINUTE + 20_000,
    3 * HOUR,
    {
      data: parseJson(
        `{"ticket":${JSON.stringify(message)},"attachments":["https://files.nordwind.example/drawer-front.jpg","https://files.nordwind.example/runner.jpg"],"order":[{"item":"Standing desk 160 × 80","price":426.40},{"item":"Drawer unit","price":149.00},{"item":"Shipping","price":37.40}],"paid":"612.80 EUR, card ending 4417"}`,
      ),
    },
  );
  addApproval(
    world,
    {
      label: "Reply to #48207, “Where is my order?”",
      flow: replies,
      assignTo: "user:usr_ada",
      due: 44 * MINUTE + 10_000,
      age: 51 * MINUTE,
      action: { ticket: 48207, text: "Your order left our house on Monday. It is with the carrier now." },
    },
    now,
  );
  refundRow(
    "Tomasz Wójcik",
    "62.00",
    "A-20377",
    "Cushion cover torn at the seam. Refunded in full, no need to send it back.",
    2 * HOUR + MINUTE,
    2 * HOUR,
  );
  addApproval(
    world,
    {
      label: "Clause 9.2, liability cap, Brightwater MSA",
      flow: clauses,
      assignTo: "team:contracts",
      due: 3 * HOUR + MINUTE,
      age: DAY,
      action: { clause: "9.2", text: "Liability is capped at the fees of twelve months." },
      needed: 2,
      votes: [
        {
          ...PEOPLE.henrik,
          at: isoAt(now - HOUR),
          note: null,
          actionSha256: hashOf({ clause: "9.2", text: "Liability is capped at the fees of twelve months." }),
          action: { clause: "9.2", text: "Liability is capped at the fees of twelve months." },
          patch: [],
        },
      ],
    },
    now,
  );
  addApproval(
    world,
    {
      label: "Wire $7,310.55 to Cascade Paper Co.",
      flow: payments,
      assignTo: "role:finance",
      due: 4 * HOUR + MINUTE,
      age: 6 * HOUR,
      action: parseJson('{"amount":7310.55,"currency":"USD","account":"US64 0001 2345"}'),
      needed: 2,
      destination: "https://bank.nordwind.example/wires",
    },
    now,
  );
  refundRow(
    "Ingrid Solheim",
    "19.90",
    "A-20388",
    "Hook missing in the box. Refunded in full.",
    4 * HOUR + 30 * MINUTE,
    5 * HOUR,
  );
  addApproval(
    world,
    {
      label: "Reply to #48215, damaged on arrival",
      flow: replies,
      due: 5 * HOUR + MINUTE,
      age: 35 * MINUTE,
      action: { ticket: 48215, text: "We are sorry. A new lamp is on its way." },
    },
    now,
  );
  refundRow(
    "Aylin Demir",
    "240.00",
    "A-20391",
    "Table returned unopened on 8 June. Refunded in full.",
    6 * HOUR + MINUTE,
    22 * MINUTE,
  );
  addApproval(
    world,
    {
      label: "Clause 14.1, governing law, Kestrel Leasing",
      flow: clauses,
      assignTo: "team:contracts",
      due: 22 * HOUR + MINUTE,
      age: 4 * HOUR,
      action: { clause: "14.1", law: "Denmark" },
      needed: 2,
    },
    now,
  );
  addApproval(
    world,
    {
      label: "Reply to #48198, cancel my subscription",
      flow: replies,
      assignTo: "user:usr_ada",
      due: 25 * HOUR,
      age: 3 * HOUR,
      action: { ticket: 48198, text: "It is cancelled as of today." },
    },
    now,
  );
  const names: [string, string, string, string][] = [
    ["Pieter van Dam", "34.50", "A-20402", "Lamp shade arrived dented. Refunded in full, keep the base."],
    ["Chiara Ferrari", "15.00", "A-20405", "Express shipping was late by two days. Shipping refunded."],
    ["Lucía Romero", "48.75", "A-20406", "Charged twice for one rug. The second charge is refunded."],
    ["Jonas Bauer", "12.40", "A-20410", "Screws missing. Refund for the hardware kit you bought yourself."],
    ["Elif Kaya", "89.00", "A-20411", "Mirror broken in transit. Refunded in full."],
    ["Noah Meyer", "27.30", "A-20413", "Wrong colour sent. Refund of the difference, keep what you have."],
    ["Zofia Nowak", "9.95", "A-20414", "Promo code was not applied. The 9.95 is refunded."],
    ["Emil Strand", "71.20", "A-20416", "Order cancelled before dispatch. Refunded in full."],
  ];
  names.forEach(([who, amount, order, text], index) =>
    refundRow(who, amount, order, text, (2 + Math.floor(index / 3)) * DAY + MINUTE, (12 + index) * MINUTE),
  );

  const decided = (
    label: string,
    who: (typeof PEOPLE)[keyof typeof PEOPLE],
    verdict: DecisionRow["verdict"],
    edited: boolean,
    before: number,
    on = refunds,
    note: string | null = null,
  ) => {
    const row: DecisionRow = {
      approvalId: id("apr"),
      runId: id("run"),
      nodeId: "review",
      flow: { id: on.id, slug: on.slug, version: 14 },
      actionLabel: label,
      verdict,
      ...who,
      decidedAt: isoAt(now - before),
      openedAt: isoAt(now - before - HOUR),
      edited,
      note,
      proposedSha256: hashOf({ label }),
      decidedSha256: hashOf(edited ? { label, edited } : { label }),
    };
    world.decisions.push(row);
  };
  decided("Refund €104.00 to Ida Holm", PEOPLE.ada, "approved", true, 39 * MINUTE, refunds, "The lamp only.");
  decided("Refund €45.00 to Ben Adler", PEOPLE.grace, "approved", false, 3 * HOUR);
  decided("Refund €310.00 to Karl Weiss", PEOPLE.ada, "rejected", false, 2 * DAY, refunds, "Outside the 30 days.");
  decided("Refund €28.00 to Mina Cho", PEOPLE.henrik, "approved", false, 2 * DAY + 2 * HOUR);
  decided("Wire €1,190.00 to Nordlys AS", PEOPLE.grace, "approved", false, 3 * DAY, payments);
  decided("Reply to #48102", PEOPLE.ada, "approved", true, 3 * DAY + HOUR, replies);
  decided("Clause 3.1, term, Kestrel Leasing", PEOPLE.henrik, "expired", false, 4 * DAY, clauses);
  addEndedRun(world, refunds, message, now);
  return world;
}

/** The id of a run that has ended well, with an edit and two attempts. */
export const ENDED_RUN = "run_01KTVT1NP8Z4T9V5C2H6N7W2FA";
/** The id of a run that failed. */
export const FAILED_RUN = "run_01KTVT1NP8Z4T9V5C2H6N7W2FB";

function addEndedRun(world: World, flow: Flow, message: string, now: number): void {
  const action = parseJson(
    '{"order":"A-20419","currency":"EUR","amount":186.40,"message":"Dear Maria, we refund the drawer unit."}',
  );
  const decidedAction = parseJson(
    '{"order":"A-20419","currency":"EUR","amount":149.00,"message":"Dear Maria, we refund the drawer unit."}',
  );
  const draft: World = { ...world, approvals: new Map(), runs: new Map() };
  const approval = addApproval(
    draft,
    { label: "Refund €186.40 to Maria Lindqvist", flow, due: HOUR, age: 3 * HOUR + 23 * MINUTE, action, message },
    now,
  );
  const run = draft.runs.get(approval.runId);
  if (run === undefined) return;
  const decidedAt = now - 20 * MINUTE;
  const review = run.steps.at(-1) as Extract<Step, { type: "human_approval" }>;
  Object.assign(review, {
    status: "succeeded",
    completedAt: isoAt(decidedAt),
    durationMs: decidedAt - Date.parse(approval.openedAt),
    decision: {
      decision: "approved",
      ...PEOPLE.ada,
      decidedAt: isoAt(decidedAt),
      note: "Drawer unit only.",
      proposedSha256: hashOf(action),
      decidedSha256: hashOf(decidedAction),
      proposedAction: action,
      decidedAction,
      patch: [{ op: "replace", path: "/amount", value: 149 }],
    },
    output: { decision: "approved", note: "Drawer unit only.", actor: "usr_ada", proposedAction: decidedAction },
  });
  const step = (nodeId: string, from: number, ms: number, more: object): Step => ({
    id: id("stp"),
    nodeId,
    type: "service_call",
    status: "succeeded",
    attempts: 1,
    startedAt: isoAt(decidedAt + from),
    completedAt: isoAt(decidedAt + from + ms),
    durationMs: ms,
    ...more,
  });
  const skipped = (nodeId: string, type: Step["type"]): Step => ({
    id: id("stp"),
    nodeId,
    type,
    status: "skipped",
    attempts: 0,
  });
  run.steps.push(
    step("pay", 149, 2_400, {
      attempts: 2,
      idempotencyKey: "3d10e8c879dee263581624d800719f0a",
      input: { service: "custom:payments", method: "POST", path: "/refunds", body: decidedAction },
      output: { id: "rf_8813", state: "accepted", amount: "149.00" },
      response: { status: 201, headers: { "content-type": "application/json" } },
    }),
    step("reply", 2_690, 238, {
      input: { service: "custom:desk", method: "POST", path: "/replies", body: { ticket: 48213 } },
      output: { id: 991, state: "sent" },
      response: { status: 200, headers: {} },
    }),
    skipped("auto", "transform"),
    skipped("decline", "llm_step"),
  );
  Object.assign(run, {
    id: ENDED_RUN,
    status: "succeeded",
    finishedAt: isoAt(decidedAt + 2_959),
    output: { refund: "rf_8813" },
  });
  world.runs.set(ENDED_RUN, run);

  const failed: RunDetail = structuredCloneJson(run);
  const pay = failed.steps.find((one) => one.nodeId === "pay");
  if (pay !== undefined)
    Object.assign(pay, {
      status: "failed",
      attempts: 5,
      output: undefined,
      response: undefined,
      error: "503 Service Unavailable after 5 attempts: the payment service is down for maintenance",
    });
  failed.steps = failed.steps.filter((one) => one.nodeId !== "reply");
  Object.assign(failed, {
    id: FAILED_RUN,
    status: "failed",
    output: undefined,
    error: { nodeId: "pay", message: "pay: 503 Service Unavailable after 5 attempts" },
  });
  world.runs.set(FAILED_RUN, failed);
}

function structuredCloneJson(run: RunDetail): RunDetail {
  return { ...run, steps: run.steps.map((step) => ({ ...step })) };
}

/** Adds many open approvals, for the size of an inbox. */
export function addMany(world: World, count: number, now = Date.now()): void {
  const flow = [...world.flows.values()][0];
  if (flow === undefined) return;
  for (let index = 0; index < count; index += 1) {
    addApproval(
      world,
      {
        label: `Refund €${(index % 400) + 5}.00 to customer ${index}`,
        flow,
        assignTo: "role:finance",
        due: DAY + index * 10_000,
        age: 60 * MINUTE - index,
        action: { order: `B-${index}`, amount: (index % 400) + 5 },
      },
      now,
    );
  }
}
