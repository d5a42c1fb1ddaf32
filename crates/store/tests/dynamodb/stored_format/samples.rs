//! One of each kind of item, in every shape that it can have. The fixtures were made of these values, so the values never change: what a
//! later version adds to a type has its default here, and a new kind of item gets a sample of its own.

use domain::access::{ApiKey, Revocation};
use domain::connection::Connection;
use domain::flow::{CronTrigger, Flow, FlowLabel, FlowTrigger, Version};
use domain::gate::{EditedAction, Gate, Verdict, Vote};
use domain::id::{EndpointId, EventId, FlowId, OrgId, RunId};
use domain::json::sha256_hex;
use domain::network::PrivateRange;
use domain::organisation::{CursorSecret, Organisation};
use domain::ports::Idempotency;
use domain::retention::{Gone, JobPhase, PurgeReason, PurgeRequest, Purged, RetentionJob, RunsLeft};
use domain::run::{
    Cancellation, ExecutionState, Exit, NodeState, NodeStatus, PendingEffect, Progress, Retried, Run, RunError, RunStatus, Trigger,
};
use domain::secret::Sealed;
use domain::step::{MAX_INLINE_BYTES, Payload, ResponseHead, StepRecord};
use domain::trigger::{WebhookToken, WebhookTrigger};
use domain::webhook::{Delivery, DeliveryStatus, Endpoint, Endpoints, Event, Target};
use serde_json::{Value, json};
use testkit::build::{Maker, actor, as_itself, at, canonical, chain};

use super::later::Later;

/// All samples.
pub struct Samples {
    pub organisation: Organisation,
    pub range: PrivateRange,
    pub job: RetentionJob,
    pub flows: Vec<(Flow, Version)>,
    pub trigger: (WebhookToken, WebhookTrigger),
    pub deleted_trigger: WebhookToken,
    /// Runs as they are committed after they were created.
    pub runs: Vec<Run>,
    pub inputs: Vec<Value>,
    /// The run that is parked, by its place in `runs`.
    pub parked: usize,
    pub idempotency: Idempotency,
    pub gates: Vec<Gate>,
    pub steps: Vec<StepRecord>,
    pub receipt: StepRecord,
    pub purge: PurgeRequest,
    pub keys: Vec<(ApiKey, String)>,
    pub connections: Vec<Connection>,
    pub endpoints: Endpoints,
    pub event: Event,
    pub deliveries: Vec<Delivery>,
    /// What the first version did not have.
    pub later: Later,
}

/// The token that the parked run has.
pub const TASK_TOKEN: &str = "AAAAKgAAAAIAAAAA+/=";

pub fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn org() -> OrgId {
    id("org_01M85EXE14SECWM1TBH3987TR1")
}

fn flow_id(number: u8) -> FlowId {
    id(&format!("flw_01M85EXE14SECWM1TBH3987TF{number}"))
}

fn run_id(number: u8) -> RunId {
    id(&format!("run_01M85EXE14SECWM1TBH3987TN{number}"))
}

fn flows(maker: &Maker) -> Vec<(Flow, Version)> {
    let cron = CronTrigger {
        expression: "*/15 * * * *".to_owned(),
        timezone: "Europe/Berlin".to_owned(),
        enabled: true,
        next_run_at: Some(at(900)),
        last_run_at: Some(at(0)),
    };
    let triggers = [FlowTrigger::Api, FlowTrigger::Webhook(token('a')), FlowTrigger::Cron(cron)];
    let numbered = triggers.into_iter().zip(0_u8..);
    let flow = |(trigger, number): (FlowTrigger, u8)| {
        let (flow, version) = maker.flow(org(), &format!("flow-{number}"), canonical(), at(0));
        let flow = Flow { id: flow_id(number), trigger, ..flow };
        (flow, Version { flow: flow_id(number), ..version })
    };
    numbered.map(flow).collect()
}

fn token(letter: char) -> WebhookToken {
    id(&format!("wht_{}", letter.to_string().repeat(32)))
}

/// The label that a flow had when a run was created. A version that did not store it created the first run.
fn label(number: u8) -> Option<FlowLabel> {
    (number > 0).then(|| FlowLabel { name: "Flow".to_owned(), description: "What it is for".to_owned() })
}

