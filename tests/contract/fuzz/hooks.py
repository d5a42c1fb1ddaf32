"""Leads the requests of schemathesis past 404 and the rules of the graph, where they were to be good ones anyway.

A part of a request that was made to be wrong is left as it is; so is every third of the good paths, for what may lie there.
"""

import atexit
import copy
import itertools
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

import schemathesis
from schemathesis.core.parameters import ParameterLocation

sys.path.insert(0, str(Path(__file__).parent))

from subjects import APPROVAL, ECHO, TRANSFORM, Subjects  # noqa: E402 (needs the path above)

SUBJECTS = Subjects()
TURNS = itertools.count()
SEEN = Counter()
DECISIONS = ("approveRun", "rejectRun")
RUNS = {"approveRun": "parked", "rejectRun": "parked", "cancelRun": "parked", "retryRun": "cancelled"}


@schemathesis.deserializer("text/html")
def html(_ctx, response):
    return response.text


@schemathesis.hook
def before_call(_ctx, case, _kwargs):
    operation = case.operation.definition.raw["operationId"]
    in_chain = case.meta is not None and case.meta.phase.name.value == "stateful"
    if case.query:
        case.query = query_of(case)
    if wrong(case, ParameterLocation.HEADER):
        mend_blanks(case)
    if isinstance(case.body, dict) and not wrong(case, ParameterLocation.BODY):
        case.body = body_of(operation, copy.deepcopy(case.body), in_chain)
    # In a chain, the ids are those of what the requests before have made.
    if in_chain and operation in DECISIONS:
        SUBJECTS.wait_for_its_gate(case.path_parameters["runId"])
    # Ids that other answers named are good ones too, and one of the keys is ours: it must not be revoked.
    elif not in_chain and case.path_parameters and not wrong(case, ParameterLocation.PATH) and (operation == "revokeApiKey" or next(TURNS) % 3 < 2):
        case.path_parameters = {**case.path_parameters, **path_of(operation, case.operation.path, case.path_parameters)}


@schemathesis.hook
def after_call(_ctx, case, response):
    operation = case.operation.definition.raw["operationId"]
    SEEN[operation, response.status_code] += 1
    in_chain = case.meta is not None and case.meta.phase.name.value == "stateful"
    if operation == "createWebhook" and response.status_code == 201 and not in_chain:
        # An organisation may have so many only.
        SUBJECTS.no_webhook(response.json()["data"]["webhook"]["id"])
    run = (case.path_parameters or {}).get("runId")
    if run and case.operation.method.upper() == "POST" and response.status_code == 200:
        SUBJECTS.used_up(run)


@atexit.register
def say_what_was_seen():
    """For tests/contract/fuzz, which looks whether anything was reached."""
    if file := os.environ.get("FUZZ_SEEN"):
        Path(file).write_text(json.dumps([[*key, count] for key, count in sorted(SEEN.items())]))


def mend_blanks(case):
    """HTTP takes blanks around a header's value away, so what is wrong by nothing else is not wrong: it becomes too long instead."""
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and key != key.strip(" \t") and re.fullmatch(r"[!-~]([\t -~]{0,253}[!-~])?", key.strip(" \t")):
        case.headers["Idempotency-Key"] = 256 * "x"


def query_of(case):
    query = dict(case.query)
    if wrong(case, ParameterLocation.QUERY):
        # An empty value counts as left out (openapi.yaml, "Conventions"), which a schema cannot say: it is no wrong one.
        return {name: "!" if value == "" else value for name, value in query.items()}
    # Nobody can make a cursor, and a made-up one is refused.
    if case.meta is None or case.meta.phase.name.value != "stateful":
        query.pop("cursor", None)
    return query


def wrong(case, location):
    return case.meta is not None and case.meta.is_negative_at(location)


def path_of(operation, path, given):
    found = {}
    if path.startswith("/api/webhooks/"):
        found["id"] = SUBJECTS.webhook()
        if "deliveryId" in given:
            found["deliveryId"] = SUBJECTS.delivery()
    elif operation == "rotateWebhookSecret":
        found["id"] = SUBJECTS.flow("to be called", TRANSFORM, "webhook")["id"]
    elif "id" in given:
        changed = operation.startswith("updateFlow")
        flow = SUBJECTS.flow("to be changed", TRANSFORM) if changed else SUBJECTS.flow("to be run to its end", TRANSFORM)
        found["id"] = flow["slug"] if next(TURNS) % 2 else flow["id"]
    if "runId" in given:
        found["runId"] = SUBJECTS.run(RUNS.get(operation, "ended"))
    if "nodeId" in given:
        found["nodeId"] = "only"
    if "keyId" in given:
        found["keyId"] = SUBJECTS.key()
    if "slug" in given:
        found["slug"] = SUBJECTS.connection()
    return found


def body_of(operation, body, in_chain):
    if operation == "createFlow" or operation.startswith("updateFlow"):
        trigger_of(body)
    if operation == "createFlow":
        body["slug"] = SUBJECTS.slug()
        # A run that waits for somebody leads on to everything else.
        body["spec"] = APPROVAL if in_chain else mended(body.get("spec"))
        body["status"] = "active" if in_chain else body.get("status")
    if operation.startswith("updateFlow"):
        body.pop("slug", None)
        body.pop("status", None) if in_chain else None
        if body.get("spec"):
            body["spec"] = APPROVAL if in_chain else mended(body["spec"])
    # Where they may lead, a schema cannot say; and nothing that is asked here may leave this machine.
    if operation == "createWebhook":
        body["url"] = f"{ECHO}/fuzz"
        body["events"] = ["nothing.*"] if in_chain else [each for each in body.get("events") or [] if not each.endswith("*")] or ["nothing.*"]
    if operation == "putConnection":
        body["baseUrl"] = f"{ECHO}/fuzz"
    if operation == "createApiKey" and body.get("expiresAt"):
        body["expiresAt"] = "2999-01-01T00:00:00Z"
    return body


def trigger_of(body):
    """Which fields of a trigger belong together, and when the clock is due, a schema cannot say. None is due while these tests run."""
    for name in ("cronExpression", "cronTimezone", "cronEnabled"):
        body.pop(name, None)
    if body.get("triggerType") == "cron":
        body |= {"cronExpression": "0 0 29 2 *", "cronTimezone": "Europe/Berlin", "cronEnabled": bool(next(TURNS) % 2)}


def mended(spec):
    """The spec with its nodes in one chain: what the rules of the graph refuse is then something else."""
    if not isinstance(spec, dict) or not isinstance(spec.get("nodes"), list):
        return spec
    nodes = [node for node in spec["nodes"] if isinstance(node, dict) and node.get("type") != "decision"]
    for number, node in enumerate(nodes):
        node["id"] = f"n{number}"
        for route in ("onError", "onReject", "onTimeout"):
            node.pop(route, None)
        if node.get("type") == "wait" and node.get("seconds") is not None:
            node.pop("until", None)
    if not nodes:
        return spec
    edges = [{"from": f"n{number}", "to": f"n{number + 1}"} for number in range(len(nodes) - 1)]
    return {**spec, "startNodeId": "n0", "nodes": nodes, "edges": edges, "onReject": "fail", "onTimeout": "fail"}
