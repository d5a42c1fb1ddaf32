//! Flows: saved, read, listed, changed; every change of the spec is a new version.

use serde_json::{Value, json};

use crate::support::{Method, Stack, edge, gate, spec, transform, unique};

fn one(value: i64) -> Value {
    spec(&[transform("only", &json!(value))], &[])
}

#[tokio::test]
async fn a_flow_is_read_back_by_id_and_by_slug() {
    let stack = Stack::shared();
    let slug = crate::support::unique("read");
    let body = json!({"slug": slug, "name": "Ünïcode 📦", "description": "What it is for", "spec": one(1), "triggerType": "api"});

    let created = stack.ada.post("/api/flows", &body).await.data(201)["flow"].clone();

    assert!(created["id"].as_str().unwrap().starts_with("flw_"));
    for (field, expected) in [
        ("slug", json!(slug)),
        ("name", json!("Ünïcode 📦")),
        ("description", json!("What it is for")),
        ("status", json!("active")),
        ("triggerType", json!("api")),
        ("version", json!(1)),
        ("spec", one(1)),
    ] {
        assert_eq!(created[field], expected);
    }
    assert_eq!(created["createdAt"], created["updatedAt"]);
    for name in [created["id"].as_str().unwrap(), &slug] {
        assert_eq!(stack.ada.get(&format!("/api/flows/{name}")).await.data(200)["flow"], created);
    }
}

#[tokio::test]
async fn only_a_changed_spec_makes_a_new_version() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| one(1)).await;
    let by_slug = format!("/api/flows/{}", flow.slug);
    let update = async |body: Value| stack.ada.send(Method::PATCH, &by_slug, &body).await.data(200)["flow"].clone();

    let unchanged = update(json!({})).await;
    assert_eq!(unchanged["version"], 1);
    assert_eq!(unchanged["updatedAt"], unchanged["createdAt"]);
    let renamed = update(json!({"name": "Renamed", "description": "New", "spec": one(1)})).await;
    assert_eq!((&renamed["version"], &renamed["name"], &renamed["description"]), (&json!(1), &json!("Renamed"), &json!("New")));
    assert!(renamed["updatedAt"].as_str() > renamed["createdAt"].as_str());
    let changed = update(json!({"spec": one(2)})).await;
    assert_eq!((&changed["version"], &changed["name"], &changed["spec"]), (&json!(2), &json!("Renamed"), &one(2)));
    let back = update(json!({"spec": one(1)})).await;
    assert_eq!(back["version"], 3, "an old spec again is a change too");
    assert_eq!(stack.ada.get(&by_slug).await.data(200)["flow"], back);
    assert_eq!(back["createdAt"], unchanged["createdAt"]);
}

#[tokio::test]
async fn a_run_shows_the_name_and_the_description_that_its_flow_had_when_it_began() {
    let stack = Stack::shared();
    let (flow, first) = stack.run(|_| one(1), &json!({})).await;
    first.wait("succeeded").await;
    let path = format!("/api/flows/{}", flow.id);
    let before = stack.ada.get(&path).await.data(200)["flow"].clone();
    let renamed = stack.ada.send(Method::PATCH, &path, &json!({"name": "Renamed", "description": "New"})).await;
    assert_eq!(renamed.data(200)["flow"]["version"], before["version"], "a new name is not a new version");
    let second = stack.start(&flow, &json!({})).await;
    second.wait("succeeded").await;
    let snapshot = async |id: &str| stack.ada.get(&format!("/api/runs/{id}")).await.data(200)["flow"].clone();
    let (old, new) = (snapshot(&first.id).await, snapshot(&second.id).await);
    assert_eq!((&old["name"], &old["description"]), (&before["name"], &before["description"]));
    assert_eq!((&new["name"], &new["description"], &new["version"]), (&json!("Renamed"), &json!("New"), &before["version"]));
}

