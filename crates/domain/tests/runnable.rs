//! Saved means that it can run: what no run could execute is refused at its path, with what to write instead, and what only some runs
//! can execute is a warning.
#![expect(clippy::needless_pass_by_value, reason = "`json!(…)` reads better without a `&`")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

mod common;

use common::specs::{accepts, http, llm, problems, problems_of, refuses, service};
use common::{decision, gate, spec_json, task};
use domain::flow::Spec;
use serde_json::{Value, json};

fn transform(id: &str, output: Value) -> Value {
    json!({"id": id, "type": "transform", "output": output})
}

/// Returns the warnings of a spec as `path: text`.
fn warnings(spec: &Value) -> Vec<String> {
    let (_, warnings) = Spec::parse_with_warnings(spec).unwrap();
    warnings.by_path().iter().flat_map(|(path, texts)| texts.iter().map(move |text| format!("{path}: {text}"))).collect()
}

/// Asserts that the only problem of a spec is at `path` and mentions `hint`.
fn refuses_at(spec: &Value, path: &str, hint: &str) {
    let problems = problems(spec);
    assert!(problems.len() == 1 && problems[0].starts_with(&format!("{path}: ")) && problems[0].contains(hint), "{problems:?}");
}

#[test]
fn a_quorum_that_the_only_assignee_cannot_reach_is_a_warning() {
    let with = |fields: Value| spec_json(&[gate("review", fields)], "");
    let groups = json!([{"from": "user:usr_bob"}]);
    for fields in
        [json!({"assignTo": "user:usr_ada", "requiredApprovals": 2}), json!({"assignTo": "user:usr_ada", "requiredApprovals": groups})]
    {
        let found = warnings(&with(fields));
        assert!(found.len() == 1 && found[0].starts_with("spec.nodes[0].requiredApprovals: cannot be reached"), "{found:?}");
    }
    for fields in [
        json!({"assignTo": "user:usr_bob", "requiredApprovals": groups}),
        json!({"assignTo": "role:lead", "requiredApprovals": 2}),
        json!({"assignTo": "user:${trigger.who}", "requiredApprovals": 2}),
        json!({"requiredApprovals": groups}),
    ] {
        assert_eq!(warnings(&with(fields)), [""; 0]);
    }
}

#[test]
fn an_expression_is_a_path_with_alternatives() {
    for (expression, hint) in [
        ("trigger.amount > 100", "no operators"),
        ("x ?? 1", "is no path"),
        ("trigger.x | default", "no filters"),
        ("trigger.a]b", "brackets"),
        ("trigger.first name", "brackets"),
    ] {
        let node = transform("x", json!(format!("${{{expression}}}")));
        let problems = problems_of(&node);
        assert!(problems.len() == 1 && problems[0].contains(hint) && problems[0].starts_with("output: "), "{problems:?}");
        // What was saved before is still read.
        let spec = json!({"startNodeId": "x", "nodes": [node]});
        assert_eq!(Spec::stored(&spec).is_ok(), expression != "x ?? 1", "{expression}");
    }
    let decides = json!({"type": "decision", "expression": "trigger.amount > 100", "cases": {"1": {"next": "b"}}});
    let mut decides = decides;
    decides["id"] = json!("a");
    let spec = json!({"startNodeId": "a", "nodes": [decides, transform("b", json!(1))], "edges": [{"from": "a", "to": "b", "case": "1"}]});
    refuses_at(&spec, "spec.nodes[0].expression", "no operators");
    for good in
        ["${trigger[\"a.b\"]}", "${trigger['it\\'s']}", "${trigger.a ?? 1}", "${'$'}${trigger.amount}", "${trigger.a ?? trigger.b ?? null}"]
    {
        accepts(&transform("x", json!(good)));
    }
}

