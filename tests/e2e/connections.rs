//! Service connections: registered by API and called by flows; their keys are never shown.

use serde_json::{Value, json};

use crate::support::{Api, Flow, Method, Stack, echo_call, edge, spec, transform, unique};

const PATH: &str = "/api/service-connections";

fn key() -> String {
    unique("sk-e2e")
}

/// Registers a connection to the echo service, below a path of its own.
async fn register(api: &Api, stack: &Stack, slug: &str, key: &str, status: u16) -> Value {
    let body = json!({"serviceSlug": slug, "baseUrl": format!("{}/{}", stack.echo.url, below(slug)), "apiKey": key});
    api.post(PATH, &body).await.data(status)["connection"].clone()
}

/// The path of a connection at the echo service.
fn below(slug: &str) -> &str {
    slug.trim_start_matches("custom:")
}

/// A flow that calls through the connection.
async fn calling(stack: &Stack, slug: &str) -> Flow {
    let mut call = echo_call("call", "/orders", &json!({"order": 7}));
    call["service"] = slug.into();
    call["retry"] = json!({"maxAttempts": 1});
    stack.flow(|_| spec(&[transform("begin", &json!(1)), call], &[edge("begin", "call")])).await
}

async fn row(api: &Api, id: &Value) -> Option<Value> {
    let page = api.get(&format!("{PATH}?limit=100")).await;
    page.rows().iter().find(|row| row["id"] == *id).cloned()
}

fn slug() -> String {
    format!("custom:{}", unique("e2e"))
}

#[tokio::test]
async fn a_call_carries_the_key_of_its_connection_and_no_answer_ever_shows_it() {
    let stack = Stack::shared();
    let (slug, key) = (slug(), key());
    let connection = register(&stack.ada, &stack, &slug, &key, 201).await;
    assert!(connection["id"].as_str().unwrap().starts_with("scn_"), "{connection}");
    assert!(connection["apiKeyHash"].as_str().unwrap().starts_with("hmac-sha256:"), "{connection}");
    assert_eq!((&connection["serviceSlug"], &connection["active"]), (&json!(slug), &json!(true)));
    assert_eq!((connection.get("lastUsedAt"), connection.get("lastHealthyAt")), (None, None));

    let run = stack.start(&calling(&stack, &slug).await, &json!({})).await;
    let view = run.wait("succeeded").await;
    let sent = stack.echo.only(&format!("/{}/orders", below(&slug))).await;
    assert_eq!(sent.header("authorization"), format!("Bearer {key}"));
    // The echo service sends back what it got.
    assert_eq!(view.output("call")["headers"]["authorization"], "Bearer ***");
    let used = row(&stack.ada, &connection["id"]).await.unwrap();
    assert!(used["lastUsedAt"].as_str().unwrap().ends_with(":00:00.000Z"), "{used}");
    assert_eq!(used["apiKeyHash"], connection["apiKeyHash"]);

    let item = stack.aws.connection_item(connection["id"].as_str().unwrap()).await;
    let step = stack.aws.step_item(&run.id, "call").await;
    for seen in [&view.run, &used, &connection, &item, &step] {
        assert!(!seen.to_string().contains(&key), "{seen}");
    }
}

#[tokio::test]
async fn a_replaced_connection_keeps_its_id_and_the_next_run_uses_it() {
    let stack = Stack::shared();
    let (slug, first, second) = (slug(), key(), key());
    let before = register(&stack.ada, &stack, &slug, &first, 201).await;
    let flow = calling(&stack, &slug).await;
    stack.start(&flow, &json!({})).await.wait("succeeded").await;
    let body = json!({"serviceSlug": slug, "baseUrl": format!("{}/{}/new", stack.echo.url, below(&slug)), "apiKey": second,
                      "authHeader": "X-Api-Key", "healthPath": "/status/200/health"});
    let after = stack.ada.post(PATH, &body).await.data(200)["connection"].clone();
    assert_eq!((&after["id"], &after["createdAt"]), (&before["id"], &before["createdAt"]));
    assert_ne!(after["apiKeyHash"], before["apiKeyHash"]);
    assert_eq!((&after["authHeader"], &after["healthPath"]), (&json!("X-Api-Key"), &json!("/status/200/health")));
    assert!(after["lastUsedAt"].is_string() && after.get("authScheme").is_none(), "{after}");
    stack.start(&flow, &json!({})).await.wait("succeeded").await;
    let sent = stack.echo.only(&format!("/{}/new/orders", below(&slug))).await;
    assert_eq!(sent.header("x-api-key"), second);
    assert_eq!(sent.0["headers"].get("authorization"), None);
    // The same key has the same hash; there is nothing else to compare.
    let again = stack.ada.post(PATH, &body).await.data(200)["connection"].clone();
    assert_eq!(again["apiKeyHash"], after["apiKeyHash"]);
}

