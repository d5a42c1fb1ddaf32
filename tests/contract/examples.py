"""`python tests/contract/examples.py`: the examples of openapi.yaml, anew, from what the end-to-end tests recorded in RECORD_DIR.

They are the last part of the document, below the line MARK, and nobody writes there by hand. Where they are shown is written above it,
once, for each answer: `examples: {recorded: {$ref: "#/components/examples/…"}}`.
"""

import json
import re
import sys

import yaml

import recordings
from document import EMITTED, FILE, document, events, operations, resolved
from recordings import exchanges, folder

MARK = "  # ---- Examples: recorded answers, by `make record-examples` ----\n"
# Whose exchanges tell a story; for what is not in it, the shortest answer of any other test.
STORY = "tour::"
# What is another on each machine and in each run: the number behind the slug of a test, and where the local stack's services are.
VARYING = [
    (re.compile(r"\b([a-z]+)-[0-9a-f]{10,}-\d+-\d+\b"), r"\1"),
    (re.compile(r"\bhttp://127\.0\.0\.1(:\d+)?"), "https://payments.example.com"),
    (re.compile(r"\b127\.0\.0\.1(:\d+)?"), "payments.example.com"),
]
# The source of an example that is an event.
AN_EVENT = "event"
REFERENCE = re.compile(r'"#/components/examples/([\w.-]+)"')


def wanted():
    """Which examples the document shows: by name, where their values come from."""
    found = {}
    for operation in operations():
        if operation.body_schema():
            for reference in references(resolved(operation.spec["requestBody"])):
                found.setdefault(reference, []).append((operation.id, None))
        for status, response in operation.responses.items():
            for reference in references(response):
                found.setdefault(reference, []).append((operation.id, status))
    for name, event in events().items():
        for reference in references(event["requestBody"]):
            found.setdefault(reference, []).append((name, AN_EVENT))
    return found


def references(node):
    return REFERENCE.findall(json.dumps(node))


def recorded():
    """The best exchange for each operation and status."""
    best = {}
    for exchange in exchanges():
        operation = exchange.operation
        if operation is None:
            continue
        key = (operation.id, exchange.status)
        told = exchange.test.startswith(STORY)
        # The run of the story is looked at many times, and has most to say at its end.
        rank = (not told, -len(exchange.text) if told else len(exchange.text))
        if key not in best or rank < best[key][0]:
            best[key] = (rank, exchange)
    return {key: exchange for key, (_, exchange) in best.items()} | told_events()


def told_events():
    """The best event of each name: one of the story's runs, if there is one. Webhooks hear of the runs of other tests too."""
    runs = {
        json.loads(exchange.text)["data"]["run"]["id"]
        for exchange in exchanges()
        if exchange.test.startswith(STORY) and exchange.status == 202 and exchange.operation and exchange.operation.id in ("executeFlow", "retryRun")
    }
    best = {}
    for event in recordings.events():
        body = event.body
        data = body["data"] if isinstance(body["data"], dict) else {}
        key = (body["event"] if body["event"] in events() else EMITTED, AN_EVENT)
        told = data.get("runId") in runs if "runId" in data else event.test.startswith(STORY)
        rank = (not told, len(event.text))
        if key not in best or rank < best[key][0]:
            best[key] = (rank, event)
    return {key: event for key, (_, event) in best.items()}


def neat(text):
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return json.loads(text)


def value_of(exchanges_by_kind, sources):
    """Of several operations that share an answer, the first in the document speaks for all."""
    for operation_id, status in sources:
        if status is not None and (exchange := exchanges_by_kind.get((operation_id, status))):
            return neat(exchange.text)
        if status is None:
            for success in (200, 201, 202):
                exchange = exchanges_by_kind.get((operation_id, success))
                if exchange and exchange.sent_body:
                    return neat(exchange.sent_body)
    return None


def main():
    if folder() is None:
        sys.exit("RECORD_DIR names no recordings; `make record-examples` makes them.")
    best = recorded()
    examples, missing = {}, []
    for name, sources in wanted().items():
        value = value_of(best, sources)
        if value is None:
            missing.append(name)
        examples[name] = {"value": value}
    if missing:
        sys.exit(f"Nothing was recorded for: {', '.join(missing)}")
    text = FILE.read_text(encoding="utf-8")
    before, mark, _ = text.partition(MARK)
    if not mark:
        sys.exit(f"{FILE.name} has no line that says {MARK.strip()}")
    dumped = yaml.safe_dump({"examples": examples}, sort_keys=False, allow_unicode=True, width=140)
    FILE.write_text(before + mark + "".join(f"  {line}" if line.strip() else line for line in dumped.splitlines(keepends=True)), encoding="utf-8")
    document.cache_clear()
    print(f"{len(examples)} examples are in {FILE.name}.")


if __name__ == "__main__":
    main()