#[test]
fn a_path_that_the_output_of_a_node_cannot_have_is_refused() {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["amount"],
        "properties": {"amount": {"type": "number"}, "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}}},
        "$defs": {"line": {"type": "object", "properties": {"sku": {"type": "string"}}}}});
    let draft = llm(json!({"id": "up", "outputSchema": schema}));
    for (from, path, refused) in [
        (&draft, "amount", false),
        (&draft, "parsed.amount", false),
        (&draft, "lines[0].sku", false),
        (&draft, "tokens.total", false),
        (&draft, "text", false),
        (&draft, "amuont", true),
        (&draft, "amount.value", true),
        (&draft, "lines.sku", true),
        (&llm(json!({"id": "up"})), "text", false),
        (&llm(json!({"id": "up"})), "amount", true),
        (&gate("up", json!({})), "proposedAction.any.thing", false),
        (&gate("up", json!({})), "action", true),
        (&gate("up", json!({})), "note.x", true),
        (&task("up", json!({})), "body.x", false),
        (&task("up", json!({})), "data.x", true),
        (&transform("up", json!({"a": [1, "${trigger.x}"]})), "a[1].z", false),
        (&transform("up", json!({"a": [1, "${trigger.x}"]})), "a[2]", true),
        (&transform("up", json!({"a": "text ${trigger.x}"})), "a.b", true),
        (&json!({"id": "up", "type": "wait", "seconds": 1}), "until", true),
    ] {
        let mut from = from.clone();
        from["id"] = json!("up");
        let reader = transform("down", json!(format!("${{step.up.output.{path}}}")));
        let found = problems(&spec_json(&[from, reader], "up>down"));
        assert_eq!(!found.is_empty(), refused, "{path}: {found:?}");
        if refused {
            assert!(found[0].starts_with("spec.nodes[1].output: ") && found[0].contains("`up` puts out"), "{found:?}");
        }
    }
    let open = llm(json!({"id": "up", "outputSchema": {"type": "object", "properties": {"amount": {"type": "number"}}}}));
    let spec = spec_json(&[open, transform("down", json!("${step.up.output.amuont}"))], "up>down");
    assert_eq!(
        warnings(&spec),
        ["spec.nodes[1].output: `${step.up.output.amuont}` names a field of `up` that its outputSchema does not mention"]
    );
}

#[test]
fn nodes_of_which_never_all_run_cannot_be_read_together() {
    let choice = || decision("choose", &[("a", "left"), ("b", "right")]);
    let ends = |output: Value| {
        let mut spec = spec_json(&[choice(), transform("left", json!(1)), transform("right", json!(2))], "choose>left:a choose>right:b");
        spec["output"] = output;
        spec
    };
    let never = problems(&ends(json!(["${step.left.output}", "${step.right.output}"])));
    assert_eq!(never.len(), 2, "{never:?}");
    assert!(never[0].starts_with("spec.output[0]: ") && never[0].contains("?? step.<other>.output"), "{never:?}");
    let sometimes = warnings(&ends(json!("${step.left.output}")));
    assert!(sometimes.len() == 1 && sometimes[0].starts_with("spec.output: ") && sometimes[0].contains("?? null"), "{sometimes:?}");
    assert_eq!(warnings(&ends(json!("${step.left.output ?? step.right.output}"))), [""; 0]);
    assert_eq!(warnings(&ends(json!("${step.left.output ?? 'none'}"))), [""; 0]);
}

#[test]
fn a_node_behind_an_error_route_reads_nothing_of_the_node_that_failed() {
    let nodes = [task("call", json!({"onError": "route_to:sorry"})), transform("sorry", json!("${step.call.output.body}"))];
    refuses_at(&spec_json(&nodes, ""), "spec.nodes[1].output", "can never be read together");
}

#[test]
fn a_url_is_absolute_and_has_a_host() {
    for (url, hint) in [
        ("example.com/x", "write `https://example.com/x`"),
        ("file:///etc/passwd", "not with `file:`"),
        ("ftp://example.com", "not with `ftp:`"),
        ("https://", "has no host"),
        ("https:///x", "has no host"),
        ("https://:443/x", "has no host"),
        ("https://exa mple.com/x", "a host that cannot be"),
        ("https://{host}/x", "a host that cannot be"),
        ("https://example.com:99999/x", "a port that cannot be"),
        ("https://example.com:http/x", "a port that cannot be"),
        ("https://ada:secret@example.com/x", "a user name or a password"),
        ("http://example.com/x", "write `https://example.com/x`"),
        ("HTTP://10.0.0.1/${trigger.x}", "must begin with `https://`"),
        ("http://localhost.example.com/x", "must begin with `https://`"),
        ("http://127.example.com/x", "must begin with `https://`"),
        ("${trigger.base}/x", "percent-encoded"),
        ("https://example.com/a#b", "%23"),
        ("https://example.com/a\\b", "%5C"),
        ("https://example.com/a\nb", "line breaks"),
    ] {
        for node in [http(json!({"url": url})), json!({"type": "http_sink", "url": url})] {
            let problems = problems_of(&node);
            assert!(problems.len() == 1 && problems[0].starts_with("url: ") && problems[0].contains(hint), "{url}: {problems:?}");
        }
    }
    for url in [
        "https://example.com",
        "HTTPS://example.com/x?y=${trigger.y}",
        "${trigger.url}",
        "https://${trigger.host}/x",
        "http://localhost:1/x",
        "http://127.0.0.1:4567/${trigger.x}",
        "https://[2001:db8::1]:8443/x",
        "https://bücher.example/x",
        "https://example.com:8443",
    ] {
        accepts(&http(json!({"url": url})));
    }
}