#[tokio::test]
async fn connections_are_listed_newest_first_page_by_page_without_their_keys() {
    let stack = Stack::shared();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.insert(0, register(&stack.ada, &stack, &slug(), "not-a-real-key", 201).await["id"].clone());
    }
    let (mut path, mut seen) = (format!("{PATH}?limit=2"), Vec::new());
    for _ in 0..1_000 {
        let page = stack.ada.get(&path).await;
        assert!(!page.body.to_string().contains("not-a-real-key") && !page.body.to_string().contains("sealed"), "{}", page.body);
        seen.extend(page.rows().iter().map(|row| row["id"].clone()));
        let Some(cursor) = page.body["meta"]["nextCursor"].as_str() else { break };
        path = format!("{PATH}?limit=2&cursor={cursor}");
    }
    assert!(seen.windows(2).all(|pair| pair[0].as_str() > pair[1].as_str()), "{seen:?}");
    let ours: Vec<_> = seen.into_iter().filter(|id| made.contains(id)).collect();
    assert_eq!(ours, made);
}

#[tokio::test]
async fn a_failed_health_check_is_reported_and_a_successful_one_is_recorded() {
    let stack = Stack::shared();
    let (slug, key) = (slug(), key());
    let health = async |url: String, path: &str| {
        let body = json!({"serviceSlug": slug, "baseUrl": url, "apiKey": key, "healthPath": path});
        let answer = stack.ada.post(PATH, &body).await;
        let connection = answer.body["data"]["connection"].clone();
        let health = stack.ada.get(&format!("{PATH}/{}/health", slug.replace(':', "%3A"))).await.data(200)["health"].clone();
        (health, row(&stack.ada, &connection["id"]).await.unwrap())
    };
    let (up, connection) = health(stack.echo.url.clone(), &format!("/{}/health", below(&slug))).await;
    assert_eq!((&up["healthy"], &up["status"]), (&json!(true), &json!(200)));
    assert!(up["latencyMs"].is_u64() && up.get("error").is_none(), "{up}");
    assert_eq!(connection["lastHealthyAt"], up["checkedAt"]);
    let asked = stack.echo.only(&format!("/{}/health", below(&slug))).await;
    assert_eq!(asked.header("authorization"), format!("Bearer {key}"));

    let (refused, connection) = health(stack.echo.url.clone(), "/status/401/health").await;
    assert_eq!((&refused["healthy"], &refused["status"]), (&json!(false), &json!(401)));
    assert!(refused["error"].as_str().unwrap().contains("refuses the key"), "{refused}");
    assert_eq!(connection.get("lastHealthyAt"), None, "what replaced it has not been found healthy");
    let (broken, _) = health(stack.echo.url.clone(), "/status/503/health").await;
    assert_eq!((&broken["healthy"], &broken["status"]), (&json!(false), &json!(503)));
    let (down, _) = health("http://127.0.0.1:9".to_owned(), "/health").await;
    assert_eq!((&down["healthy"], down.get("status")), (&json!(false), None));
    assert!(down["error"].as_str().unwrap().contains("could not be reached"), "{down}");
}

