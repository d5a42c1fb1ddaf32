"""Changes valid requests of schemathesis so that they name existing resources and satisfy the rules of the graph.

A part of a request that schemathesis made invalid on purpose is left as it is; so is every third of the valid paths, to test those too.
"""

import atexit
import copy
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation

from subjects import APPROVAL, ECHO, TRANSFORM, Subjects

SUBJECTS = Subjects()
TURNS = itertools.count()
SEEN: Counter[tuple[str, int]] = Counter()
DECISIONS = ("approveRun", "rejectRun")
RUNS = {"approveRun": "parked", "rejectRun": "parked", "cancelRun": "parked", "retryRun": "cancelled"}


@schemathesis.deserializer("text/html")
def html(_ctx: Any, response: Any) -> Any:
    """Reads a page as text."""
    return response.text


@schemathesis.hook
def before_call(_ctx: Any, case: Any, _kwargs: Any) -> None:
    """Changes a request before it is sent."""
    operation = case.operation.definition.raw["operationId"]
    in_chain = case.meta is not None and case.meta.phase.name.value == "stateful"
    if case.query:
        case.query = query_of(case)
    if wrong(case, ParameterLocation.HEADER):
        mend_blanks(case)
    if isinstance(case.body, dict) and not wrong(case, ParameterLocation.BODY):
        case.body = body_of(operation, copy.deepcopy(case.body), in_chain)
    # In a chain, the ids are those of the resources that the requests before have created.
    if in_chain and operation in DECISIONS:
        SUBJECTS.wait_for_its_gate(case.path_parameters["runId"])
    # Schemathesis also takes ids from other answers, and one of the keys is the one of these requests: it must not be revoked.
    elif (
        not in_chain
        and case.path_parameters
        and not wrong(case, ParameterLocation.PATH)
        and (operation == "revokeApiKey" or next(TURNS) % 3 < 2)
    ):
        case.path_parameters = {**case.path_parameters, **path_of(operation, case.operation.path, case.path_parameters)}


@schemathesis.hook
def after_call(_ctx: Any, case: Any, response: Any) -> None:
    """Counts the answer, and removes what the request created or used up."""
    operation = case.operation.definition.raw["operationId"]
    SEEN[operation, response.status_code] += 1
    in_chain = case.meta is not None and case.meta.phase.name.value == "stateful"
    if operation == "createWebhook" and response.status_code == 201 and not in_chain:
        # The number of webhooks of an organisation is limited.
        SUBJECTS.remove_webhook(response.json()["data"]["webhook"]["id"])
    run = (case.path_parameters or {}).get("runId")
    if run and case.operation.method.upper() == "POST" and response.status_code == 200:
        SUBJECTS.used_up(run)


@atexit.register
def say_what_was_seen() -> None:
    """Writes the counts of the answers, from which tests/contract/fuzz sees whether the chains reached their end."""
    if file := os.environ.get("FUZZ_SEEN"):
        Path(file).write_text(json.dumps([[*key, count] for key, count in sorted(SEEN.items())]))


def mend_blanks(case: Any) -> None:
    """Makes a header too long that is invalid only by blanks around its value, since HTTP removes those."""
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and key != key.strip(" \t") and re.fullmatch(r"[!-~]([\t -~]{0,253}[!-~])?", key.strip(" \t")):
        case.headers["Idempotency-Key"] = 256 * "x"


def query_of(case: Any) -> dict[str, Any]:
    """Returns the query of the request without cursors that cannot be valid."""
    query = dict(case.query)
    if wrong(case, ParameterLocation.QUERY):
        # An empty value counts as absent (openapi.yaml, "Conventions"), which a schema cannot express: it is not invalid.
        return {name: "!" if value == "" else value for name, value in query.items()}
    # A cursor is signed, so that the server refuses one that schemathesis makes up.
    if case.meta is None or case.meta.phase.name.value != "stateful":
        query.pop("cursor", None)
    return query


def wrong(case: Any, location: Any) -> bool:
    """Returns whether schemathesis made this part of the request invalid on purpose."""
    return case.meta is not None and case.meta.is_negative_at(location)


def path_of(operation: str, path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns path parameters of existing resources for those that are given."""
    found: dict[str, Any] = {}
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


def body_of(operation: str, body: dict[str, Any], in_chain: bool) -> dict[str, Any]:
    """Returns the body with the values replaced that a schema cannot make valid."""
    if operation == "createFlow" or operation.startswith("updateFlow"):
        trigger_of(body)
    if operation == "createFlow":
        body["slug"] = SUBJECTS.slug()
        # A run that waits for an approval leads to all other operations of a run.
        body["spec"] = APPROVAL if in_chain else mended(body.get("spec"))
        body["status"] = "active" if in_chain else body.get("status")
    if operation.startswith("updateFlow"):
        body.pop("slug", None)
        if in_chain:
            body.pop("status", None)
        if body.get("spec"):
            body["spec"] = APPROVAL if in_chain else mended(body["spec"])
    # A schema cannot express which addresses are allowed, and no request may leave this machine.
    if operation == "createWebhook":
        body["url"] = f"{ECHO}/fuzz"
        body["events"] = (
            ["nothing.*"] if in_chain else [each for each in body.get("events") or [] if not each.endswith("*")] or ["nothing.*"]
        )
    if operation == "putConnection":
        body["baseUrl"] = f"{ECHO}/fuzz"
    if operation == "setIdentityProvider":
        body["issuer"] = os.environ["QE_LOGIN_URL"]
    if operation == "createApiKey" and body.get("expiresAt"):
        body["expiresAt"] = "2999-01-01T00:00:00Z"
    return body


def trigger_of(body: dict[str, Any]) -> None:
    """Sets the fields of a trigger that belong together, which a schema cannot express. No schedule is due while these tests run."""
    for name in ("cronExpression", "cronTimezone", "cronEnabled"):
        body.pop(name, None)
    if body.get("triggerType") == "cron":
        body |= {"cronExpression": "0 0 29 2 *", "cronTimezone": "Europe/Berlin", "cronEnabled": bool(next(TURNS) % 2)}


def mended(spec: Any) -> Any:
    """Returns the spec with its nodes in one chain, so that the rules of the graph do not refuse it for its edges."""
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
