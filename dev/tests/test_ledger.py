"""The ledger on MiniStack's own modules: the cost of a call is the one that the engine answers, and it is attributed to the caller."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

import ledger

# MiniStack reads it when it is imported.
os.environ.setdefault("BIND_HOST", "127.0.0.1")
from ministack.services import dynamodb, s3, stepfunctions

Noted = Callable[[], list[dict[str, Any]]]

TABLE = "ledger-test"
RUST = "aws-sdk-rust/1.3 os/linux lang/rust/1.95 app/runs-local-advance-run"


clock = SimpleNamespace(now=0.0)


class Worker:
    """A stand-in for MiniStack's worker that answers the event and then goes on for `after` seconds."""

    func_name = "runs-local-advance-run"
    config: ClassVar[dict[str, int]] = {"MemorySize": 512}

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        self._record_result(1, "id", "response", event)
        clock.now += event["after"]
        return {"status": "ok", "result": event, "cold_start": True}

    def _record_result(self, *_: object) -> bool:
        return True

    def _build_handler_class(self, *_: object) -> Any:
        return type("Handler", (), {})


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Noted]:
    """Attaches a ledger to the modules and gives a function that returns its lines so far; afterwards the modules are as before."""
    for module, names in {
        dynamodb: ["handle_request"],
        s3: ["handle_request"],
        stepfunctions: ["_invoke_dynamodb", "_add_event"],
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    for name in ("invoke", "_record_result", "_build_handler_class"):
        monkeypatch.setattr(Worker, name, getattr(Worker, name))
    monkeypatch.setattr(ledger, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    file = tmp_path / "ledger.jsonl"
    functions = SimpleNamespace(_provided_worker_env=lambda *_: {"AWS_LAMBDA_FUNCTION_NAME": "f"})
    modules = {"dynamodb": dynamodb, "s3": s3, "stepfunctions": stepfunctions}
    ledger.attach(file, **modules, lambda_svc=functions, lambda_runtime=SimpleNamespace(ProvidedWorker=Worker))
    dynamodb._delete_table({"TableName": TABLE})
    dynamodb._create_table(
        {
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "listPk")],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "lists",
                    "KeySchema": [{"AttributeName": "listPk", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        }
    )
    yield lambda: [json.loads(line) for line in file.read_text().splitlines()]
    dynamodb._delete_table({"TableName": TABLE})


def ask(operation: str, agent: str = RUST, **request: Any) -> Any:
    headers = {"x-amz-target": f"DynamoDB_20120810.{operation}", "x-amz-user-agent": agent, "user-agent": "aws-sdk-rust/1.3"}
    body = json.dumps({"TableName": TABLE, **request}).encode()
    return asyncio.run(dynamodb.handle_request("POST", "/", headers, body, {}))


def item(pk: str, **more: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, **{name: {"S": value} for name, value in more.items()}}


def test_a_write_costs_what_the_engine_says_indexes_included(noted: Noted) -> None:
    assert ask("PutItem", Item=item("a"))[0] == 200
    assert ask("PutItem", Item=item("b", listPk="l", text="x" * 1500))[0] == 200
    assert [(entry["op"], entry["write"], entry["read"]) for entry in noted()] == [("PutItem", 1.0, 0.0), ("PutItem", 4.0, 0.0)]


def test_a_transaction_counts_double_and_a_read_by_its_consistency(noted: Noted) -> None:
    put = {"Put": {"TableName": TABLE, "Item": item("t")}}
    headers = {"x-amz-target": "DynamoDB_20120810.TransactWriteItems", "user-agent": RUST}
    asyncio.run(dynamodb.handle_request("POST", "/", headers, json.dumps({"TransactItems": [put]}).encode(), {}))
    ask("GetItem", Key=item("t"), ConsistentRead=True)
    ask("GetItem", Key=item("t"))
    assert [(entry["read"], entry["write"]) for entry in noted()] == [(0.0, 2.0), (1.0, 0.0), (0.5, 0.0)]


def test_a_call_is_attributed_to_its_caller(noted: Noted) -> None:
    ask("PutItem", Item=item("a"))
    ask("GetItem", agent="Boto3/1.43 app/plain-api", Key=item("a"))
    ask("GetItem", agent=f"Boto3/1.43 {ledger.UNRECORDED}", Key=item("a"))
    stepfunctions._invoke_dynamodb("getItem", {"TableName": TABLE, "Key": item("a")})
    assert [entry["by"] for entry in noted()] == ["runs-local-advance-run", "plain-api", "states"]
    assert ledger.caller({"user-agent": ""}) == "states"


def test_a_refused_write_is_counted_separately(noted: Noted) -> None:
    ask("PutItem", Item=item("a"))
    status, _headers, _body = ask("PutItem", Item=item("a"), ConditionExpression="attribute_not_exists(pk)")
    assert status == 400
    assert [(entry["write"], entry["refused"]) for entry in noted()] == [(1.0, False), (0.0, True)]


def test_state_entries_and_retries_are_recorded(noted: Noted) -> None:
    execution = {"stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:m", "name": "run_1-1", "events": []}
    for name in ("Park", "Advance"):
        stepfunctions._add_event(execution, "TaskStateEntered", {"stateEnteredEventDetails": {"name": name}})
        stepfunctions._add_event(execution, "TaskScheduled", {})
    stepfunctions._add_event(execution, "TaskScheduled", {})
    assert [entry["state"] for entry in noted()] == ["Park", "Advance", "Advance (retry)"]
    assert len(execution["events"]) == 5


def test_an_invocation_is_recorded_with_its_memory_and_the_time_to_its_answer(noted: Noted) -> None:
    assert Worker().invoke({"after": 0.2})["result"] == {"after": 0.2}
    (entry,) = noted()
    assert (entry["function"], entry["memory"], entry["cold"], entry["error"]) == ("runs-local-advance-run", 512, True, False)
    assert entry["ms"] == 0, "what the stack does after the answer is not billed"
    assert Worker()._build_handler_class().disable_nagle_algorithm
