//! What a flow names and its organisation does not have yet comes back as warnings, however the flow is saved.

use std::collections::BTreeMap;

use domain::access::{Actor, ApiKey};
use domain::connection::Connection;
use domain::flow::{Draft, KnownModels};
use domain::ports::{ApiKeys, ConnectionBook, FlowName};
use domain::problem::FieldErrors;
use engine::{FlowEditor, WebhookTriggerSecrets};
use serde_json::{Value, json};
use testkit::build::{Maker, actor, at, gate, llm, service, spec, task};
use testkit::{Deployment, ManualClock, Memory, MemoryVault};

type Editor = FlowEditor<Memory, Memory, MemoryVault, ManualClock>;

fn editor(world: &Deployment) -> Editor {
    let secrets = WebhookTriggerSecrets { triggers: world.store.clone(), vault: MemoryVault, clock: world.clock.clone() };
    FlowEditor { flows: world.store.clone(), secrets }
}

fn body(spec: &Value) -> Value {
    json!({"slug": "new", "name": "New", "spec": spec})
}

/// Saves a spec in every way. Returns the warnings, which are the same each time.
fn warnings(world: &Deployment, spec: &Value) -> BTreeMap<String, Vec<String>> {
    let (editor, models) = (editor(world), KnownModels::default());
    let new = || Draft::parse_new(body(spec).as_object().unwrap(), &models).unwrap();
    let changes = || Draft::parse_changes(json!({"spec": spec}).as_object().unwrap(), &models).unwrap();
    let name = FlowName::Slug("flow".parse().unwrap());
    let saved: Vec<FieldErrors> = [
        world.call(editor.check_create(&world.entropy, world.org, new())),
        world.call(editor.create(&world.entropy, world.org, new())),
        world.call(editor.check_update(&world.entropy, &world.org, &name, changes())),
        world.call(editor.update(&world.entropy, &world.org, &name, &changes())),
    ]
    .into_iter()
    .map(|saved| saved.unwrap().unwrap().warnings)
    .collect();
    assert!(saved.windows(2).all(|pair| pair[0] == pair[1]), "{saved:?}");
    saved[0].by_path().clone()
}

fn world() -> Deployment {
    Deployment::of(&spec(&[task("a", json!({}))], ""))
}

fn register(world: &Deployment, connection: &Connection) {
    world.call(world.store.register(&world.org, connection)).unwrap().unwrap();
}

fn add_key(world: &Deployment, key: &ApiKey) {
    world.call(world.store.create_key(key, &key.id.to_string())).unwrap().unwrap();
}

fn key(world: &Deployment, maker: &Maker, actor: Actor, scope: &str) -> ApiKey {
    maker.key(world.org, actor, &[scope])
}

fn reviewer(id: &str) -> Actor {
    Actor { roles: ["legal".to_owned()].into(), teams: ["north".to_owned()].into(), ..actor(id) }
}

#[test]
fn a_service_that_is_not_registered_or_not_active_is_a_warning() {
    let world = world();
    let maker = Maker::new(4);
    register(&world, &maker.connection("custom:crm", at(0)));
    register(&world, &Connection { active: false, ..maker.connection("aml", at(0)) });
    let tool = |slug: &str| json!({"slug": slug, "description": "Looks it up", "inputSchema": {"type": "object"}});
    let nodes = [
        service("a", json!({"service": "custom:crm"})),
        service("b", json!({"service": "custom:erp"})),
        service("c", json!({"service": "aml"})),
        llm("d", json!({"tools": [tool("custom:crm"), tool("custom:erp")]})),
    ];
    let found = warnings(&world, &spec(&nodes, "a>b b>c c>d"));
    let missing = "no service `custom:erp` is registered yet; the step fails until it is, with POST /api/service-connections";
    let expected = [
        ("spec.nodes[1].service", missing),
        ("spec.nodes[2].service", "the service `aml` is registered and not active; the step fails until it is"),
        ("spec.nodes[3].tools[1].slug", missing),
    ];
    assert_eq!(found, expected.map(|(path, text)| (path.to_owned(), vec![text.to_owned()])).into());
}

#[test]
fn an_approval_that_no_active_key_can_decide_is_a_warning() {
    let world = world();
    let maker = Maker::new(5);
    let none = |who: &str| format!("no active API key with the scope `runs:write` belongs to `{who}`");
    let asks = |who: &str| spec(&[gate("a", json!({"assignTo": who}))], "");
    let of = |who: &str| warnings(&self::world(), &asks(who));
    assert_eq!(of("role:legal"), [("spec.nodes[0].assignTo".to_owned(), vec![none("role:legal")])].into());
    assert_eq!(of("${trigger.reviewer}"), BTreeMap::new(), "it is not known before the run");

    // Keys that cannot decide: of another organisation, revoked, expired, without the scope.
    add_key(&world, &maker.key(maker.org(), reviewer("usr_other"), &["runs:write"]));
    add_key(&world, &ApiKey { valid_until: Some(at(0)), ..key(&world, &maker, reviewer("usr_late"), "runs:write") });
    add_key(&world, &key(&world, &maker, reviewer("usr_reader"), "runs:read"));
    assert_eq!(warnings(&world, &asks("role:legal")).len(), 1);

    let deciding = self::world();
    add_key(&deciding, &key(&deciding, &maker, reviewer("usr_ada"), "write"));
    for who in ["role:legal", "team:north", "user:usr_ada"] {
        let fresh = Deployment { store: deciding.store.copy(), ..deciding.clone() };
        assert_eq!(warnings(&fresh, &asks(who)), BTreeMap::new(), "{who}");
    }
    let two = spec(&[gate("a", json!({"assignTo": "role:legal", "requiredApprovals": 2}))], "");
    let found = warnings(&deciding, &two);
    let expected = "2 different actors of `role:legal` have to approve, and active API keys with the scope `runs:write` name 1";
    assert_eq!(found["spec.nodes[0].assignTo"], [expected]);
}

#[test]
fn reviewers_are_looked_for_on_every_page_of_keys() {
    let world = world();
    let maker = Maker::new(6);
    add_key(&world, &ApiKey { id: domain::id::KeyId::new(at(0), 1), ..key(&world, &maker, reviewer("usr_ada"), "runs:write") });
    for number in 0..150 {
        let id = domain::id::KeyId::new(at(1), number);
        add_key(&world, &ApiKey { id, ..key(&world, &maker, actor("usr_bob"), "runs:write") });
    }
    let asks = spec(&[gate("a", json!({"assignTo": "role:legal"}))], "");
    assert_eq!(warnings(&world, &asks), BTreeMap::new());
}

#[test]
fn a_flow_that_names_nothing_outside_costs_no_reads() {
    let world = world();
    let before = world.faults.calls().len();
    assert_eq!(warnings(&world, &spec(&[task("a", json!({})), gate("b", json!({}))], "a>b")), BTreeMap::new());
    let read = world.faults.calls()[before..].iter().filter(|call| ["connections_named", "api_keys"].contains(&call.name)).count();
    assert_eq!(read, 0);
}