#[tokio::test]
async fn a_dry_run_validates_a_flow_and_saves_nothing() {
    let stack = Stack::shared();
    let slug = crate::support::unique("dry");
    let body = json!({"slug": slug, "name": "Dry", "spec": one(1), "triggerType": "webhook"});
    let created = stack.ada.post("/api/flows?dryRun=true", &body).await;
    let data = created.data(200);
    assert_eq!((&data["dryRun"], &data["flow"]["slug"], &data["flow"]["version"]), (&json!(true), &json!(slug), &json!(1)));
    assert!(data["flow"].get("webhookToken").is_none() && data["flow"].get("webhookSecret").is_none(), "{data}");
    assert_eq!(stack.ada.get(&format!("/api/flows/{slug}")).await.status, 404);
    let invalid = json!({"slug": slug, "name": "Dry", "spec": spec(&[json!({"id": "a", "type": "transfrom"})], &[])});
    assert_eq!(stack.ada.post("/api/flows?dryRun=true", &invalid).await.faulty_fields(400), ["spec.nodes[0].type"]);

    let flow = stack.flow(|_| one(1)).await;
    let path = format!("/api/flows/{}", flow.id);
    let before = stack.ada.get(&path).await.data(200).clone();
    let taken = json!({"slug": flow.slug, "name": "Taken", "spec": one(1)});
    assert_eq!(
        stack.ada.post("/api/flows?dryRun=true", &taken).await.error(409),
        format!("there is a flow with the slug `{}` already", flow.slug)
    );
    for method in [Method::PATCH, Method::PUT] {
        let changed = stack.ada.send(method, &format!("{path}?dryRun=true"), &json!({"name": "New", "spec": one(2)})).await;
        assert_eq!((&changed.data(200)["flow"]["version"], &changed.data(200)["flow"]["name"]), (&json!(2), &json!("New")));
    }
    let refused = stack.ada.send(Method::PATCH, &format!("{path}?dryRun=true"), &json!({"slug": "another"})).await;
    assert_eq!(refused.faulty_fields(400), ["slug"]);
    assert_eq!(*stack.ada.get(&path).await.data(200), before);
}

#[tokio::test]
async fn put_does_what_patch_does() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| one(1)).await;
    let put = stack.ada.send(Method::PUT, &format!("/api/flows/{}", flow.id), &json!({"name": "Put", "spec": one(2)})).await;
    assert_eq!((&put.data(200)["flow"]["name"], &put.data(200)["flow"]["version"]), (&json!("Put"), &json!(2)));
}

#[tokio::test]
async fn a_slug_is_unique_in_its_organisation_and_never_changes() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| one(1)).await;
    let again = json!({"slug": flow.slug, "name": "Another", "spec": one(2)});
    let refused = stack.ada.post("/api/flows", &again).await;
    assert_eq!(refused.error(409), format!("there is a flow with the slug `{}` already", flow.slug));
    assert_eq!(stack.other.post("/api/flows", &again).await.data(201)["flow"]["slug"], flow.slug, "another organisation may use it");
    let kept = stack.ada.get(&format!("/api/flows/{}", flow.slug)).await;
    assert_eq!((&kept.data(200)["flow"]["id"], &kept.data(200)["flow"]["spec"]), (&json!(flow.id), &one(1)));

    let path = format!("/api/flows/{}", flow.id);
    assert_eq!(stack.ada.send(Method::PATCH, &path, &json!({"slug": "another"})).await.faulty_fields(400), ["slug"]);
    stack.ada.send(Method::PATCH, &path, &json!({"slug": flow.slug, "name": "Same slug"})).await.data(200);
}

#[tokio::test]
async fn of_ten_flows_with_one_slug_at_once_one_is_saved() {
    let stack = Stack::shared();
    let slug = crate::support::unique("race");
    let bodies: Vec<_> = (0..10).map(|n| json!({"slug": slug, "name": format!("Number {n}"), "spec": one(n)})).collect();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| stack.ada.post("/api/flows", body))).await;
    let saved: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(saved.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)));
    assert_eq!(stack.ada.get(&format!("/api/flows/{slug}")).await.data(200), saved[0].data(201));
}

#[tokio::test]
async fn of_updates_at_once_every_version_is_kept_or_refused() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| one(0)).await;
    let path = format!("/api/flows/{}", flow.id);
    let bodies: Vec<_> = (1..=8).map(|n| json!({"spec": one(n)})).collect();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| stack.ada.send(Method::PATCH, &path, body))).await;
    let mut versions: Vec<_> =
        answers.iter().filter(|answer| answer.status == 200).map(|answer| answer.data(200)["flow"]["version"].as_u64().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=u64::try_from(versions.len()).unwrap() + 1).collect::<Vec<_>>(), "no version is given twice");
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused.error(409), "the flow was changed by somebody else at the same time; read it again");
    }
    assert_eq!(stack.ada.get(&path).await.data(200)["flow"]["version"], *versions.last().unwrap());
}

