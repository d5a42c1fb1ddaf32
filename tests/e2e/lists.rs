//! A flow's runs: every filter, every combination, pages by number and by cursor.

use serde_json::{Value, json};

use crate::support::{Api, ApiResponse, Flow, Method, Run, Stack, echo_call, edge, gate, spec, transform, unique};

/// A flow whose runs end as the input's `kind` says.
async fn varied(stack: &Stack) -> Flow {
    let case = |to: &str, case: &str| json!({"from": "choose", "to": to, "case": case});
    stack
        .flow(|slug| {
            let choose = json!({
                "id": "choose", "type": "decision", "expression": "trigger.kind",
                "cases": {"good": {"next": "good"}, "bad": {"next": "bad"}, "gate": {"next": "gate"}, "slow": {"next": "slow"}},
            });
            let bad = transform("bad", &json!("${trigger.missing}"));
            let slow = echo_call("slow", &format!("/delay/60000/{slug}"), &json!({}));
            let mut slow = slow;
            slow["timeoutSeconds"] = json!(90);
            spec(
                &[choose, transform("good", &json!(1)), bad, gate("gate", &json!(1), &json!({})), slow],
                &["good", "bad", "gate", "slow"].map(|kind| case(kind, kind)),
            )
        })
        .await
}

async fn started(stack: &Stack, flow: &Flow, kind: &str, status: &str) -> Run {
    let run = stack.start(flow, &json!({"kind": kind})).await;
    run.wait(status).await;
    run
}

async fn trivial(stack: &Stack, count: usize) -> (Flow, Vec<String>) {
    let flow = stack.flow(|_| spec(&[transform("a", &json!(1)), transform("b", &json!(1))], &[edge("a", "b")])).await;
    let mut ids = Vec::new();
    for _ in 0..count {
        let run = stack.start(&flow, &json!({})).await;
        run.wait("succeeded").await;
        ids.insert(0, run.id);
    }
    (flow, ids)
}

async fn list(stack: &Stack, flow: &Flow, query: &str) -> ApiResponse {
    stack.ada.get(&format!("/api/flows/{}/runs?{query}", flow.id)).await
}

