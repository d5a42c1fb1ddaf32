"""An execution enters its first state without sleeping, and runs as it did otherwise."""

import json
import time
from typing import Any

import pytest
from ministack.services import stepfunctions

from ministack_patches import execution_start

DEFINITION = {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "Result": {"value": 7}, "End": True}}}
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:execution-start-test"
EXECUTION = f"{MACHINE.replace(':stateMachine:', ':execution:')}:one"


@pytest.fixture
def execution(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An execution that has been accepted and not begun."""
    monkeypatch.setattr(stepfunctions, "_run_execution", stepfunctions._run_execution)  # puts the original back afterwards
    machine = {"stateMachineArn": MACHINE, "name": "execution-start-test", "definition": json.dumps(DEFINITION)}
    accepted: dict[str, Any] = {
        "executionArn": EXECUTION,
        "stateMachineArn": MACHINE,
        "name": "one",
        "status": "RUNNING",
        "startDate": "2026-01-01T00:00:00Z",
        "input": "{}",
        "events": [],
    }
    monkeypatch.setattr(stepfunctions, "_state_machines", {MACHINE: machine})
    monkeypatch.setattr(stepfunctions, "_executions", {EXECUTION: accepted})
    monkeypatch.setattr(stepfunctions, "_emit_execution_status_event", lambda _execution: None)
    return accepted


def test_it_begins_without_a_sleep(execution: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    execution_start.apply()
    stepfunctions._run_execution(EXECUTION)
    assert slept == []
    assert (execution["status"], json.loads(execution["output"])) == ("SUCCEEDED", {"value": 7})


def test_as_installed_it_sleeps(execution: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails, MiniStack has mended it and the patch can go."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    stepfunctions._run_execution(EXECUTION)
    assert slept == [0.15]
    assert execution["status"] == "SUCCEEDED"
