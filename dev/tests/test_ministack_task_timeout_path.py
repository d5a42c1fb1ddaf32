"""A task's `TimeoutSecondsPath` is resolved as on AWS; what is no positive integer fails the execution whatever it would catch."""

from typing import Any

import pytest
from ministack.services import stepfunctions

from ministack_patches import task_timeout_path

STATE = {"Type": "Task", "Resource": "…", "TimeoutSecondsPath": "$.waitSeconds", "End": True}


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The states that MiniStack was given to execute so far."""
    states: list[dict[str, Any]] = []
    monkeypatch.setattr(stepfunctions, "_execute_task", lambda state, *_: states.append(state))
    task_timeout_path.apply()
    return states


def test_the_path_gives_the_seconds(executed: list[dict[str, Any]]) -> None:
    stepfunctions._execute_task(STATE, {"waitSeconds": 42}, {}, {})
    assert executed[0]["TimeoutSeconds"] == 42


def test_a_state_without_a_path_is_left_alone(executed: list[dict[str, Any]]) -> None:
    state = {"Type": "Task", "TimeoutSeconds": 5}
    stepfunctions._execute_task(state, {}, {}, {})
    assert executed == [state]


@pytest.mark.parametrize("seconds", [0, -1, True, 1.5, "60", None])
def test_what_is_no_positive_integer_fails_the_execution(executed: list[dict[str, Any]], seconds: Any) -> None:
    with pytest.raises(stepfunctions._ExecutionError, match="must lead to a positive integer") as problem:
        stepfunctions._execute_task(STATE, {"waitSeconds": seconds}, {}, {})
    assert problem.value.error == "States.Runtime"
    assert executed == []