#[tokio::test]
async fn the_list_shows_flows_newest_first_without_their_specs() {
    let stack = Stack::shared();
    let (older, newer) = (stack.flow(|_| one(1)).await, stack.flow(|_| one(2)).await);
    let answer = stack.ada.get("/api/flows?limit=100").await;
    let rows = answer.rows();
    let place = |id: &str| rows.iter().position(|row| row["id"] == id).unwrap_or_else(|| panic!("{id} is not on the first page"));
    assert!(place(&newer.id) < place(&older.id));
    assert!(rows.iter().all(|row| row.get("spec").is_none()));
    assert!(rows.windows(2).all(|pair| pair[0]["createdAt"].as_str() >= pair[1]["createdAt"].as_str()));
    let row = &rows[place(&newer.id)];
    assert_eq!(
        (&row["slug"], &row["name"], &row["status"], &row["version"]),
        (&json!(newer.slug), &json!("A test"), &json!("active"), &json!(1))
    );
    assert!(answer.body["total"].as_u64() >= Some(2));
    assert_eq!((&answer.body["page"], &answer.body["limit"]), (&json!(1), &json!(100)));
}

#[tokio::test]
async fn following_the_cursor_shows_every_flow_once() {
    let stack = Stack::shared();
    let mut wanted = Vec::new();
    for _ in 0..5 {
        wanted.push(stack.flow(|_| one(1)).await.id);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = stack.ada.get(&format!("/api/flows?limit=2{cursor}")).await;
        seen.extend(answer.rows().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = answer.body["meta"]["nextCursor"].as_str() else { break };
        assert_eq!(answer.rows().len(), 2, "a page that is not the last is full");
        cursor = format!("&cursor={next}");
        if wanted.iter().all(|id| seen.contains(id)) {
            break;
        }
    }
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len());
    assert!(wanted.iter().all(|id| seen.contains(id)), "{wanted:?} {seen:?}");
}

#[tokio::test]
async fn only_an_active_flow_runs() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| one(1)).await;
    let path = format!("/api/flows/{}", flow.id);
    for status in ["draft", "paused"] {
        let changed = stack.ada.send(Method::PATCH, &path, &json!({"status": status})).await;
        assert_eq!((&changed.data(200)["flow"]["status"], &changed.data(200)["flow"]["version"]), (&json!(status), &json!(1)));
        let refused = stack.ada.post(&format!("{path}/execute"), &json!({})).await;
        assert_eq!(refused.error(422), format!("the flow is {status}; only an active flow runs"));
    }
    assert!(stack.ada.get(&format!("{path}/runs")).await.rows().is_empty());
    stack.ada.send(Method::PATCH, &path, &json!({"status": "active"})).await.data(200);
    stack.start(&flow, &json!({})).await.wait("succeeded").await;
}

#[tokio::test]
async fn a_flow_runs_by_its_slug_too() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| one(1)).await;
    let answer = stack.ada.post(&format!("/api/flows/{}/execute", flow.slug), &json!({})).await;
    let run = &answer.data(202)["run"];
    assert_eq!((&run["flowId"], &run["status"], &run["trigger"]), (&json!(flow.id), &json!("running"), &json!("manual")));
}

#[tokio::test]
async fn what_a_flow_names_and_its_organisation_lacks_comes_back_as_warnings_however_it_is_saved() {
    let stack = Stack::shared();
    let service = json!({"id": "call", "type": "service_call", "service": "custom:not-registered-yet", "path": "/x"});
    let review = gate("review", &json!({}), &json!({"assignTo": "role:nobody-has-this"}));
    let spec = spec(&[service, review], &[edge("call", "review")]);
    let slug = unique("warned");
    let body = json!({"slug": slug, "name": "Warned", "spec": spec});
    let path = format!("/api/flows/{slug}");
    let answers = [
        stack.ada.post("/api/flows?dryRun=true", &body).await,
        stack.ada.post("/api/flows", &body).await,
        stack.ada.send(Method::PATCH, &path, &json!({"spec": spec})).await,
        stack.ada.send(Method::PUT, &path, &json!({"name": "Warned", "spec": spec})).await,
    ];
    for answer in answers {
        let warnings = &answer.body["data"]["warnings"];
        for (at, what) in [("spec.nodes[0].service", "custom:not-registered-yet"), ("spec.nodes[1].assignTo", "role:nobody-has-this")] {
            assert!(warnings[at][0].as_str().is_some_and(|text| text.contains(what)), "{}", answer.body);
        }
    }
}
