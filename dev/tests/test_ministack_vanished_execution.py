"""An execution that vanishes emits no event, and its task token does not exist any more; any other stop is as it was."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import stepfunctions

from ministack_patches import redelivery, vanished_execution

ARN = "arn:aws:states:us-east-1:000000000000:execution:vanished-test:one"


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A running execution with a task token, and the events that were emitted."""
    emitted: list[Any] = []
    monkeypatch.setattr(stepfunctions, "_stop_execution", stepfunctions._stop_execution)
    monkeypatch.setattr(stepfunctions, "_emit_execution_status_event", emitted.append)
    stepfunctions._executions[ARN] = {"executionArn": ARN, "status": "RUNNING", "stopDate": None, "events": []}
    stepfunctions._task_tokens["token"] = {"event": threading.Event(), "result": None, "error": None, "heartbeat": None}
    yield emitted
    stepfunctions._task_tokens.pop("token", None)
    del stepfunctions._executions[ARN]


def stop(error: str) -> None:
    stepfunctions._stop_execution({"executionArn": ARN, "error": error, "cause": "token"})


def test_it_is_gone_without_an_event_and_its_token_with_it(events: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(redelivery.VARIABLE, "control")
    vanished_execution.apply()
    stop(vanished_execution.ERROR)
    assert stepfunctions._executions[ARN]["status"] == "ABORTED"
    assert events == []
    assert stepfunctions._send_task_success({"taskToken": "token"})[0] == 400


def test_any_other_stop_emits_its_event(events: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(redelivery.VARIABLE, "control")
    vanished_execution.apply()
    stop("Operator")
    assert len(events) == 1


def test_without_the_variable_nothing_is_replaced(events: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(redelivery.VARIABLE, raising=False)
    vanished_execution.apply()
    stop(vanished_execution.ERROR)
    assert len(events) == 1