#[tokio::test]
async fn a_problem_in_a_registration_is_reported_at_its_field() {
    let stack = Stack::shared();
    let good = json!({"serviceSlug": slug(), "baseUrl": "https://crm.example.com", "apiKey": "not-a-real-key"});
    for (field, value) in [
        ("serviceSlug", json!("crm")),
        ("serviceSlug", json!("custom:")),
        ("apiKey", json!("short")),
        ("apiKey", json!("two words of it")),
        ("apiKey", json!(12_345_678)),
        ("baseUrl", json!("crm.example.com")),
        ("baseUrl", json!("http://crm.example.com")),
        ("baseUrl", json!("https://ada:secret@crm.example.com")),
        ("baseUrl", json!("https://10.0.0.1")),
        ("baseUrl", json!("https://169.254.169.254/latest")),
        ("baseUrl", json!("https://[fd00:ec2::254]/")),
        ("authHeader", json!("Host")),
        ("authScheme", json!("two words")),
        ("healthPath", json!("/../admin")),
        ("active", json!("yes")),
        ("apikey", json!("not-a-real-key")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = stack.ada.post(PATH, &body).await;
        assert_eq!(answer.faulty_fields(400), [field], "{body}");
        assert!(!answer.body.to_string().contains("real-key"), "{}", answer.body);
    }
    assert_eq!(stack.ada.post(PATH, &json!({})).await.faulty_fields(400), ["apiKey", "baseUrl", "serviceSlug"]);
    let page = stack.ada.get(&format!("{PATH}?limit=100")).await;
    assert!(!page.rows().iter().any(|row| row["serviceSlug"] == good["serviceSlug"]), "nothing of it was registered");
}

#[tokio::test]
async fn a_deleted_connection_is_gone_for_the_next_run_and_every_endpoint() {
    let stack = Stack::shared();
    let slug = slug();
    let connection = register(&stack.ada, &stack, &slug, &key(), 201).await;
    let flow = calling(&stack, &slug).await;
    stack.start(&flow, &json!({})).await.wait("succeeded").await;
    let path = format!("{PATH}/{}", slug.replace(':', "%3A"));
    let deleted = stack.ada.send(Method::DELETE, &path, &json!({})).await;
    assert_eq!(deleted.data(200)["connection"]["id"], connection["id"]);
    let failed = stack.start(&flow, &json!({})).await.wait("failed").await;
    assert_eq!(failed.error(), format!("no service connection `{slug}`; register it with POST /api/service-connections"));
    for answer in [
        stack.ada.send(Method::DELETE, &path, &json!({})).await,
        stack.ada.send(Method::DELETE, &format!("{PATH}/{slug}"), &json!({})).await,
        stack.ada.get(&format!("{path}/health")).await,
        stack.ada.get(&format!("{PATH}/Not%20a%20slug/health")).await,
    ] {
        assert_eq!(answer.error(404), "service connection not found");
    }
    assert_eq!(row(&stack.ada, &connection["id"]).await, None);
    // It can be registered again, as another connection.
    let again = register(&stack.ada, &stack, &slug, &key(), 201).await;
    assert_ne!(again["id"], connection["id"]);
    stack.ada.send(Method::DELETE, &format!("{PATH}/{slug}"), &json!({})).await.data(200);
}

#[tokio::test]
async fn a_key_that_is_moved_to_another_organisation_cannot_be_decrypted() {
    let stack = Stack::shared();
    let slug = slug();
    // The same slug in both organisations, so that only the organisation differs.
    let ours = register(&stack.ada, &stack, &slug, &key(), 201).await;
    let secret = key();
    let theirs = register(&stack.other, &stack, &slug, &secret, 201).await;
    let items = [&ours, &theirs].map(|connection| stack.aws.connection_item(connection["id"].as_str().unwrap()));
    let [our_item, their_item] = futures_util::future::join_all(items).await.try_into().unwrap();
    assert_ne!(our_item["pk"], their_item["pk"]);
    stack.aws.replace_sealed_key(&our_item, &their_item["sealedKey"]).await;

    let failed = stack.start(&calling(&stack, &slug).await, &json!({})).await.wait("failed").await;
    assert_eq!(
        failed.error(),
        format!("the key of service connection `{slug}` cannot be decrypted; register it again with POST /api/service-connections")
    );
    let health = stack.ada.get(&format!("{PATH}/{slug}/health")).await;
    assert!(health.data(200)["health"]["error"].as_str().unwrap().contains("cannot be decrypted"), "{}", health.body);
    assert!(stack.echo.sent_to(&format!("/{}/orders", below(&slug))).await.is_empty(), "nothing was sent");

    // A key that was sealed for another connection of the same organisation is not decrypted either.
    let other_slug = self::slug();
    let other = register(&stack.other, &stack, &other_slug, &key(), 201).await;
    let other_item = stack.aws.connection_item(other["id"].as_str().unwrap()).await;
    stack.aws.replace_sealed_key(&other_item, &their_item["sealedKey"]).await;
    let health = stack.other.get(&format!("{PATH}/{other_slug}/health")).await;
    assert!(health.data(200)["health"]["error"].as_str().unwrap().contains("cannot be decrypted"), "{}", health.body);
    // In its own place it is still decrypted.
    let health = stack.other.get(&format!("{PATH}/{slug}/health")).await;
    assert_eq!(health.data(200)["health"]["healthy"], true, "{}", health.body);
    let asked = stack.echo.only(&format!("/{}", below(&slug))).await;
    assert_eq!(asked.header("authorization"), format!("Bearer {secret}"));
}

#[tokio::test]
async fn another_organisation_sees_and_calls_its_own_connections_only() {
    let stack = Stack::shared();
    let slug = slug();
    let ours = register(&stack.ada, &stack, &slug, &key(), 201).await;
    assert_eq!(row(&stack.other, &ours["id"]).await, None);
    for answer in [
        stack.other.get(&format!("{PATH}/{slug}/health")).await,
        stack.other.send(Method::DELETE, &format!("{PATH}/{slug}"), &json!({})).await,
    ] {
        assert_eq!(answer.error(404), "service connection not found");
    }
    let mut call = echo_call("call", "/orders", &json!({}));
    call["service"] = slug.clone().into();
    let body = json!({"slug": unique("theirs"), "name": "Theirs", "spec": spec(&[call], &[])});
    let flow = stack.other.post("/api/flows", &body).await.data(201)["flow"]["id"].as_str().unwrap().to_owned();
    let started = stack.other.post(&format!("/api/flows/{flow}/execute"), &json!({})).await;
    let failed = crate::support::Run::of(&stack.other, &started.data(202)["run"]).wait("failed").await;
    assert!(failed.error().starts_with("no service connection"), "{}", failed.error());
    assert!(stack.echo.sent_to(&format!("/{}/orders", below(&slug))).await.is_empty());
    assert_eq!(row(&stack.ada, &ours["id"]).await, Some(ours));
}
