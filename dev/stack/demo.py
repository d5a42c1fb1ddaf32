"""The demo: a model drafts a refund, a person corrects and approves it, and exactly what was approved is sent.

Everything goes over HTTP with an API key, as any client would do it.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .console import StackError, bold, dim, say
from .http_client import Unreachable, call

TICKET = {
    "customer": "Maria",
    "orderId": "A-1043",
    "paid": 129,
    "currency": "EUR",
    "message": "The headphones arrived with a broken hinge, but they still work. I would like some money back.",
}
NOTE = "They still work: a partial refund is what our policy gives."
ENDED = ("succeeded", "failed", "cancelled")
REFUND_SCHEMA = {
    "type": "object",
    "properties": {
        "action": {"type": "string", "enum": ["refund"]},
        "orderId": {"type": "string"},
        "amount": {"type": "number", "minimum": 0},
        "currency": {"type": "string"},
        "reason": {"type": "string"},
    },
    "required": ["action", "orderId", "amount", "currency", "reason"],
    "additionalProperties": False,
}
PROMPT = "${trigger.customer} paid ${trigger.paid} ${trigger.currency} for order ${trigger.orderId} and writes: ${trigger.message}"
# The answer of the scripted model. A real model never sees this line.
SCRIPT = (
    'SCRIPTED: {"action": "refund", "orderId": "${trigger.orderId}", "amount": ${trigger.paid}, '
    '"currency": "${trigger.currency}", "reason": "The product arrived damaged."}'
)


def flow(scripted: bool) -> dict[str, Any]:
    """Returns the body of the request that creates the flow of the demo."""
    return {
        "slug": "refund-with-approval" if scripted else "refund-with-approval-llm",
        "name": "Refund with approval",
        "description": "A model drafts a refund, a person decides, the payment system executes what was decided.",
        "status": "active",
        "triggerType": "api",
        "spec": {
            "startNodeId": "draft",
            "nodes": [
                {
                    "id": "draft",
                    "type": "llm_step",
                    "model": "quantum-ai:default",
                    "systemPrompt": "You draft refunds for a shop. Answer with the refund to make, as JSON, and nothing else.",
                    "userPrompt": f"{PROMPT}\n\n{SCRIPT}" if scripted else PROMPT,
                    "outputSchema": REFUND_SCHEMA,
                },
                {
                    "id": "review",
                    "type": "human_approval",
                    "actionLabel": "Refund a customer",
                    "proposedAction": "${step.draft.output.parsed}",
                    "assignTo": "role:reviewer",
                },
                {
                    "id": "refund",
                    "type": "service_call",
                    "service": "custom:echo",
                    "method": "POST",
                    "path": "/refunds/${run.id}",
                    "body": "${step.review.output.proposedAction}",
                },
            ],
            "edges": [{"from": "draft", "to": "review"}, {"from": "review", "to": "refund"}],
        },
    }


def canonical(value: Any) -> str:
    """Returns the form in which actions are hashed and sent: compact, keys sorted, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Demo:
    """Plays one run from the ticket to the proof that the approved bytes were sent."""

    def __init__(self, env: Mapping[str, str], scripted: bool, model: str) -> None:
        """Takes the values of the env file, whether the model is the scripted one, and the address of the model."""
        self._base = env["QE_BASE_URL"]
        self._key = env["QE_API_KEY"]
        self._echo = env["QE_ECHO_URL"]
        self._scripted = scripted
        self._model = model
        self._number = 0

    def run(self) -> None:
        """Shows the demo; raises StackError if anything differs from what it should be."""
        say()
        say(bold("The demo: a customer wants money back. A model drafts the refund, a person corrects and approves it,"))
        say(bold("and exactly what the person approved is sent to the payment system."))
        flow_id = self._flow()
        run_id = self._execute(flow_id)
        self._draft(run_id)
        row = self._inbox(run_id)
        approved = self._approve(run_id, row)
        step = self._finish(run_id)
        self._record(step)
        self._proof(run_id, step, approved)

    def _flow(self) -> str:
        wanted = flow(self._scripted)
        status, body = self._call("GET", f"/api/flows/{wanted['slug']}", expect=(200, 404))
        fresh = status == 404
        if fresh:
            _, body = self._call("POST", "/api/flows", wanted, expect=(201, 200))
        found = body["data"]["flow"]
        self._stage("The flow", f"{found['slug']}, {'created' if fresh else 'there already'} as {found['id']}")
        self._detail("draft (llm_step)  →  review (human_approval)  →  refund (service_call)")
        return found["id"]

    def _execute(self, flow_id: str) -> str:
        _, body = self._call("POST", f"/api/flows/{flow_id}/execute", TICKET, expect=(202,))
        run_id = body["data"]["run"]["id"]
        self._stage("A ticket comes in", f"it starts the run {run_id}")
        self._detail(f"{TICKET['customer']}, order {TICKET['orderId']}, {TICKET['paid']} {TICKET['currency']}: “{TICKET['message']}”")
        return run_id

    def _draft(self, run_id: str) -> None:
        run = self._wait(run_id, lambda run: run["status"] == "awaiting_approval", patience=30 if self._scripted else 180)
        output = _step(run, "draft").get("output") or {}
        who = "the scripted model, a stand-in whose answers are written in the prompt" if self._scripted else f"the model at {self._model}"
        self._stage("The model drafts", f"{who}, in {output.get('inferenceMs')} ms")
        self._detail(canonical(output.get("parsed")))

    def _inbox(self, run_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            row = next((row for row in self._inbox_rows() if row["runId"] == run_id), None)
            if row:
                self._stage("The run waits", "for a person; nothing runs and nothing is sent meanwhile")
                self._detail(f"inbox of {row.get('assignTo')}: “{row.get('actionLabel')}”, {row['id']}, open until {row.get('expiresAt')}")
                return row
            time.sleep(0.3)
        raise StackError(f"The run {run_id} awaits approval, but GET /api/approvals does not list it.")

    def _inbox_rows(self) -> Iterator[dict[str, Any]]:
        path: str | None = "/api/approvals?limit=100"
        while path:
            _, body = self._call("GET", path)
            yield from body["data"]
            cursor = (body.get("meta") or {}).get("nextCursor")
            path = f"/api/approvals?limit=100&cursor={cursor}" if cursor else None

    def _approve(self, run_id: str, row: dict[str, Any]) -> dict[str, Any]:
        proposed = row["proposedAction"]
        amount = 79 if proposed.get("amount") != 79 else 59
        approved = {**proposed, "amount": amount}
        self._call("POST", f"/api/runs/{run_id}/approve", {"proposedActionOverride": approved, "note": NOTE})
        self._stage("Ada approves", f"but changes the amount: {proposed.get('amount')} → {amount}")
        self._detail(f"“{NOTE}”")
        return approved

    def _finish(self, run_id: str) -> dict[str, Any]:
        run = self._wait(run_id, lambda run: run["status"] in ENDED, patience=60)
        if run["status"] != "succeeded":
            raise StackError(f"The run {run_id} ended as {run['status']}: {_errors(run)}")
        self._stage("The run ends", f"{run['status']}; the approved refund was sent to the echo service, which plays the payment system")
        return _step(run, "review")

    def _record(self, step: dict[str, Any]) -> None:
        decision = step.get("decision") or {}
        self._stage(
            "The record", f"{decision.get('decision')} by {decision.get('actor')} at {decision.get('decidedAt')}; it is kept for good"
        )
        self._detail(f"proposed  {canonical(decision.get('proposedAction'))}")
        self._detail(f"          sha256 {decision.get('proposedSha256')}")
        self._detail(f"decided   {canonical(decision.get('decidedAction'))}")
        self._detail(f"          sha256 {decision.get('decidedSha256')}")
        self._detail(f"patch     {canonical(decision.get('patch'))}")

    def _proof(self, run_id: str, step: dict[str, Any], approved: dict[str, Any]) -> None:
        try:
            _, sent = call("GET", f"{self._echo}/_requests?path=/refunds/{run_id}")
        except Unreachable as problem:
            raise StackError(f"The echo service at {self._echo} does not answer: {problem}.") from None
        if len(sent) != 1:
            raise StackError(f"The echo service should have seen one request for {run_id}; it saw {len(sent)}.")
        raw = sent[0]["rawBody"].encode("utf-8")
        hashes = {
            "of what was sent": hashlib.sha256(raw).hexdigest(),
            "of what Ada approved": hashlib.sha256(canonical(approved).encode("utf-8")).hexdigest(),
            "in the record": (step.get("decision") or {}).get("decidedSha256"),
        }
        if len(set(hashes.values())) != 1:
            raise StackError(f"What was sent is not what was approved. SHA-256 {hashes}")
        self._stage("The proof", f"the payment system received {len(raw)} bytes")
        self._detail(f"sent      {sent[0]['rawBody']}")
        self._detail(f"          sha256 {hashes['of what was sent']}: byte for byte what was approved")

    def _wait(self, run_id: str, reached: Callable[[dict[str, Any]], bool], patience: float) -> dict[str, Any]:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            _, body = self._call("GET", f"/api/runs/{run_id}")
            run = body["data"]["run"]
            if reached(run):
                return run
            if run["status"] in ENDED:
                raise StackError(f"The run {run_id} ended as {run['status']}: {_errors(run)}")
            time.sleep(0.2)
        raise StackError(f"The run {run_id} is still {run['status']} after {patience} s; the logs of the functions say more.")

    def _call(self, method: str, path: str, body: Any = None, expect: tuple[int, ...] = (200,)) -> tuple[int, Any]:
        try:
            status, answer = call(method, self._base + path, body, self._key)
        except Unreachable as problem:
            raise StackError(f"{method} {path}: the API does not answer ({problem}).") from None
        if status not in expect:
            raise StackError(f"{method} {path} answered {status}: {canonical(answer)}")
        return status, answer

    def _stage(self, title: str, text: str) -> None:
        self._number += 1
        say()
        say(f"{bold(f'{self._number}. {title}')}: {text}")

    def _detail(self, text: str) -> None:
        say(dim(f"   {text}"))


def _step(run: dict[str, Any], node_id: str) -> dict[str, Any]:
    return next((step for step in run["steps"] if step["nodeId"] == node_id), {})


def _errors(run: dict[str, Any]) -> str:
    failed = [f"{step['nodeId']}: {canonical(step['error'])}" for step in run["steps"] if step.get("error")]
    return "; ".join(failed) or canonical(run.get("error")) or "no error given"
