"""openapi.yaml agrees with the other places that state the same: routes, functions, events, scopes; and each operation is complete."""

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from definitions import resources
from document import EMITTED, FILE, ROOT, Operation, document, event_schema, events, operations, problems, resolved, validator

OPERATIONS = pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.id)
FUNCTIONS = {
    function["Metadata"]["BuildProperties"]["Binary"]: function["Properties"]
    for function in resources("AWS::Serverless::Function").values()
}
RATE_LIMIT = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
# These answers have no limits of a key: there was no valid key, or the store of the keys could not be read.
WITHOUT_RATE_LIMIT = {401, 500, 503}
BODY_STATUSES = {400, 413, 415}
SERVER_ERRORS = {500, 503}
# Every valid key may call these, whatever its scopes are.
ANY_KEY = {"getCaller", "getMe", "listSessions", "endSession", "logOut"}
# These refuse some callers all the same: for the sessions of others, and without the header that a cookie needs.
REFUSE_SOME = {"listSessions", "endSession", "logOut"}
# An operation that creates or replaces a resource says which it did with 201 or 200, with the same body. A dry run of a creation has
# created nothing, so it is 200 too.
PUTS = {"putConnection", "createFlow"}
# Operation ids that were published before their function had its present name. Generators name the methods of a client after the
# operation id, so these keep theirs.
PUBLISHED_IDS = {"receive-trigger": "receiveWebhook", "rotate-trigger-secret": "rotateWebhookSecret"}


def routes() -> dict[tuple[str, str], str]:
    """Returns every route of template.yaml with its function, but for the console: it is a page, and no part of the public contract."""
    return {
        (event["Properties"]["Method"], event["Properties"]["Path"]): name
        for name, function in FUNCTIONS.items()
        for event in function.get("Events", {}).values()
        if event["Type"] == "Api" and not event["Properties"]["Path"].startswith("/console")
    }


def source(name: str) -> str:
    return (ROOT / f"functions/{name}/src/lib.rs").read_text(encoding="utf-8")


def camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(part.capitalize() for part in rest)


def test_the_operations_are_the_routes() -> None:
    assert {(each.method, each.path) for each in operations()} == set(routes())


def test_every_function_behind_a_route_has_its_folder_and_its_events() -> None:
    behind = set(routes().values())
    for folder in ("functions", "events"):
        assert behind <= {path.name for path in (ROOT / folder).iterdir()}, folder


@OPERATIONS
def test_an_operation_is_called_as_its_function(operation: Operation) -> None:
    """The name is in camelCase or in PUBLISHED_IDS; a second route of the same function has its method as a suffix."""
    name = routes()[operation.method, operation.path]
    declared = re.search(r'method: "([A-Z]+)"', source(name))
    assert declared, f"functions/{name} declares no method"
    suffix = "" if operation.method == declared[1] else f"By{operation.method.capitalize()}"
    assert operation.id == PUBLISHED_IDS.get(name, camel(name)) + suffix


@OPERATIONS
def test_an_operation_names_the_scope_that_its_handler_asks_for(operation: Operation) -> None:
    found = re.search(r"scope: Some\(Scope::(\w+)\)", source(routes()[operation.method, operation.path]))
    if not operation.needs_key or operation.id in ANY_KEY:
        assert found is None and "x-required-scope" not in operation.spec
        return
    # crates/domain/src/access.rs has the words of the scopes.
    words = dict(re.findall(r'Self::(\w+) => "([a-z-]+:[a-z]+)"', (ROOT / "crates/domain/src/access.rs").read_text(encoding="utf-8")))
    assert found and operation.spec["x-required-scope"] == words[found[1]]


