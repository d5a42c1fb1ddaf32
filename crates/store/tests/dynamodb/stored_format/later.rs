//! What the second version has added, in an organisation of its own: people who sign in and what is recorded of them, rounds, quorums of
//! groups, reassigned approvals, the history of decisions, and webhooks for people.

use std::collections::BTreeMap;

use domain::access::{ApiKey, Assignee};
use domain::flow::{Places, Quorum};
use domain::gate::{
    Basis, ChangeRequest, DecisionFilter, DecisionRow, EarlierDecision, EditedAction, Gate, Outcome, Reassignment, Verdict, Vote,
};
use domain::id::{ApprovalId, OrgId, SessionId};
use domain::json::sha256_hex;
use domain::login::{IdentityProvider, Session};
use domain::ports::{
    ApiKeys, Decisions, IdentityProviders, Logins, RunLists, Runs, SessionAdmission, Sessions, WebhookEndpoints, WebhookTriggers, Window,
};
use domain::run::{ExecutionState, NodeState, NodeStatus, Progress, Run, RunStatus};
use domain::secret::Sealed;
use domain::step::{Payload, StepKey, StepRecord};
use domain::trigger::{WebhookToken, WebhookTrigger};
use domain::webhook::{Endpoint, Endpoints, Target};
use serde_json::{Value, json};
use testkit::build::{Maker, actor, as_itself, at, chain, person, step};
use testkit::suite::{provider, session};

use super::{LIMITS, bucket, id};
use crate::opened::Opened;

/// The samples.
pub struct Later {
    /// In its second round; a person has cancelled it.
    run: Run,
    open: Run,
    gates: Vec<Gate>,
    step: StepRecord,
    decision: DecisionRow,
    provider: IdentityProvider,
    session: Session,
    key: ApiKey,
    trigger: (WebhookToken, WebhookTrigger),
    endpoints: Endpoints,
}

const SESSION_SECRET: &str = "sha256 of the secret of a session";
const KEY_SECRET: &str = "sha256 of the secret of a key that a key has made";

fn org() -> OrgId {
    id("org_01M85EXE14SECWM1TBH3987TR2")
}

fn run(maker: &Maker, ulid: &str) -> Run {
    let ada = person("usr_ada");
    Run {
        id: id(&format!("run_{ulid}")),
        trace_id: "7".repeat(32),
        starter_principals: ["usr_ada".to_owned(), "usr_root".to_owned()].into(),
        starter_identity: Some(ada.identity),
        trigger_changers: ["usr_bob".to_owned()].into(),
        rounds: [(id("n1"), 2), (id("n2"), 2)].into(),
        ..maker.run(org(), id("flw_01M85EXE14SECWM1TBH3987TF9"), &chain(2), at(0))
    }
}

fn gates(maker: &Maker, run: &Run) -> Vec<Gate> {
    let by = || person("usr_eve").recorded();
    let finance = || Assignee::Role("finance".to_owned());
    let gate = |round: u32| {
        let in_round = Run { rounds: [(id("n1"), round)].into(), ..run.clone() };
        Gate { proposed_action: Payload::of(json!({"amount": 12.5})), ..maker.gate(&in_round, "n1", at(5)) }
    };
    let changes = ChangeRequest { by: by(), at: at(6), note: "smaller".to_owned(), draft: StepKey::new(&id("n2"), 1) };
    let sent_back = Gate { changes: Some(changes), closed_at: Some(at(6)), ..gate(1) };
    let second = gate(2);
    let base_urls: BTreeMap<_, _> = [(id("custom:bank"), Some("https://bank.test".to_owned())), (id("aml"), None)].into();
    let basis = Basis {
        base_urls: Some(base_urls),
        barred: ["usr_bob".to_owned()].into(),
        quorum: Some(Quorum::From(vec![Places { from: finance(), count: 2 }])),
        earlier: Some(EarlierDecision { run: run.id, changed: vec!["destinations.pay.path".to_owned()] }),
        ..second.basis.clone()
    };
    let vote = Vote {
        actor: "usr_ada".to_owned(),
        principals: ["usr_ada".to_owned(), "usr_root".to_owned()].into(),
        identity: Some(person("usr_ada").identity),
        at: at(7),
        note: None,
        action_sha256: second.proposed_action.sha256(),
        groups: vec![finance()],
    };
    let moved = Reassignment { from: None, to: finance(), by: Some(by()), at: at(7), note: Some("on leave".to_owned()) };
    let escalated = Reassignment { from: Some(finance()), to: Assignee::User("usr_bob".to_owned()), by: None, at: at(8), note: None };
    let open = Gate {
        assign_to: Some(escalated.to.clone()),
        basis,
        votes: vec![vote],
        reassignments: vec![moved, escalated],
        reminders: vec![at(8), at(9)],
        ..second
    };
    vec![sent_back, open]
}

