"""openapi.yaml promises every answer and event that the end-to-end tests got, and they got every answer that it promises."""

import json
from collections import Counter, defaultdict
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import recordings
from document import EMITTED, event_schema, events, operations, problems, resolved, validator
from recordings import Exchange, exchanges, folder

pytestmark = pytest.mark.skipif(folder() is None, reason="RECORD_DIR names no recordings: `make test-e2e` makes them")

# The problems of the answers, each with its count and an example; and how often each answer was seen.
Seen = tuple[dict[str, tuple[int, str]], Counter[tuple[str, int]]]
# No end-to-end test causes these statuses: a service behind the API would have to fail. The Rust tests of `api` cause them.
SERVER_ERRORS = {500, 503}
# The admission before each handler is the same; tests/e2e/rate_limits.rs exceeds a limit at some handlers, and the tests of `api` at all.
RATE_LIMITED = {429}
# The answers that the document promises and no end-to-end test sees, with the reason.
NOT_SEEN = {
    ("receiveWebhook", 409): "the same delivery twice at the same moment gives one run; 409 takes a third write in between",
    ("rotateWebhookSecret", 409): "two rotations at the same moment",
    ("createWebhook", 422): "fifty webhooks would leave no room for those of the other tests; domain's tests make them",
    ("deleteIdentityProvider", 409): "two changes at the same moment",
    ("updateFlowByPut", 409): "two changes at the same moment; the function is that of PATCH, where it is seen",
}
# The answer of the gateway to a route that the document does not have.
NO_SUCH_ROUTE = (404, {"error": "not found"})


@pytest.fixture(scope="session")
def seen() -> Seen:
    """Checks every recorded exchange."""
    found: Counter[str] = Counter()
    examples: dict[str, str] = {}
    counts: Counter[tuple[str, int]] = Counter()
    checkers: dict[tuple[str, bool], Draft202012Validator] = {}

    def note(problem: str, exchange: Exchange) -> None:
        found[problem] += 1
        examples.setdefault(problem, f"{exchange}: {exchange.text[:500]}")

    def check(schema: dict[str, Any], value: Any, *, strict: bool) -> list[str]:
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
                # The first may come from the gateway, and what another origin may have sent is refused before anything is counted.
                if exchange.status not in (400, 404, 413) and "x-runs-console" not in exchange.text:
                    note(f"{operation.id} {exchange.status}: {name} is missing", exchange)
            elif resolved(header)["schema"]["type"] == "integer" and not value.isdigit():
                note(f"{operation.id} {exchange.status}: {name} is not a number", exchange)
        schema = operation.body_schema()
        if exchange.status < 300 and schema and exchange.sent_body and exchange.sent_body.strip():
            for problem in check(schema, json.loads(exchange.sent_body.removeprefix("\ufeff")), strict=False):
                note(f"{operation.id} took a body that the document forbids: {problem}", exchange)
    assert counts, "there are recordings, but no exchange in them"
    return {problem: (count, examples[problem]) for problem, count in found.items()}, counts


def test_every_answer_is_one_that_the_document_promises(seen: Seen) -> None:
    wrong, counts = seen
    lines = [f"{problem} ({count} times)\n    {example}" for problem, (count, example) in sorted(wrong.items())]
    assert not lines, f"{len(lines)} problems in {counts.total()} answers:\n" + "\n".join(lines[:60])


def test_every_answer_that_the_document_promises_was_seen(seen: Seen) -> None:
    _, counts = seen
    missing = defaultdict(list)
    for operation in operations():
        for status in operation.responses:
            if status not in SERVER_ERRORS | RATE_LIMITED and not counts[operation.id, status]:
                missing[operation.id].append(status)
    assert any(status in RATE_LIMITED for _, status in counts), "no rate limit was exceeded"
    promised = {(name, status) for name, statuses in missing.items() for status in statuses}
    assert promised == set(NOT_SEEN), f"not seen: {sorted(promised - set(NOT_SEEN))}; seen after all: {sorted(set(NOT_SEEN) - promised)}"


def test_every_event_that_a_webhook_received_is_one_that_the_document_promises() -> None:
    wrong: dict[str, str] = {}
    seen: set[str] = set()
    for event in recordings.events():
        name = event.body["event"]
        promised = name if name in events() else EMITTED
        seen.add(promised)
        for problem in problems(validator(event_schema(name), strict=True), event.body):
            wrong.setdefault(f"{promised}: {problem}", f"{event}: {event.text[:500]}")
        for parameter in map(resolved, events()[promised]["parameters"]):
            text, schema = event.headers.get(parameter["name"].lower()), parameter["schema"]
            value = int(text) if resolved(schema).get("type") == "integer" and text else text
            for problem in problems(validator(schema, strict=True), value):
                wrong.setdefault(f"{promised}: {parameter['name']}: {problem}", f"{event}: {event.headers}")
    assert not wrong, "\n".join(f"{problem}\n    {example}" for problem, example in sorted(wrong.items()))
    assert seen == set(events())