@OPERATIONS
def test_an_operation_documents_everything_that_a_caller_must_know(operation: Operation) -> None:
    assert operation.spec["summary"] and operation.spec["description"] and len(operation.spec["tags"]) == 1
    assert operation.spec["tags"][0] in [tag["name"] for tag in document()["tags"]]
    assert all(parameter["description"] for parameter in operation.parameters)
    in_path = {parameter["name"] for parameter in operation.parameters if parameter["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", operation.path))
    successes = [status for status in operation.responses if status < 300]
    assert successes == ([200, 201] if operation.id in PUTS else successes[:1]), "one success"
    if operation.needs_key:
        assert {401, 429, 500, 503} <= set(operation.responses)
        assert (403 in operation.responses) == (operation.id not in ANY_KEY or operation.id in REFUSE_SOME)
    # Without a key, a resource that does not exist is not distinguished from one that is not allowed.
    assert (404 in operation.responses) or not in_path or not operation.needs_key
    if operation.body_schema():
        assert set(operation.responses) >= BODY_STATUSES
    else:
        assert BODY_STATUSES & set(operation.responses) == {400}, "an unknown query parameter is refused on every operation"


QUERY = re.compile(r"Endpoint \{.*?query: &\[(.*?)\],?\s*\}", re.DOTALL)


@OPERATIONS
def test_a_handler_declares_the_query_parameters_of_its_operation(operation: Operation) -> None:
    """Admission refuses every other one, so `query` in ENDPOINT is the one place that a parameter is declared in."""
    declared = QUERY.search(source(routes()[operation.method, operation.path]))
    assert declared, "ENDPOINT declares no query parameters"
    documented = [parameter["name"] for parameter in operation.parameters if parameter["in"] == "query"]
    assert sorted(re.findall(r'"(\w+)"', declared[1])) == sorted(documented)


@OPERATIONS
def test_every_answer_of_an_operation_has_a_schema_and_the_rate_limit_of_the_key(operation: Operation) -> None:
    for status, response in operation.responses.items():
        headers = set(response.get("headers", {}))
        if status == 204:
            assert "content" not in response and headers == RATE_LIMIT
        elif operation.needs_key:
            assert list(response["content"]) == ["application/json"], status
            assert response["content"]["application/json"]["schema"].keys() == {"$ref"}, f"{status}: a named schema"
            assert headers & RATE_LIMIT == (set() if status in WITHOUT_RATE_LIMIT else RATE_LIMIT), status
            assert ("Retry-After" in headers) == (status == 429)
        else:
            assert not headers & RATE_LIMIT, "there is no key that has limits"


@OPERATIONS
def test_an_operation_shows_a_recorded_request_and_recorded_answers(operation: Operation) -> None:
    """The examples are recorded by tests/e2e/tour.rs (`make record-examples`); each is valid and has only fields that the schema names."""
    contents = [
        (f"{status}", content, True) for status, response in operation.responses.items() for content in response.get("content", {}).values()
    ]
    body = resolved(operation.spec.get("requestBody", {}))
    contents += [("request", content, False) for content in body.get("content", {}).values()]
    shown = set()
    for place, content, strict in contents:
        for example in content.get("examples", {}).values():
            shown.add(place)
            assert problems(validator(content["schema"], strict), resolved(example)["value"]) == [], place
    # The document is no example of itself, the page is large, and the tests cannot cause errors of the server.
    wanted = {"request"} if body else set()
    wanted |= {
        f"{status}"
        for status, response in operation.responses.items()
        if response.get("content") and status not in SERVER_ERRORS and operation.needs_key
    }
    assert shown == wanted


@OPERATIONS
def test_every_link_leads_from_the_recorded_answer_to_an_operation_that_takes_it(operation: Operation) -> None:
    for status, response in operation.responses.items():
        for name, link in response.get("links", {}).items():
            (target,) = (each for each in operations() if each.id == link["operationId"])
            examples = response["content"]["application/json"].get("examples")
            # An operation that takes no key has no recorded answers.
            if not examples and not operation.needs_key:
                continue
            answer = resolved(examples["recorded"])["value"]
            for parameter, expression in link["parameters"].items():
                value: Any = answer
                for part in expression.removeprefix("$response.body#/").split("/"):
                    value = value[int(part)] if isinstance(value, list) else value[part]
                (taken,) = (each for each in target.parameters if each["name"] == parameter)
                assert problems(validator(taken["schema"], strict=False), value) == [], f"{status} {name}: {parameter}"


