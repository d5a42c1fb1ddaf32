//! Pages by cursors, and cursors of other lists: the handler on the store in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::KeyAdmission;
use domain::access::Limits;
use domain::id::OrgId;
use domain::json::sha256_hex_of;
use domain::ports::{ApiKeys, Flows, Runs};
use domain::run::{Run, Trigger};
use list_flow_runs::{ENDPOINT, handle};
use serde_json::{Value, json};
use testkit::build::{Maker, actor, at, chain};
use testkit::{Faults, ManualClock, Memory, block_on};

struct Setup {
    store: Memory,
    clock: ManualClock,
    maker: Maker,
}

impl Setup {
    fn new() -> Self {
        Self { store: Memory::new(Faults::none()), clock: ManualClock::at(at(100)), maker: Maker::new(1) }
    }

    /// Creates an organisation, and returns it with the secret of its key.
    fn organisation(&self, letter: &str) -> (OrgId, String) {
        let (org, secret) = (self.maker.org(), format!("qe_sk_sandbox_{}", letter.repeat(32)));
        let key = self.maker.key(org, actor("usr_ada"), &["runs:read"]);
        block_on(&self.clock, self.store.create_key(&key, &sha256_hex_of(secret.as_bytes()))).unwrap();
        (org, secret)
    }

    /// Creates a flow with seven runs, and returns its id and theirs, newest first.
    fn flow(&self, org: OrgId, slug: &str) -> (String, Vec<String>) {
        let (flow, version) = self.maker.flow(org, slug, chain(1), at(0));
        block_on(&self.clock, async {
            self.store.create_flow(&flow, &version).await.unwrap();
            let mut ids = Vec::new();
            for number in 0..7 {
                let run = Run { trigger: Trigger::Manual, ..self.maker.run(org, flow.id, &chain(1), at(number)) };
                self.store.create(&run, &json!({}), None).await.unwrap();
                ids.insert(0, run.id.to_string());
            }
            (flow.id.to_string(), ids)
        })
    }

    fn get(&self, secret: &str, flow: &str, query: &[(&str, &str)]) -> (u16, Value) {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/list-flow-runs/filtered.json")).unwrap();
        let authorization = format!("Bearer {secret}");
        event["headers"] = json!({"Authorization": authorization});
        event["multiValueHeaders"] = json!({"Authorization": [authorization]});
        event["pathParameters"] = json!({"id": flow});
        event["queryStringParameters"] = query.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        event["multiValueQueryStringParameters"] = query.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        let handler = |call| handle(&self.store, call);
        let admission = KeyAdmission::new(ENDPOINT, self.store.clone(), self.clock.clone(), Limits { reads: 1_000_000, writes: 1_000_000 });
        let answer = block_on(&self.clock, admission.respond(&handler, request));
        (answer.status, answer.body)
    }
}

fn cursor(body: &Value) -> Option<&str> {
    body["meta"]["nextCursor"].as_str()
}

fn is_refused((status, body): &(u16, Value), case: &str) {
    let expected = json!({"cursor": ["is not a cursor of this list"]});
    assert_eq!((status, &body["details"]["fieldErrors"]), (&400, &expected), "{case}");
}

#[test]
fn following_the_cursors_shows_every_run_once_by_id_or_by_slug() {
    let setup = Setup::new();
    let (org, secret) = setup.organisation("a");
    let (flow, all) = setup.flow(org, "first");
    let (mut seen, mut next) = (Vec::new(), None);
    for page in 1..=3 {
        let query: Vec<(&str, &str)> = [("limit", "3")].into_iter().chain(next.as_deref().map(|next| ("cursor", next))).collect();
        let (status, body) = setup.get(&secret, if page == 2 { "first" } else { &flow }, &query);
        assert_eq!((status, &body["page"], &body["total"]), (200, &json!(page), &json!(7)));
        seen.extend(body["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        next = cursor(&body).map(str::to_owned);
    }
    assert_eq!((seen, next), (all, None));
}

#[test]
fn a_cursor_of_another_list_is_refused_at_its_field() {
    let setup = Setup::new();
    let ((org, secret), (other_org, other_secret)) = (setup.organisation("a"), setup.organisation("b"));
    let (flow, _) = setup.flow(org, "first");
    let (second, _) = setup.flow(org, "second");
    let (theirs, _) = setup.flow(other_org, "first");
    let given = |secret: &str, flow: &str, query: &[(&str, &str)]| {
        let (_, body) = setup.get(secret, flow, &[query, &[("limit", "2")]].concat());
        cursor(&body).unwrap().to_owned()
    };
    let plain = given(&secret, &flow, &[]);
    for (case, cursor) in [
        ("another filter", given(&secret, &flow, &[("trigger", "manual")])),
        ("another span of time", given(&secret, &flow, &[("from", "2020-01-01T00:00:00Z")])),
        ("another flow", given(&secret, &second, &[])),
        ("another organisation, whose flow has the same slug", given(&other_secret, "first", &[])),
        ("nothing", "AAAA".repeat(20)),
        ("no form", "not a cursor".to_owned()),
    ] {
        is_refused(&setup.get(&secret, "first", &[("cursor", &cursor)]), case);
    }
    is_refused(&setup.get(&other_secret, &theirs, &[("cursor", &plain)]), "taken to another organisation");
    for at in 0..plain.len() {
        let flipped = if &plain[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{flipped}{}", &plain[..at], &plain[at + 1..]);
        is_refused(&setup.get(&secret, &flow, &[("cursor", &changed)]), &format!("character {at} was changed"));
    }
    assert_eq!(setup.get(&secret, &flow, &[("cursor", &plain), ("limit", "100")]).0, 200);
}

#[test]
fn a_cursor_is_checked_together_with_the_other_parameters() {
    let setup = Setup::new();
    let (org, secret) = setup.organisation("a");
    let (flow, _) = setup.flow(org, "first");
    let (status, body) = setup.get(&secret, &flow, &[("cursor", &"AAAA".repeat(20)), ("limit", "0"), ("status", "done")]);
    let faulty: Vec<&str> = body["details"]["fieldErrors"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((status, faulty), (400, vec!["cursor", "limit", "status"]));
}