/// A run for each status, and for each thing that can be pending or under way.
fn runs(maker: &Maker) -> Vec<Run> {
    let bare = |number: u8| Run {
        id: run_id(number),
        trace_id: format!("{number:032x}"),
        flow_label: label(number),
        ..maker.run(org(), flow_id(0), &canonical(), at(0))
    };
    let states = |first: NodeState, second: NodeState| Progress::from_states(vec![first, second, NodeState::PENDING]);
    let done = NodeState { status: NodeStatus::Succeeded, attempts: 1, ..NodeState::PENDING };
    let waiting = NodeState {
        status: NodeStatus::AwaitingApproval,
        attempts: 1,
        started_at: Some(at(5)),
        due: Some(at(3_600)),
        ..NodeState::PENDING
    };
    let working = NodeState { status: NodeStatus::Running, attempts: 2, started_at: Some(at(2)), due: Some(at(30)), ..NodeState::PENDING };
    let execution = |segment, pending| ExecutionState {
        segment,
        owner: Some("inv-1".to_owned()),
        token: None,
        pending,
        parked_until: None,
        stuck_at: None,
        done_at_claim: None,
    };
    vec![
        Run {
            progress: states(working, NodeState::PENDING),
            generating: [(id("draft"), at(2))].into(),
            execution: execution(1, None),
            ..bare(0)
        },
        Run {
            status: RunStatus::AwaitingApproval,
            progress: states(done, waiting),
            execution: ExecutionState { parked_until: Some(at(3_600)), ..execution(2, Some(PendingEffect::StartExecution)) },
            kept_until: Some(at(90_000)),
            ..bare(1)
        },
        Run { progress: states(done, done), execution: execution(2, Some(PendingEffect::SendTaskSuccess)), ..bare(2) },
        Run {
            status: RunStatus::Succeeded,
            progress: Progress::from_states(vec![done, NodeState { exit: Exit::Case(3), ..done }, done]),
            finished_at: Some(at(400_000)),
            kept_until: Some(at(90_000)),
            warning: Some("the output cannot be made".to_owned()),
            execution: execution(3, None),
            ..bare(3)
        },
        Run {
            status: RunStatus::Failed,
            trigger: Trigger::Webhook,
            progress: states(
                NodeState { status: NodeStatus::Failed, exit: Exit::Error, ..done },
                NodeState { status: NodeStatus::Cancelled, ..done },
            ),
            error: Some(RunError { node: Some("draft".to_owned()), message: "broken: \"ü\"".to_owned() }),
            finished_at: Some(at(9)),
            execution: execution(1, None),
            ..bare(4)
        },
        Run {
            status: RunStatus::Cancelled,
            trigger: Trigger::Cron,
            progress: states(done, NodeState { status: NodeStatus::Skipped, attempts: 0, ..done }),
            cancellation: Some(Cancellation { actor: "usr_ada".to_owned(), identity: None, reason: Some("a mistake".to_owned()) }),
            retried: Some(Retried { of: run_id(4), root: run_id(3), from: Some(id("review")), starters: ["usr_bob".to_owned()].into() }),
            finished_at: Some(at(10)),
            execution: execution(1, None),
            ..bare(5)
        },
    ]
}

fn gates(maker: &Maker) -> Vec<Gate> {
    let run = Run { id: run_id(1), ..maker.run(org(), flow_id(0), &chain(1), at(0)) };
    let gate = |node: &str| Gate {
        proposed_action: Payload::of(json!({"amount": 12.5, "to": ["ü", null]})),
        // As the first version opened it.
        basis: domain::gate::Basis::default(),
        ..maker.gate(&run, node, at(5))
    };
    let action_sha256 = gate("review").proposed_action.sha256();
    let vote = Vote {
        actor: "usr_bob".to_owned(),
        principals: std::collections::BTreeSet::new(),
        identity: None,
        at: at(6),
        note: Some("fine".to_owned()),
        action_sha256,
        groups: Vec::new(),
    };
    let voted = Gate { data: Some(Payload::of(json!([1, 2]))), assign_to: Some(id("role:reviewer")), votes: vec![vote], ..gate("review") };
    let edited = json!({"amount": 80});
    let decided = |node: &str, verdict: Verdict, action: &Value| {
        let mut gate = Gate { node: id(node), ..gate(node) };
        gate.close(at(60));
        gate.outcome = Some(domain::gate::Outcome {
            verdict,
            actor: Some("usr_ada".to_owned()),
            principals: std::collections::BTreeSet::new(),
            identity: None,
            decided_at: at(60),
            note: Some("partly".to_owned()),
            proposed_sha256: gate.proposed_action.sha256(),
            decided_sha256: sha256_hex(action),
            decided_action: Payload::of(action.clone()),
            patch: None,
            shown_sha256: None,
        });
        gate
    };
    let proposed = Value::clone(gate("x").proposed_action.value().unwrap());
    let patch = Some(json!([{"op": "replace", "path": "/amount", "value": 80}]));
    let mut expired = Gate { edited: Some(EditedAction { action: Payload::of(edited.clone()), patch }), ..gate("late") };
    expired.expire(at(4_000));
    let taken_over = Gate { reused_from: Some(run_id(0)), ..decided("again", Verdict::Rejected, &proposed) };
    vec![voted, decided("edited", Verdict::Approved, &edited), expired, taken_over]
}