def test_no_example_discloses_a_key_or_an_address() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:qe_sk_(?:sandbox|live)|whsec|wht)_([a-z2-7]{32})", text)) <= {32 * "a"}
    assert not re.search(r"127\.0\.0\.1|localhost|X-Amz-", text)


def test_the_events_are_those_of_the_domain() -> None:
    """The document has them, and those that flows emit under names of their own."""
    text = (ROOT / "crates/domain/src/event_name.rs").read_text(encoding="utf-8")
    ours = set(re.findall(r'pub const \w+: &str = "([a-z_.]+)"', text))
    assert set(events()) == {*ours, EMITTED}
    mapping = document()["components"]["schemas"]["Event"]["discriminator"]["mapping"]
    assert mapping == {name: event_schema(name)["$ref"] for name in ours}
    for name in ours:
        own = resolved(event_schema(name))["allOf"][1]["properties"]
        assert own["event"]["enum"] == [name]


def test_an_event_has_the_headers_that_the_domain_sends() -> None:
    text = (ROOT / "crates/domain/src/webhook/delivery.rs").read_text(encoding="utf-8")
    sent = set(re.findall(r'\("(x-quantum-[a-z]+)"', text))
    for name, event in events().items():
        assert {resolved(each)["name"].lower() for each in event["parameters"]} == sent, name
        assert event["security"] == [] and set(event["responses"]) == {"2XX", "default"}, name


@pytest.mark.parametrize("name", events())
def test_an_event_shows_a_recorded_one(name: str) -> None:
    (example,) = events()[name]["requestBody"]["content"]["application/json"]["examples"].values()
    value = resolved(example)["value"]
    assert problems(validator(event_schema(name), strict=True), value) == []
    assert name in (value["event"], EMITTED)


def test_the_scopes_are_those_of_the_domain() -> None:
    text = (ROOT / "crates/domain/src/access.rs").read_text(encoding="utf-8")
    words = re.findall(r'Self::\w+ => "([a-z-]+:[a-z]+)"', text)
    assert document()["components"]["schemas"]["Scope"]["enum"] == [*words, "read", "write"]


def test_the_node_types_are_those_of_the_domain() -> None:
    """Each of them is the type of a step, too."""
    text = (ROOT / "crates/domain/src/flow/node.rs").read_text(encoding="utf-8")
    named = re.search(r"pub fn name\(&self\).*?\{(.*?)\n    \}", text, re.DOTALL)
    assert named
    types = set(re.findall(r'"(\w+)"', named[1]))
    for union in ("Node", "Step"):
        assert set(document()["components"]["schemas"][union]["discriminator"]["mapping"]) == types, union