/// Returns the gate as a person has decided it, with another action.
fn decided(maker: &Maker, run: &Run) -> Gate {
    let action = json!({"amount": 80});
    let patch = json!([{"op": "replace", "path": "/amount", "value": 80}]);
    let mut gate = maker.gate(run, "n2", at(5));
    gate.edited = Some(EditedAction { action: Payload::of(action.clone()), patch: Some(patch.clone()) });
    gate.close(at(60));
    gate.outcome = Some(Outcome {
        verdict: Verdict::Approved,
        actor: Some("usr_ada".to_owned()),
        principals: ["usr_ada".to_owned()].into(),
        identity: Some(person("usr_ada").identity),
        decided_at: at(60),
        note: None,
        proposed_sha256: gate.proposed_action.sha256(),
        decided_sha256: sha256_hex(&action),
        decided_action: Payload::of(action),
        patch: Some(patch),
        shown_sha256: Some("5".repeat(64)),
    });
    gate
}

/// Returns an endpoint of each kind for people.
fn endpoints() -> Endpoints {
    let endpoint = |ulid: &str, target: Target| Endpoint {
        id: id(&format!("whe_{ulid}")),
        target,
        events: ["approval.*"].map(|name| name.parse().unwrap()).into(),
        description: None,
        secret_since: at(1),
        created_by: "usr_ada".to_owned(),
    };
    let slack = Target::Slack { origin: "https://hooks.example.com".to_owned(), url: Sealed::from_text("sealed URL") };
    let email = Target::Email { to: vec!["ada@example.org".to_owned(), "eve@example.org".to_owned()] };
    let all = vec![endpoint("01M85EXE14SECWM1TBH3987TW2", slack), endpoint("01M85EXE14SECWM1TBH3987TW3", email)];
    Endpoints { all, ..Endpoints::none(org()) }
}

fn window() -> Window {
    Window { limit: 10, ..Window::default() }
}

impl Later {
    /// Returns the samples: the same values every time.
    pub fn new() -> Self {
        let maker = Maker::new(2);
        let waiting = NodeState { status: NodeStatus::AwaitingApproval, attempts: 1, ..NodeState::PENDING };
        let execution =
            ExecutionState { pending: None, ..maker.run(org(), id("flw_01M85EXE14SECWM1TBH3987TF9"), &chain(2), at(0)).execution };
        // The id of this run has room for the places of approvals.
        let open = run(&maker, "01M85EXE14000CWM1TBH3987TN");
        let open = Run { status: RunStatus::AwaitingApproval, progress: Progress::from_states(vec![waiting; 2]), execution, ..open };
        let mut gates = gates(&maker, &open);
        gates.push(decided(&maker, &open));
        let mut cancelled = run(&maker, "01M85EXE14SECWM1TBH3987TN8");
        cancelled.cancel(person("usr_eve").recorded(), Some("a mistake".to_owned()), at(9)).unwrap();
        let key = as_itself(ApiKey {
            id: id("key_01M85EXE14SECWM1TBH3987TK9"),
            ancestors: vec![id("key_01M85EXE14SECWM1TBH3987TK8")],
            created_by: "usr_root".to_owned(),
            ..maker.key(org(), actor("usr_ada"), &["approvals:decide"])
        });
        let trigger = WebhookTrigger {
            org: org(),
            flow: id("flw_01M85EXE14SECWM1TBH3987TF9"),
            secret: Sealed::from_text("sealed"),
            changed_by: Some(person("usr_eve").recorded()),
            previous: Some((Sealed::from_text("before"), at(86_400))),
            previous_changed_by: Some(person("usr_ada").recorded()),
        };
        let decision = DecisionRow {
            org: org(),
            approval: ApprovalId::derived(&cancelled.id, "n1", at(0)),
            run: cancelled.id,
            node: id("n1"),
            flow: id("flw_01M85EXE14SECWM1TBH3987TF9"),
            flow_slug: id("refunds"),
            flow_version: 3,
            action_label: "Pay".to_owned(),
            verdict: Verdict::Approved,
            actor: Some("usr_ada".to_owned()),
            identity: Some(person("usr_ada").identity),
            opened_at: at(0),
            decided_at: at(5),
            note: Some("fine".to_owned()),
            proposed_sha256: "ab".repeat(32),
            decided_sha256: "cd".repeat(32),
        };
        Self {
            step: StepRecord { round: 2, ..step(&open, "n2", json!({"text": "the second draft"})) },
            session: session(SessionId::new(at(0), 7), org(), at(0)),
            provider: provider(org(), "https://runs.example.org", at(1)),
            trigger: (id(&format!("wht_{}", "c".repeat(32))), trigger),
            endpoints: endpoints(),
            run: cancelled,
            open,
            gates,
            decision,
            key,
        }
    }