#[test]
fn a_path_and_a_header_have_only_characters_that_can_be_sent() {
    refuses(&service(json!({"path": "/a#b"})), "path: must not contain `#`, which would not reach the service; write `%23`");
    refuses(&service(json!({"path": "/a\\b"})), "path: must not contain `\\`, which would not reach the service; write `%5C`");
    for value in ["a\nb", "a\r\nX-Evil: 1", "a\u{0}"] {
        refuses(
            &service(json!({"headers": {"X-A": value}})),
            "headers.X-A: has a line break or another control character, which no header can have",
        );
    }
    accepts(&service(json!({"path": "/a/${trigger.id}?x=1", "headers": {"X-A": "a\tü ${trigger.b}"}})));
}

#[test]
fn allowed_edits_name_places_of_the_proposed_action() {
    let action =
        json!({"amount": 1, "lines": [{"sku": "a"}], "to": "${trigger.to}", "label": "for ${trigger.name}", "*": 1, "-": {"01": 1}});
    for (pointer, hint) in [
        ("/lines/*", "no wildcards"),
        ("/lines/-", "name the array"),
        ("/lines/00", "leading zeros"),
        ("/to/01", "leading zeros"),
        ("/amuont", "has no `/amuont`"),
        ("/lines/1", "has no `/lines/1`"),
        ("/lines/0/price", "has no `/lines/0/price`"),
        ("/label/x", "has no `/label/x`"),
    ] {
        let problems = problems_of(&gate("x", json!({"proposedAction": action, "allowedEdits": ["/amount", pointer]})));
        assert!(
            problems.len() == 1 && problems[0].starts_with("allowedEdits[1]: ") && problems[0].contains(hint),
            "{pointer}: {problems:?}"
        );
    }
    accepts(&gate("x", json!({"proposedAction": action, "allowedEdits": ["", "/amount", "/lines/0/sku", "/to/any/0", "/*", "/-/01"]})));
    let draft = llm(
        json!({"id": "draft", "outputSchema": {"type": "object", "properties": {"amount": {"type": "number"}}, "additionalProperties": false}}),
    );
    let with = |edits: Value| {
        let mut draft = draft.clone();
        draft["id"] = json!("draft");
        spec_json(&[draft, gate("review", json!({"proposedAction": "${step.draft.output.parsed}", "allowedEdits": edits}))], "draft>review")
    };
    assert_eq!(problems(&with(json!(["/amount"]))), [""; 0]);
    refuses_at(&with(json!(["/amuont"])), "spec.nodes[1].allowedEdits[0]", "has no `/amuont`");
}

#[test]
fn a_misspelt_keyword_of_a_schema_is_refused_at_its_path() {
    let schema = json!({"type": "object", "proprties": {"a": {}}, "properties": {"proprties": {"maxLenght": 3}, "x": {"anyOf": [{"minimun": 1}]}}, "x-note": 1});
    let problems = problems_of(&llm(json!({"outputSchema": schema})));
    let paths: Vec<&str> = problems.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        ["outputSchema.properties.proprties.maxLenght", "outputSchema.properties.x.anyOf[0].minimun", "outputSchema.proprties"]
    );
    assert!(problems[2].ends_with("is not a keyword of JSON Schema and would be ignored; write `properties`"), "{problems:?}");
}

#[test]
fn a_schema_that_no_value_satisfies_is_refused() {
    let closed =
        |required: Value| json!({"type": "object", "properties": {"amount": {}}, "required": required, "additionalProperties": false});
    accepts(&llm(json!({"outputSchema": closed(json!(["amount"]))})));
    let problems = problems_of(&llm(json!({"outputSchema": {"type": "array", "items": closed(json!(["amuont"]))}})));
    assert!(problems.len() == 1 && problems[0].starts_with("outputSchema.items.required: requires `amuont`"), "{problems:?}");
    for (schema, at) in [
        (json!({"type": "number", "max": 500}), "outputSchema.max: "),
        (json!({"type": "string", "regex": "^a"}), "outputSchema.regex: "),
        (json!({"type": "text"}), "outputSchema: "),
        (json!({"$ref": "#/$defs/nowhere"}), "outputSchema: "),
        (json!({"$ref": "https://example.com/schema.json"}), "outputSchema: "),
        (json!({"type": "string", "pattern": "("}), "outputSchema: "),
        (json!({"type": "object", "required": "amount"}), "outputSchema: "),
        (json!({"minimum": "5"}), "outputSchema: "),
        (json!("number"), "outputSchema: "),
    ] {
        let problems = problems_of(&llm(json!({"outputSchema": schema})));
        assert!(problems.len() == 1 && problems[0].starts_with(at), "{schema}: {problems:?}");
    }
}