def test_a_node_has_the_fields_that_the_domain_reads() -> None:
    """A function for each type in flow/read/ reads these fields; the fields of every node are read in one place."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "crates/domain/src/flow/read").glob("*.rs")))
    asked = re.compile(r'fields\s*\.\w+(?:::<\w+>)?\(\s*"(\w+)"')
    functions = dict(re.findall(r"\n(?:pub\(\w+\) )?fn (\w+)\([^\n]*\{\n(.*?)\n\}", text, re.DOTALL))

    def fields(name: str) -> set[str]:
        body = functions[name]
        called = {
            "headers": "headers(fields)",
            "method": "method(fields",
            "tools": "tools(fields)",
            "revise": "revise(fields)",
            "requiredApprovals": "required_approvals(fields)",
            "escalate": "escalations(fields",
            "remind": "reminders(fields",
        }
        return set(asked.findall(body)) | {field for field, call in called.items() if call in body}

    every = {"id", "type", "retry", "timeoutSeconds", "onError"}
    readers = {
        "LlmStepNode": "llm",
        "ServiceCallNode": "service",
        "HttpRequestNode": "http",
        "HttpSinkNode": "sink",
        "WebhookEmitNode": "emit",
        "DecisionNode": "decision",
        "WaitNode": "wait",
        "HumanApprovalNode": "approval",
    }
    schemas = document()["components"]["schemas"]
    for schema, reader in readers.items():
        assert set(schemas[schema]["properties"]) == every | fields(reader), schema
    assert set(schemas["TransformNode"]["properties"]) == every | {"output"}
    assert set(schemas["RetryPolicy"]["properties"]) == fields("retry") - {"retry"}
    assert set(schemas["Revise"]["properties"]) == fields("revise") - {"revise"}
    assert set(schemas["Tool"]["properties"]) == fields("tool")
    assert set(schemas["Edge"]["properties"]) == fields("edge")
    assert set(schemas["FlowSpec"]["properties"]) == fields("read")


def test_schemas_of_requests_are_closed_and_those_of_answers_are_open() -> None:
    """The server refuses a request with an unknown field, so its schema does; an answer may gain fields."""
    schemas = document()["components"]["schemas"]
    sent: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, list):
            for each in node:
                visit(each)
        elif isinstance(node, dict):
            if "$ref" in node and node["$ref"] not in sent:
                sent.add(node["$ref"])
                visit(resolved(node))
            for value in node.values():
                visit(value)

    for operation in operations():
        visit(operation.body_schema() or {})
    for reference in sent:
        schema = resolved({"$ref": reference})
        if "properties" in schema:
            assert "additionalProperties" in schema, reference
    for name, schema in schemas.items():
        if f"#/components/schemas/{name}" not in sent and "properties" in schema and name != "OpenApiDocument":
            assert "additionalProperties" not in schema, f"{name}: it occurs in answers only"


def test_no_object_is_without_a_shape() -> None:
    def visit(node: Any, path: str) -> None:
        if isinstance(node, list):
            for number, each in enumerate(node):
                visit(each, f"{path}/{number}")
        elif isinstance(node, dict):
            kinds = node.get("type", [])
            if kinds in ("object", ["object", "null"]):
                assert "properties" in node or "additionalProperties" in node, path
            if kinds in ("array", ["array", "null"]):
                assert "items" in node, path
            for key, value in node.items():
                visit(value, f"{path}/{key}")

    visit(document()["components"]["schemas"], "")


def test_every_component_is_used() -> None:
    text = FILE.read_text(encoding="utf-8")
    for kind, components in document()["components"].items():
        for name in components:
            if kind != "securitySchemes":
                assert f'"#/components/{kind}/{name}"' in text, f"{kind}/{name}"


REQUESTS = [
    path
    for path in sorted(ROOT.glob("events/*/*.json"))
    if "httpMethod" in json.loads(path.read_text(encoding="utf-8")) and path.parent.name != "get-console"
]


@pytest.mark.parametrize("event", REQUESTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_sample_event_is_a_request_that_the_document_allows(event: Path) -> None:
    sample = json.loads(event.read_text(encoding="utf-8"))

    (operation,) = (each for each in operations() if (each.method, each.path) == (sample["httpMethod"], sample["resource"]))
    given = {
        "path": {name: unquote(value) for name, value in (sample.get("pathParameters") or {}).items()},
        "query": sample.get("queryStringParameters") or {},
        "header": {name.lower(): value for name, value in (sample.get("headers") or {}).items()},
    }
    for parameter in operation.parameters:
        name = parameter["name"].lower() if parameter["in"] == "header" else parameter["name"]
        value = given[parameter["in"]].pop(name, None)
        if value is not None:
            checker = validator(parameter["schema"], strict=False)
            number = int(value) if resolved(parameter["schema"]).get("type") == "integer" else value
            assert problems(checker, number) == [], parameter["name"]
    assert not given["path"] and not given["query"], "parameters that the document does not have"
    schema = operation.body_schema()
    if body := sample.get("body"):
        body = base64.b64decode(body) if sample["isBase64Encoded"] else body
        assert schema and problems(validator(schema, strict=False), json.loads(body)) == []