    /// Writes each through the ports.
    pub async fn write(&self, store: &Opened) {
        let (runs, table) = (&store.runs, &store.runs.table);
        for (run, gates) in [(&self.run, &[][..]), (&self.open, &self.gates)] {
            runs.create(run, &Value::Null, None).await.unwrap();
            runs.commit(run.clone(), gates).await.unwrap();
        }
        runs.record(&self.open, self.step.clone()).await.unwrap();
        table.add_decision(&self.decision).await.unwrap();
        table.put_identity_provider(&self.provider, None).await.unwrap();
        table.create_session(&self.session, SESSION_SECRET).await.unwrap();
        table.create_key(&self.key, KEY_SECRET).await.unwrap();
        table.put_webhook(&self.trigger.0, &self.trigger.1, None).await.unwrap();
        table.put_endpoints(self.endpoints.clone()).await.unwrap();
    }

    /// Reads each through the ports, in every way in which it is found.
    pub async fn assert_reads(&self, store: &Opened) {
        let (runs, table) = (&store.runs, &store.runs.table);
        for run in [&self.run, &self.open] {
            let stored = Run { rev: run.rev + 1, starter_identity: None, ..run.clone() };
            assert_eq!(runs.load(&run.id).await.unwrap(), Some(stored));
            assert_eq!(runs.origin(run).await.unwrap().starter_identity, run.starter_identity);
        }
        for gate in &self.gates {
            assert_eq!(runs.gate_in_round(&self.open, &gate.key()).await.unwrap().as_ref(), Some(gate));
        }
        let assigned = self.gates[1].assign_to.clone();
        for assignees in [None, Some(&[assigned][..])] {
            let page = table.open_gates(&org(), assignees, &|_| true, &window()).await.unwrap();
            assert_eq!(page.rows, self.gates[1..2]);
        }
        assert_eq!(runs.step(&self.open, &self.step.node, at(9)).await.unwrap().as_ref(), Some(&self.step));
        for flow in [None, Some(self.decision.flow)] {
            for actor in [None, self.decision.actor.clone()] {
                let filter = DecisionFilter { flow, actor, ..DecisionFilter::default() };
                assert_eq!(table.decisions(&org(), &filter, &window()).await.unwrap().rows, std::slice::from_ref(&self.decision));
            }
        }
        assert_eq!(table.identity_provider(&org()).await.unwrap().as_ref(), Some(&self.provider));
        assert_eq!(table.provider_for(&self.provider.issuer, "https://runs.example.org").await.unwrap().as_ref(), Some(&self.provider));
        assert_eq!(table.sessions(&org()).await.unwrap(), std::slice::from_ref(&self.session));
        let admitted = table.admit_session(SESSION_SECRET, bucket(), LIMITS, at(5)).await.unwrap();
        let SessionAdmission::Admitted(session, _) = admitted else { panic!("{admitted:?}") };
        assert_eq!((&session.actor, &session.grants), (&self.session.actor, &self.session.grants));
        assert_eq!(table.api_keys(&org(), &window()).await.unwrap().rows, std::slice::from_ref(&self.key));
        assert_eq!(table.webhook(&self.trigger.0).await.unwrap().as_ref(), Some(&self.trigger.1));
        assert_eq!(table.endpoints(&org()).await.unwrap().all, self.endpoints.all);
    }
}