fn ids(answer: &ApiResponse) -> Vec<&str> {
    answer.rows().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn runs_are_found_by_status_trigger_time_and_any_combination() {
    let stack = Stack::shared();
    let flow = varied(&stack).await;
    let good = started(&stack, &flow, "good", "succeeded").await;
    let bad = started(&stack, &flow, "bad", "failed").await;
    let parked = started(&stack, &flow, "gate", "awaiting_approval").await;
    let cancelled = started(&stack, &flow, "gate", "awaiting_approval").await;
    cancelled.cancel("for the list").await.data(200);
    let running = started(&stack, &flow, "slow", "running").await;
    // Newest first.
    let all = [&running, &cancelled, &parked, &bad, &good].map(|run| run.id.as_str());
    let mut times = Vec::new();
    for run in [&running, &cancelled, &parked, &bad, &good] {
        times.push(run.view().await.run["startedAt"].as_str().unwrap().to_owned());
    }
    let shifted = |at: usize, hours: &str, text: &str| format!("{}{hours}", times[at].replace('Z', text));

    let cases: Vec<(String, Vec<&str>)> = vec![
        (String::new(), all.to_vec()),
        ("status=running".into(), vec![all[0]]),
        ("status=cancelled".into(), vec![all[1]]),
        ("status=awaiting_approval".into(), vec![all[2]]),
        ("status=failed".into(), vec![all[3]]),
        ("status=succeeded".into(), vec![all[4]]),
        ("trigger=manual".into(), all.to_vec()),
        ("trigger=webhook".into(), vec![]),
        ("trigger=cron".into(), vec![]),
        (format!("from={}", times[2]), all[..=2].to_vec()),
        (format!("to={}", times[2]), all[3..].to_vec()),
        (format!("from={}&to={}", times[3], times[1]), all[2..=3].to_vec()),
        (format!("from={}&to={}", times[2], times[2]), vec![]),
        (format!("from={}&to={}", times[1], times[3]), vec![]),
        (format!("from={}", shifted(2, "%2B00:00", "")), all[..=2].to_vec()),
        ("from=1970-01-01T00:00:00Z&to=9999-12-30T00:00:00Z".into(), all.to_vec()),
        (format!("status=failed&from={}", times[3]), vec![all[3]]),
        (format!("status=failed&from={}", times[2]), vec![]),
        (format!("status=succeeded&trigger=manual&to={}", times[3]), vec![all[4]]),
        (format!("status=succeeded&trigger=cron&to={}", times[3]), vec![]),
        (format!("trigger=manual&from={}&to={}", times[4], times[0]), all[1..].to_vec()),
        ("status=&trigger=&from=&to=&cursor=".into(), all.to_vec()),
    ];
    for (query, expected) in cases {
        let answer = list(&stack, &flow, &query).await;
        assert_eq!(ids(&answer), expected, "{query}");
        assert_eq!(answer.body["total"], expected.len(), "{query}");
        assert!(answer.body["meta"].get("nextCursor").is_none(), "{query}: {}", answer.body);
    }
    running.cancel("enough").await.data(200);
    let answer = list(&stack, &flow, "status=cancelled").await;
    assert_eq!(ids(&answer), [all[0], all[1]], "a run moves between the filters with its status");
    assert!(list(&stack, &flow, "status=running").await.rows().is_empty());
    parked.approve(&json!({})).await.data(200);
    parked.wait("succeeded").await;
    assert_eq!(ids(&list(&stack, &flow, "status=succeeded").await), [all[2], all[4]]);
}

#[tokio::test]
async fn a_row_is_a_summary() {
    let stack = Stack::shared();
    let flow = varied(&stack).await;
    started(&stack, &flow, "good", "succeeded").await;
    let failed = started(&stack, &flow, "bad", "failed").await.view().await;
    let answer = stack.ada.get(&format!("/api/flows/{}/runs", flow.slug)).await;
    let rows = answer.rows();
    for row in rows {
        for name in ["input", "inputRef", "steps", "output", "progress"] {
            assert!(row.get(name).is_none(), "{name}: {row}");
        }
        assert_eq!((&row["flowId"], &row["flowVersion"], &row["trigger"]), (&json!(flow.id), &json!(1), &json!("manual")));
    }
    assert_eq!(rows[0]["status"], "failed");
    for name in ["id", "traceId", "startedAt", "finishedAt", "status"] {
        assert_eq!(rows[0][name], failed.run[name], "{name}");
    }
    assert_eq!(rows[0]["error"]["message"], failed.error());
    assert!(rows[1].get("error").is_none());
}

#[tokio::test]
async fn pages_by_number_show_every_run_once() {
    let stack = Stack::shared();
    let (flow, all) = trivial(&stack, 7).await;
    for (page, expected) in [(1, &all[..3]), (2, &all[3..6]), (3, &all[6..]), (4, &all[7..])] {
        let answer = list(&stack, &flow, &format!("limit=3&page={page}")).await;
        assert_eq!(ids(&answer), expected, "page {page}");
        let meta = (&answer.body["total"], &answer.body["page"], &answer.body["limit"], &answer.body["meta"]["pages"]);
        assert_eq!(meta, (&json!(7), &json!(page), &json!(3), &json!(3)));
    }
}

async fn walked(stack: &Stack, flow: &Flow, query: &str) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    for number in 1..20 {
        let answer = list(stack, flow, &format!("{query}{cursor}")).await;
        assert_eq!(answer.body["page"], number, "{query}");
        pages.push(ids(&answer).into_iter().map(str::to_owned).collect());
        match answer.body["meta"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
    panic!("the cursor never ends: {pages:?}");
}

#[tokio::test]
async fn pages_by_cursor_are_full_and_show_every_run_once() {
    let stack = Stack::shared();
    let (flow, all) = trivial(&stack, 6).await;
    let sizes = |pages: &[Vec<String>]| pages.iter().map(Vec::len).collect::<Vec<_>>();
    for (query, expected) in [
        ("limit=1", vec![1; 6]),
        ("limit=4", vec![4, 2]),
        ("limit=3", vec![3, 3]),
        ("limit=6", vec![6]),
        ("limit=100", vec![6]),
        ("limit=4&status=succeeded", vec![4, 2]),
        ("limit=5&trigger=manual&from=2020-01-01T00:00:00Z", vec![5, 1]),
        ("limit=4&status=failed", vec![0]),
    ] {
        let pages = walked(&stack, &flow, query).await;
        assert_eq!(sizes(&pages), expected, "{query}");
        let expected = if expected == [0] { &[][..] } else { &all[..] };
        assert_eq!(pages.concat(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_holds_its_place_while_runs_are_added() {
    let stack = Stack::shared();
    let (flow, all) = trivial(&stack, 4).await;
    let first = list(&stack, &flow, "limit=2").await;
    let next = first.body["meta"]["nextCursor"].as_str().unwrap();
    stack.start(&flow, &json!({})).await.wait("succeeded").await;
    assert_eq!(ids(&list(&stack, &flow, &format!("limit=2&cursor={next}")).await), all[2..]);
}

#[tokio::test]
async fn a_cursor_belongs_to_one_list_with_its_filters() {
    let stack = Stack::shared();
    let (flow, _) = trivial(&stack, 3).await;
    let (another, _) = trivial(&stack, 3).await;
    let answer = list(&stack, &flow, "limit=1&status=succeeded").await;
    let cursor = answer.body["meta"]["nextCursor"].as_str().unwrap();
    list(&stack, &flow, &format!("limit=2&status=succeeded&cursor={cursor}")).await.data(200);
    for query in
        [format!("cursor={cursor}"), format!("status=failed&cursor={cursor}"), format!("status=succeeded&trigger=manual&cursor={cursor}")]
    {
        assert_eq!(list(&stack, &flow, &query).await.field_error(400, "cursor"), "is not a cursor of this list", "{query}");
    }
    let elsewhere = list(&stack, &another, &format!("status=succeeded&cursor={cursor}")).await;
    assert_eq!(elsewhere.faulty_fields(400), ["cursor"]);
    let body = json!({"url": format!("{}/lists", stack.echo.url), "events": ["nothing.*"], "description": "Of the tests of lists"});
    let webhook = format!("/api/webhooks/{}", stack.ada.post("/api/webhooks", &body).await.data(201)["webhook"]["id"].as_str().unwrap());
    let deliveries = format!("{webhook}/deliveries");
    for path in ["/api/flows", "/api/approvals", "/api/api-keys", "/api/service-connections", "/api/webhooks", &deliveries] {
        assert_eq!(stack.ada.get(&format!("{path}?cursor={cursor}")).await.faulty_fields(400), ["cursor"], "{path}");
    }
    stack.ada.send(Method::DELETE, &webhook, &json!({})).await.data(200);
    let foreign = stack.other.get(&format!("/api/flows?cursor={cursor}")).await;
    assert_eq!(foreign.faulty_fields(400), ["cursor"]);
    // Its id and its slug name the same flow, and two notations of a time name the same moment.
    let by_slug = stack.ada.get(&format!("/api/flows/{}/runs?limit=2&status=succeeded&cursor={cursor}", flow.slug)).await;
    assert_eq!(by_slug.rows().len(), 2);
    let spanned = list(&stack, &flow, "limit=1&from=2020-01-01T00:00:00Z").await;
    let cursor = spanned.body["meta"]["nextCursor"].as_str().unwrap();
    list(&stack, &flow, &format!("limit=1&from=2020-01-01T01:00:00%2B01:00&cursor={cursor}")).await.data(200);
    let later = list(&stack, &flow, &format!("limit=1&from=2020-01-01T00:00:00.001Z&cursor={cursor}")).await;
    assert_eq!(later.faulty_fields(400), ["cursor"]);
}

#[tokio::test]
async fn a_cursor_belongs_to_one_organisation() {
    let stack = Stack::shared();
    for _ in 0..2 {
        trivial(&stack, 0).await;
        // A list of the same name and with the same filters in both organisations.
        let flow = json!({"slug": unique("other"), "name": "Theirs", "spec": spec(&[transform("a", &json!(1))], &[])});
        stack.other.post("/api/flows", &flow).await.data(201);
    }
    let of = async |api: &Api| {
        let answer = api.get("/api/flows?limit=1").await;
        answer.body["meta"]["nextCursor"].as_str().unwrap().to_owned()
    };
    let (ours, theirs) = (of(&stack.ada).await, of(&stack.other).await);
    for (api, own, foreign) in [(&stack.ada, &ours, &theirs), (&stack.other, &theirs, &ours)] {
        api.get(&format!("/api/flows?limit=1&cursor={own}")).await.data(200);
        let refused = api.get(&format!("/api/flows?limit=1&cursor={foreign}")).await;
        assert_eq!(refused.field_error(400, "cursor"), "is not a cursor of this list");
    }
    // Another member of the organisation may continue where a colleague stopped.
    stack.grace.get(&format!("/api/flows?limit=1&cursor={ours}")).await.data(200);
}

#[tokio::test]
async fn a_cursor_that_was_changed_is_refused() {
    let stack = Stack::shared();
    let (flow, all) = trivial(&stack, 2).await;
    let answer = list(&stack, &flow, "limit=1").await;
    let cursor = answer.body["meta"]["nextCursor"].as_str().unwrap();
    assert!(!cursor.contains(&all[0]) && !cursor.contains(&all[0]["run_".len()..]), "{cursor}");
    let last = cursor.len() - 1;
    for at in [0, 1, 7, last / 4, last / 2, last * 3 / 4, last - 5, last - 1, last] {
        let flipped = if &cursor[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{flipped}{}", &cursor[..at], &cursor[at + 1..]);
        let refused = list(&stack, &flow, &format!("limit=1&cursor={changed}")).await;
        assert_eq!(refused.field_error(400, "cursor"), "is not a cursor of this list", "character {at}");
    }
    for changed in [format!("{cursor}A"), cursor[1..].to_owned(), cursor[..last].to_owned(), cursor.repeat(2), cursor.to_lowercase()] {
        let refused = list(&stack, &flow, &format!("limit=1&cursor={changed}")).await;
        assert_eq!(refused.faulty_fields(400), ["cursor"], "{changed}");
    }
    assert_eq!(ids(&list(&stack, &flow, &format!("limit=1&cursor={cursor}")).await), all[1..]);
}

#[tokio::test]
async fn pages_show_every_run_once_while_runs_change_status() {
    let stack = Stack::shared();
    let flow = varied(&stack).await;
    let mut runs = Vec::new();
    for _ in 0..6 {
        runs.insert(0, started(&stack, &flow, "gate", "awaiting_approval").await);
    }
    // Between two pages the status of one run that was shown and of one that was not changes.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for (page, (shown, coming)) in [(0, 3), (1, 4), (2, 5)].into_iter().enumerate() {
        let answer = list(&stack, &flow, &format!("limit=2{cursor}")).await;
        assert_eq!((answer.rows().len(), &answer.body["total"]), (2, &json!(6)), "page {page}");
        seen.extend(ids(&answer).into_iter().map(str::to_owned));
        cursor = answer.body["meta"]["nextCursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
        runs[shown].cancel("seen").await.data(200);
        if page < 2 {
            runs[coming].approve(&json!({})).await.data(200);
            runs[coming].wait("succeeded").await;
        }
    }
    assert!(cursor.is_empty(), "three pages of two are all");
    assert_eq!(seen, runs.iter().map(|run| run.id.clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_run_that_leaves_a_filtered_list_between_two_pages_is_the_only_one_missing() {
    let stack = Stack::shared();
    let flow = varied(&stack).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.insert(0, started(&stack, &flow, "gate", "awaiting_approval").await);
    }
    let first = list(&stack, &flow, "limit=2&status=awaiting_approval").await;
    assert_eq!((ids(&first), &first.body["total"]), (vec![runs[0].id.as_str(), &runs[1].id], &json!(5)));
    let next = first.body["meta"]["nextCursor"].as_str().unwrap();
    runs[1].cancel("the last one that was shown").await.data(200);
    runs[2].cancel("the next one").await.data(200);
    let second = list(&stack, &flow, &format!("limit=2&status=awaiting_approval&cursor={next}")).await;
    assert_eq!((ids(&second), &second.body["total"]), (vec![runs[3].id.as_str(), &runs[4].id], &json!(3)));
    assert!(second.body["meta"].get("nextCursor").is_none());
}

#[tokio::test]
async fn an_invalid_query_is_refused_by_field() {
    let stack = Stack::shared();
    let (flow, _) = trivial(&stack, 0).await;
    let runs = format!("/api/flows/{}/runs", flow.id);
    let status = "must be one of running, awaiting_approval, succeeded, failed, cancelled";
    for (path, field, problem) in [
        (format!("{runs}?limit=0"), "limit", "must be a whole number from 1 to 100"),
        (format!("{runs}?limit=101"), "limit", "must be a whole number from 1 to 100"),
        (format!("{runs}?limit=ten"), "limit", "must be a whole number from 1 to 100"),
        (format!("{runs}?limit=-1"), "limit", "must be a whole number from 1 to 100"),
        (format!("{runs}?limit=1.5"), "limit", "must be a whole number from 1 to 100"),
        (format!("{runs}?page=1002&limit=1"), "page", "reaches beyond 1000 rows; follow meta.nextCursor instead"),
        (format!("{runs}?cursor=bm90IG91cnM"), "cursor", "is not a cursor of this list"),
        (format!("{runs}?cursor=%F0%9F%A6%80"), "cursor", "is not a cursor of this list"),
        (format!("{runs}?status=done"), "status", status),
        (format!("{runs}?status=Running"), "status", status),
        (format!("{runs}?trigger=magic"), "trigger", "must be one of manual, webhook, cron"),
        (format!("{runs}?from=yesterday"), "from", "must be an RFC 3339 time such as 2026-01-02T03:04:05Z"),
        (format!("{runs}?to=2026-13-01T00:00:00Z"), "to", "must be an RFC 3339 time such as 2026-01-02T03:04:05Z"),
        (format!("{runs}?from=1700000000"), "from", "must be an RFC 3339 time such as 2026-01-02T03:04:05Z"),
        ("/api/flows?limit=0".into(), "limit", "must be a whole number from 1 to 100"),
        ("/api/flows?cursor=x".into(), "cursor", "is not a cursor of this list"),
        ("/api/approvals?limit=101".into(), "limit", "must be a whole number from 1 to 100"),
        ("/api/approvals?assignee=ada".into(), "assignee", "must be `me`, `role:…`, `user:…` or `team:…`"),
        ("/api/approvals?flow=Not%20A%20Slug".into(), "flow", "must be the id or the slug of a flow"),
    ] {
        let answer = stack.ada.get(&path).await;
        assert_eq!(answer.error(400), "validation failed", "{path}");
        assert_eq!(answer.field_errors(400).len(), 1, "{path}: {}", answer.body);
        assert_eq!(answer.field_error(400, field), problem, "{path}");
    }
    let page_zero = stack.ada.get(&format!("{runs}?page=0")).await;
    assert_eq!(page_zero.faulty_fields(400), ["page"]);
    let several = stack.ada.get(&format!("{runs}?limit=0&status=x&from=y&cursor=z")).await;
    assert_eq!(several.faulty_fields(400), ["cursor", "from", "limit", "status"]);
    let empty: Value = list(&stack, &flow, "").await.body;
    assert_eq!(empty, json!({"data": [], "total": 0, "page": 1, "limit": 20, "meta": {"pages": 0}}));
}
