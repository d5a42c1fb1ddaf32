"""The flows that are measured, as specs and as state machines with a state for each node."""

from itertools import pairwise
from typing import Any

from stack.demo import PROMPT, REFUND_SCHEMA, SCRIPT

PROMPT_WITH_SCRIPT = f"{PROMPT}\n\n{SCRIPT}"
# GET / of the echo service: an answer of a hundred bytes.
SMALL = {"service": "custom:echo", "method": "GET", "path": "/"}
LARGE_PIECE = "x" * 90_000  # an input that is still stored in the table; twelve of it are a megabyte


Spec = dict[str, Any]


def draft_approve_execute() -> Spec:
    """Returns a flow that drafts an action with a model, has it approved and executes it."""
    nodes: list[Spec] = [
        {
            "id": "draft",
            "type": "llm_step",
            "model": "quantum-ai:default",
            "userPrompt": PROMPT_WITH_SCRIPT,
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
            "path": "/refunds",
            "body": "${step.review.output.proposedAction}",
        },
    ]
    return _spec(nodes, [("draft", "review"), ("review", "refund")])


def chain(length: int) -> Spec:
    """Returns a flow whose nodes run one after the other."""
    names = [f"n{at}" for at in range(1, length + 1)]
    return _spec([{"id": name, "type": "service_call", **SMALL} for name in names], list(pairwise(names)))


def parallel(width: int) -> Spec:
    """Returns a flow whose nodes run in parallel between two others."""
    names = [f"n{at}" for at in range(1, width + 1)]
    nodes = [{"id": name, "type": "service_call", **SMALL} for name in ("split", *names, "join")]
    return _spec(nodes, [("split", name) for name in names] + [(name, "join") for name in names])


def large(length: int) -> Spec:
    """Returns a chain of nodes of which each has an output of one megabyte."""
    names = [f"n{at}" for at in range(1, length + 1)]
    nodes = [{"id": name, "type": "transform", "output": {"parts": ["${trigger.piece}"] * 12}} for name in names]
    return _spec(nodes, list(pairwise(names)))


def _spec(nodes: list[Spec], edges: list[tuple[str, str]]) -> Spec:
    return {"startNodeId": nodes[0]["id"], "nodes": nodes, "edges": [{"from": a, "to": b} for a, b in edges]}


# The same as state machines. Values travel in the execution's state, as they do in most workflows; `$` paths take the place of `${…}`.


def plain_draft_approve_execute(end_state: bool = False) -> Spec:
    """Returns the machine for the flow of the same name; `end_state` adds a state that ends the run."""
    draft = {
        "type": "llm",
        "model": "quantum-ai:default",
        "userPrompt.$": _format(PROMPT_WITH_SCRIPT),
        "outputSchema": REFUND_SCHEMA,
    }
    review = {
        "type": "gate",
        "actionLabel": "Refund a customer",
        "proposedAction.$": "$.draft.output.parsed",
        "assignTo": "role:reviewer",
        "taskToken.$": "$$.Task.Token",
    }
    refund = {
        "type": "service",
        "service": "custom:echo",
        "method": "POST",
        "path": "/refunds",
        "body.$": "$.review.proposedAction",
    }
    return _machine([("draft", draft), ("review", review), ("refund", refund)], end_state)


def plain_chain(length: int) -> Spec:
    """Returns the machine for a chain."""
    return _machine([(f"n{at}", {"type": "service", **SMALL}) for at in range(1, length + 1)])


def _places(text: str) -> list[str]:
    found, rest = [], text
    while "${trigger." in rest:
        name, _, rest = rest.partition("${trigger.")[2].partition("}")
        found.append(name)
    return found


def _format(text: str) -> str:
    """Returns the text as an intrinsic function, with braces and quotes escaped: States.Format('…{}…', $.input.name, …)."""
    places = _places(text)
    pieces, rest = [], text
    for name in places:
        piece, _, rest = rest.partition(f"${{trigger.{name}}}")
        pieces.append(piece)
    pieces.append(rest)
    escaped = ["".join("\\" + char if char in "\\'{}" else char for char in piece) for piece in pieces]
    return f"States.Format('{'{}'.join(escaped)}', {', '.join(f'$.input.{name}' for name in places)})"


def _machine(nodes: list[tuple[str, Spec]], end_state: bool = False) -> Spec:
    """Returns a machine with a state for each node. The invocation of the last node ends the run's row, or a state of its own does."""
    states: Spec = {}
    for at, (name, work) in enumerate(nodes):
        is_gate = work["type"] == "gate"
        last = at == len(nodes) - 1
        following = nodes[at + 1][0] if not last else "Succeeded" if end_state else None
        states[name] = {
            "Type": "Task",
            "Resource": f"arn:aws:states:::lambda:invoke{'.waitForTaskToken' if is_gate else ''}",
            "Parameters": {
                "FunctionName": "${StepArn}",
                "Payload": {
                    "runId.$": "$$.Execution.Name",
                    "orgId.$": "$.orgId",
                    "traceId.$": "$.traceId",
                    "nodeId": name,
                    "isLast": following is None,
                    "work": work,
                },
            },
            **({} if is_gate else {"ResultSelector": {"output.$": "$.Payload"}}),
            "ResultPath": f"$.{name}",
            "TimeoutSeconds": 7_776_000 if is_gate else 60,
            "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 3}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed"}],
            **({"Next": following} if following else {"End": True}),
        }
    if end_state:
        states["Succeeded"] = {**_ending("succeeded"), "End": True}
    states["Failed"] = {**_ending("failed"), "Next": "GiveUp"}
    states["GiveUp"] = {"Type": "Fail", "Error": "NodeFailed"}
    return {"StartAt": nodes[0][0], "States": states}


def _ending(status: str) -> Spec:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:updateItem",
        "Parameters": {
            "TableName": "${TableName}",
            "Key": {"pk": {"S.$": "States.Format('RUN#{}', $$.Execution.Name)"}, "sk": {"S": "RUN"}},
            "UpdateExpression": "SET #status = :status, finishedAt = :now",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":status": {"S": status}, ":now": {"S.$": "$$.State.EnteredTime"}},
        },
        "ResultPath": None,
    }
