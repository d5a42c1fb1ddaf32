"""Every answer and event that the end-to-end tests saw is one that openapi.yaml promises, and what it promises was seen."""

import json
from collections import Counter, defaultdict

import pytest

import recordings
from document import EMITTED, event_schema, events, operations, problems, resolved, validator
from recordings import exchanges, folder

pytestmark = pytest.mark.skipif(folder() is None, reason="RECORD_DIR names no recordings: `make test` makes them in its end-to-end tests")

# What no test brings about over HTTP: something behind the API would have to fail. The Rust tests of `api` do.
OUR_FAULT = {500, 503}
# The door before every handler is one; tests/e2e/rate_limits.rs goes beyond a limit at some of them, and the tests of `api` do at all.
AT_THE_DOOR = {429}
# What the document promises, and no end-to-end test sees, with the reason.
NOT_SEEN = {
    ("receiveWebhook", 409): "the same delivery twice at the same moment gives one run; 409 takes a third write in between",
    ("rotateWebhookSecret", 409): "two rotations at the same moment",
    ("createWebhook", 422): "fifty webhooks would leave no room for those of the other tests; domain's tests make them",
    ("updateFlowByPut", 409): "two changes at the same moment; the function is that of PATCH, where it is seen",
}
# What the gateway answers to what the document does not have.
NO_SUCH_ROUTE = (404, {"error": "not found"})


@pytest.fixture(scope="session")
def seen():
    """Problems by what they are, with their number and one example; and how often each answer was seen."""
    found, examples, counts = Counter(), {}, Counter()
    checkers = {}

    def note(problem: str, exchange) -> None:
        found[problem] += 1
        examples.setdefault(problem, f"{exchange}: {exchange.text[:500]}")

    def check(schema: dict, value, *, strict: bool) -> list[str]:
        key = (json.dumps(schema, sort_keys=True), strict)
        checkers.setdefault(key, validator(schema, strict))
        return problems(checkers[key], value)

    for exchange in exchanges():
        media = exchange.headers.get("content-type")
        body = json.loads(exchange.text) if media == "application/json" and exchange.text else exchange.text
        operation = exchange.operation
        if operation is None:
            if (exchange.status, body) != NO_SUCH_ROUTE:
                note("a route that the document does not have was answered", exchange)
            continue
        counts[operation.id, exchange.status] += 1
        response = operation.responses.get(exchange.status)
        if response is None:
            note(f"{operation.id}: {exchange.status} is not documented", exchange)
            continue
        content = response.get("content", {})
        if media in content:
            for problem in check(content[media]["schema"], body, strict=True):
                note(f"{operation.id} {exchange.status}: {problem}", exchange)
        elif content or body:
            note(f"{operation.id} {exchange.status}: {media} is not documented", exchange)
        for name, header in response.get("headers", {}).items():
            value = exchange.headers.get(name.lower())
            if value is None:
                if exchange.status not in (400, 404, 413):  # those may come from the gateway
                    note(f"{operation.id} {exchange.status}: {name} is missing", exchange)
            elif resolved(header)["schema"]["type"] == "integer" and not value.isdigit():
                note(f"{operation.id} {exchange.status}: {name} is no number", exchange)
        schema = operation.body_schema()
        if exchange.status < 300 and schema and exchange.sent_body and exchange.sent_body.strip():
            for problem in check(schema, json.loads(exchange.sent_body), strict=False):
                note(f"{operation.id} took a body that the document forbids: {problem}", exchange)
    assert counts, "there are recordings, but no exchange in them"
    return {problem: (count, examples[problem]) for problem, count in found.items()}, counts


def test_every_answer_is_one_that_the_document_promises(seen):
    wrong, counts = seen
    lines = [f"{problem} ({count} times)\n    {example}" for problem, (count, example) in sorted(wrong.items())]
    assert not lines, f"{len(lines)} problems in {counts.total()} answers:\n" + "\n".join(lines[:60])


def test_every_answer_that_the_document_promises_was_seen(seen):
    _, counts = seen
    missing = defaultdict(list)
    for operation in operations():
        for status in operation.responses:
            if status not in OUR_FAULT | AT_THE_DOOR and not counts[operation.id, status]:
                missing[operation.id].append(status)
    assert any(status in AT_THE_DOOR for _, status in counts), "nobody went beyond a limit"
    promised = {(name, status) for name, statuses in missing.items() for status in statuses}
    assert promised == set(NOT_SEEN), f"not seen: {sorted(promised - set(NOT_SEEN))}; seen after all: {sorted(set(NOT_SEEN) - promised)}"


def test_every_event_that_a_webhook_got_is_one_that_the_document_promises():
    wrong, seen = {}, set()
    for event in recordings.events():
        name = event.body["event"]
        promised = name if name in events() else EMITTED
        seen.add(promised)
        for problem in problems(validator(event_schema(name), strict=True), event.body):
            wrong.setdefault(f"{promised}: {problem}", f"{event}: {event.text[:500]}")
        for parameter in map(resolved, events()[promised]["parameters"]):
            value, schema = event.headers.get(parameter["name"].lower()), parameter["schema"]
            value = int(value) if resolved(schema).get("type") == "integer" and value else value
            for problem in problems(validator(schema, strict=True), value):
                wrong.setdefault(f"{promised}: {parameter['name']}: {problem}", f"{event}: {event.headers}")
    assert not wrong, "\n".join(f"{problem}\n    {example}" for problem, example in sorted(wrong.items()))
    assert seen == set(events())