fn steps() -> (Vec<StepRecord>, StepRecord) {
    let step = StepRecord {
        run: run_id(3),
        node: id("draft"),
        round: 1,
        kind: "http_request".to_owned(),
        status: NodeStatus::Succeeded,
        exit: Exit::Normal,
        input: Some(Payload::of(json!({"url": "https://service.test/"}))),
        output: Some(Payload::of(json!({"text": "ü", "n": 1}))),
        answer: Some(ResponseHead { status: 200, headers: json!({"content-type": "application/json"}) }),
        error: None,
        attempts: 2,
        started_at: at(1),
        completed_at: at(2),
        reused_from: None,
        purged: None,
    };
    let large = Payload::of(Value::String("x".repeat(MAX_INLINE_BYTES)));
    let stored = StepRecord { node: id("review"), output: Some(large), answer: None, reused_from: Some(run_id(0)), ..step.clone() };
    let failed = StepRecord {
        node: id("pay"),
        status: NodeStatus::Failed,
        exit: Exit::Case(2),
        input: None,
        output: None,
        answer: None,
        error: Some("no answer".to_owned()),
        ..step.clone()
    };
    let gone = |bytes, is_stored| Some(Gone { bytes, sha256: "ab".repeat(32), stored: is_stored });
    let purged = Purged {
        at: at(500),
        reason: PurgeReason::Requested { by: "usr_ada".to_owned(), identity: None },
        input: gone(7, false),
        output: gone(204_800, true),
    };
    let receipt = StepRecord { run: run_id(4), input: None, output: None, answer: None, purged: Some(Box::new(purged)), ..step.clone() };
    (vec![step, stored, failed], receipt)
}

fn deliveries(event: &Event, endpoint: EndpointId) -> Vec<Delivery> {
    let new = Delivery::new(event, endpoint);
    let other = Event { id: id("evt_01M85EXE14SECWM1TBH3987TE2"), ..event.clone() };
    let failed = Delivery {
        status: DeliveryStatus::Failed,
        attempts: 1,
        tries: 1,
        next_attempt_at: Some(at(66)),
        last_attempt_at: Some(at(6)),
        last_status_code: Some(503),
        answer: Some("busy".to_owned()),
        ..Delivery::new(&other, endpoint)
    };
    vec![new, failed]
}

impl Samples {
    /// Returns the samples: the same values every time.
    pub fn new() -> Self {
        let maker = Maker::new(1);
        let runs = runs(&maker);
        let (steps, receipt) = steps();
        let endpoint = Endpoint {
            id: id("whe_01M85EXE14SECWM1TBH3987TW1"),
            target: Target::Webhook { url: "https://example.com/hook".to_owned(), secret: Sealed::from_text("sealed") },
            events: ["flow.run.*", "order.paid"].map(|name| name.parse().unwrap()).into(),
            description: Some("ours".to_owned()),
            secret_since: at(1),
            created_by: "usr_ada".to_owned(),
        };
        let mut endpoints = Endpoints::none(org());
        endpoints.add(endpoint.clone()).unwrap();
        let event_id: EventId = id("evt_01M85EXE14SECWM1TBH3987TE1");
        let event = Event::new(event_id, "order.paid", org(), at(5), json!({"ü": [1, 2.5]}));
        let key = maker.key(org(), actor("usr_ada"), &["runs:read", "runs:write"]);
        let key =
            ApiKey { id: id("key_01M85EXE14SECWM1TBH3987TK1"), created_by: "usr_root".to_owned(), valid_until: Some(at(9_000)), ..key };
        let key = as_itself(key);
        let revoked = ApiKey {
            id: id("key_01M85EXE14SECWM1TBH3987TK2"),
            revoked: Some(Revocation { at: at(3), by: "usr_root".to_owned() }),
            ..key.clone()
        };
        let connection = maker.connection("custom:crm", at(2));
        let connection = Connection { id: id("scn_01M85EXE14SECWM1TBH3987TC1"), last_used_at: Some(at(9)), ..connection };
        let bare = Connection { id: id("scn_01M85EXE14SECWM1TBH3987TC2"), key: None, active: false, ..maker.connection("aml", at(3)) };
        Self {
            organisation: Organisation { id: org(), long_retention: true, cursor_secret: CursorSecret::from([7; 32]), created_at: at(0) },
            range: id("10.1.0.0/16"),
            job: RetentionJob {
                org: org(),
                long: true,
                started_at: at(1),
                phase: JobPhase::Second(at(70)),
                runs_done: 12,
                flow: Some(flow_id(1)),
                runs: RunsLeft::After(Some("RUN#x".to_owned())),
                rev: 0,
            },
            flows: flows(&maker),
            trigger: (
                token('a'),
                WebhookTrigger {
                    org: org(),
                    flow: flow_id(1),
                    secret: Sealed::from_text("sealed"),
                    changed_by: None,
                    previous: Some((Sealed::from_text("before"), at(86_400))),
                    previous_changed_by: None,
                },
            ),
            deleted_trigger: token('b'),
            inputs: runs.iter().map(|run| json!({"run": run.id})).collect(),
            parked: 1,
            idempotency: Idempotency {
                org: org(),
                scope: "flow-0".to_owned(),
                key: "order 7".to_owned(),
                body_sha256: "cd".repeat(32),
                run: run_id(0),
                forget_at: at(86_400),
            },
            runs,
            gates: gates(&maker),
            steps,
            receipt,
            purge: PurgeRequest { run: run_id(4), org: org(), by: "usr_ada".to_owned(), identity: None, at: at(400) },
            keys: vec![(key, "ef".repeat(32)), (revoked, "fe".repeat(32))],
            connections: vec![connection, bare],
            deliveries: deliveries(&event, endpoint.id),
            later: Later::new(),
            endpoints,
            event,
        }
    }
}