#[test]
fn what_is_written_out_is_checked_also_in_a_text_with_values_or_an_escape() {
    let with = |extra: Value| gate("x", extra);
    for (assign_to, hint) in [
        ("reviewer", "must be `role:…`"),
        ("Role:${trigger.role}", "must begin with `role:`"),
        ("ada-${trigger.x}", "must begin with `role:`"),
        ("$${trigger.role}", "must be `role:…`"),
        ("role:", "must be `role:…`"),
    ] {
        let problems = problems_of(&with(json!({"assignTo": assign_to})));
        assert!(problems.len() == 1 && problems[0].starts_with("assignTo: ") && problems[0].contains(hint), "{assign_to}: {problems:?}");
    }
    for good in ["${trigger.reviewer}", "role:${trigger.role}", "team:${trigger.a}-${trigger.b}"] {
        accepts(&with(json!({"assignTo": good})));
    }
    let problems = problems_of(&with(json!({"actionLabel": format!("{}${{trigger.x}}", "a".repeat(4_001))})));
    assert!(problems.len() == 1 && problems[0].starts_with("actionLabel: has 4001 bytes"), "{problems:?}");
    for until in ["tomorrow", "$${trigger.x}", "2026-02-30T00:00:00Z", "2026-01-01"] {
        let problems = problems_of(&json!({"type": "wait", "until": until}));
        assert!(problems.len() == 1 && problems[0].starts_with("until: "), "{until}: {problems:?}");
    }
}

#[test]
fn a_decision_on_what_is_never_a_single_value_is_refused() {
    let decides = |first: Value, expression: &str| {
        let mut choose = decision("choose", &[("1", "end")]);
        choose["expression"] = json!(expression);
        let id = first["id"].as_str().unwrap().to_owned();
        spec_json(&[first, choose, transform("end", json!(1))], &format!("{id}>choose choose>end:1"))
    };
    let ask = || {
        let mut ask = llm(json!({}));
        ask["id"] = json!("a");
        ask
    };
    for (first, expression) in [
        (ask(), "step.a.output"),
        (ask(), "step.a.output.tokens"),
        (transform("a", json!({"b": 1})), "step.a.output"),
        (transform("a", json!([1])), "step.a.output"),
        (gate("a", json!({})), "step.a.output"),
        (task("a", json!({})), "step.a.output.headers"),
    ] {
        refuses_at(&decides(first, expression), "spec.nodes[1].expression", "always an array or an object");
    }
    for (first, expression) in [
        (ask(), "step.a.output.text"),
        (transform("a", json!("${trigger.x}")), "step.a.output"),
        (task("a", json!({})), "step.a.output.body"),
    ] {
        assert_eq!(problems(&decides(first, expression)), [""; 0], "{expression}");
    }
}

#[test]
fn a_path_that_no_node_of_the_type_puts_out_is_refused() {
    let reads = |first: Value, expression: &str| {
        let id = first["id"].as_str().unwrap().to_owned();
        spec_json(&[first, transform("b", json!(format!("${{{expression}}}")))], &format!("{id}>b"))
    };
    let items = json!({"type": "object", "properties": {"items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": false}}}, "additionalProperties": false});
    let mut ask = llm(json!({"outputSchema": items}));
    ask["id"] = json!("a");
    let sink = json!({"id": "a", "type": "http_sink", "url": "https://example.com"});
    let wait = json!({"id": "a", "type": "wait", "seconds": 1});
    for (first, expression) in [
        (sink.clone(), "step.a.output.body"),
        (sink.clone(), "step.a.output.status.code"),
        (wait, "step.a.output.until"),
        (gate("a", json!({})), "step.a.output.comment"),
        (task("a", json!({})), "step.a.output.data"),
        (task("a", json!({})), "step.a.output.status.code"),
        (ask.clone(), "step.a.output.items.name"),
        (ask.clone(), "step.a.output.items.0.title"),
        (ask.clone(), "step.a.output.entries"),
        (transform("a", json!({"b": [1]})), "step.a.output.b.1"),
        (transform("a", json!({"b": "x ${trigger.y}"})), "step.a.output.b.c"),
    ] {
        refuses_at(&reads(first, expression), "spec.nodes[1].output", "can never be read");
    }
    for expression in [
        "step.a.status",
        "step.a.response.status",
        "run.name",
        "run.id.x",
        "trigger.items[-1]",
        "trigger.items[*].name",
        "trigger.",
        "trigger..a",
        "env.HOME",
        "secrets.key",
        "step.a.input.x",
    ] {
        let problems = problems(&reads(sink.clone(), expression));
        assert_eq!(problems.len(), 1, "{expression}: {problems:?}");
    }
    assert_eq!(problems(&reads(sink, "step.a.output.status")), [""; 0]);
    assert_eq!(problems(&reads(ask, "step.a.output.items[0].name")), [""; 0]);
}
