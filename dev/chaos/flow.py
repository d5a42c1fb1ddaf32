"""The flow of every run: the canonical one with parallel branches, a wait and a service that has to be called several times."""

import hashlib
from collections.abc import Mapping
from typing import Any

from stack.demo import canonical

SLUG = "chaos"
SERVICE = "custom:chaos"
# A crash uses up an attempt as well as a refusal does. The delays are short, so that many attempts fit into some seconds.
RETRY = {"maxAttempts": 20, "initialDelaySeconds": 1, "backoffRate": 1.5, "maxDelaySeconds": 5}
WAIT_SECONDS = 6  # a shorter wait does not park the run
MODEL_TIMEOUT_SECONDS = 3
SERVICE_TIMEOUT_SECONDS = 5
SCHEMA = {
    "type": "object",
    "properties": {"action": {"type": "string"}, "ticket": {"type": "string"}, "amount": {"type": "integer"}},
    "required": ["action", "ticket", "amount"],
}
EFFECTS = ("charge", "notify", "settle")


def flow() -> dict[str, Any]:
    """Returns the body of the request that creates the flow."""

    def call(node: str, body: Any) -> dict[str, Any]:
        return {
            "id": node,
            "type": "service_call",
            "service": SERVICE,
            "method": "POST",
            "path": f"/effects/${{run.id}}/{node}",
            "body": body,
            "retry": RETRY,
            "timeoutSeconds": SERVICE_TIMEOUT_SECONDS,
        }

    nodes = [
        {
            "id": "draft",
            "type": "llm_step",
            "model": "quantum-ai:default",
            "userPrompt": 'SCRIPTED: {"action": "refund", "ticket": "${trigger.ticket}", "amount": ${trigger.amount}}',
            "outputSchema": SCHEMA,
            "retry": RETRY,
            "timeoutSeconds": MODEL_TIMEOUT_SECONDS,
        },
        {"id": "review", "type": "human_approval", "actionLabel": "Refund", "proposedAction": "${step.draft.output.parsed}"},
        call("charge", "${step.review.output.proposedAction}"),
        call("notify", {"run": "${run.id}", "ticket": "${trigger.ticket}"}),
        {"id": "pause", "type": "wait", "seconds": WAIT_SECONDS},
        call("settle", {"charged": "${step.charge.output.receipt}", "notified": "${step.notify.output.receipt}"}),
    ]
    edges = ["draft>review", "review>charge", "review>notify", "charge>pause", "notify>pause", "pause>settle"]
    return {
        "slug": SLUG,
        "name": "Chaos",
        "status": "active",
        "triggerType": "api",
        "spec": {
            "startNodeId": "draft",
            "nodes": nodes,
            "edges": [dict(zip(("from", "to"), edge.split(">"), strict=True)) for edge in edges],
        },
    }


def scheduled_flow() -> dict[str, Any]:
    """Returns the body of the request that creates the flow that a schedule starts. By itself it is due once a year."""
    return {
        "slug": f"{SLUG}-clock",
        "name": "Chaos, by the clock",
        "status": "active",
        "triggerType": "cron",
        "cronExpression": "0 0 1 1 *",
        "spec": {"startNodeId": "when", "nodes": [{"id": "when", "type": "transform", "output": "${trigger.scheduledAt}"}], "edges": []},
    }


def receipt(key: str) -> str:
    """Returns what the service answers to a request with this Idempotency-Key, however often it is sent."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def expected(run: str, ticket: str, decided: Any, keys: Mapping[str, str]) -> dict[str, bytes]:
    """Returns the bytes that each step must send. `decided` is the action that was decided, `keys` the key of each step that was sent."""
    bodies: dict[str, Any] = {
        "charge": decided,
        "notify": {"run": run, "ticket": ticket},
        "settle": {"charged": receipt(keys.get("charge", "")), "notified": receipt(keys.get("notify", ""))},
    }
    return {node: canonical(body).encode() for node, body in bodies.items()}
