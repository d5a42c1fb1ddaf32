"""The behaviour of a segment on two interpreters: what it writes, what it invokes, and how it ends."""

import json
from typing import Any

import pytest

from advance import FAILS, THROTTLED
from interpreters import Interpreter
from run import Run

AN_HOUR = 3600


def stored(run: Run) -> dict[str, Any]:
    """Returns the attributes of the run, which must be in the table."""
    item = run.item()
    assert item is not None
    return item


def test_a_first_segment_advances_once_and_succeeds(on: Interpreter, run: Run) -> None:
    end = run.end_of(run.start(on.run_machine, 1))

    assert end["status"] == "SUCCEEDED"
    assert run.invocations() == [{"runId": run.id, "execution": run.execution(1)}]


def test_a_segment_has_no_output(on: Interpreter, run: Run) -> None:
    first = run.end_of(run.start(on.run_machine, 1))
    run.put_owing(run.execution(2))
    resumed = run.start(on.resume_machine, 2, waitSeconds=AN_HOUR)
    on.states.send_task_success(taskToken=run.token(), output='{"decision": "is not passed on"}')

    assert json.loads(first["output"]) == {}
    assert json.loads(run.end_of(resumed)["output"]) == {}


def test_park_stores_the_token_clears_the_pending_effect_and_increments_rev(on: Interpreter, run: Run) -> None:
    run.put_owing(run.execution(2))
    assert run.in_outbox()
    execution = run.start(on.resume_machine, 2, waitSeconds=AN_HOUR)
    token = run.token()

    assert run.item() == {
        "pk": f"RUN#{run.id}",
        "sk": "RUN",
        "status": "awaiting_approval",
        "rev": "8",
        "token": token,
        "outboxPk": "WATCH",
        "outboxSk": run.stuck_at(),
        "watchPk": "WATCH",
        "watchSk": run.stuck_at(),
    }
    assert not run.in_outbox()
    assert on.states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    assert run.invocations() == []
    on.states.send_task_success(taskToken=token, output="{}")
    run.end_of(execution)


def test_sending_the_task_token_advances_the_run(on: Interpreter, run: Run) -> None:
    run.put_owing(run.execution(2))
    execution = run.start(on.resume_machine, 2, waitSeconds=AN_HOUR)
    on.states.send_task_success(taskToken=run.token(), output="{}")

    assert run.end_of(execution)["status"] == "SUCCEEDED"
    assert run.invocations() == [{"runId": run.id, "execution": run.execution(2)}]


def test_a_decision_before_the_park_advances_without_parking(on: Interpreter, run: Run) -> None:
    run.put_owing("RING")
    execution = run.start(on.resume_machine, 2, waitSeconds=AN_HOUR)

    assert run.end_of(execution)["status"] == "SUCCEEDED"
    assert run.invocations() == [{"runId": run.id, "execution": run.execution(2)}]
    # The functions clear the pending effect; the state machine has written nothing.
    item = stored(run)
    assert (item["owes"], item["rev"], item.get("token")) == ("RING", "7", None)
    assert run.in_outbox()


def test_a_run_without_a_pending_effect_is_not_parked(on: Interpreter, run: Run) -> None:
    run.put()
    execution = run.start(on.resume_machine, 2, waitSeconds=AN_HOUR)

    assert run.end_of(execution)["status"] == "SUCCEEDED"
    assert len(run.invocations()) == 1
    assert "token" not in stored(run)


def test_an_older_segment_does_not_replace_the_pending_one(on: Interpreter, run: Run) -> None:
    run.put_owing(run.execution(3))
    execution = run.start(on.resume_machine, 2, waitSeconds=AN_HOUR)

    assert run.end_of(execution)["status"] == "SUCCEEDED"
    item = stored(run)
    assert item["owes"] == run.execution(3)
    assert "token" not in item


def test_a_deadline_that_passes_advances_the_run(on: Interpreter, run: Run) -> None:
    run.put_owing(run.execution(2))
    execution = run.start(on.resume_machine, 2, waitSeconds=1)

    assert run.end_of(execution)["status"] == "SUCCEEDED"
    assert run.invocations() == [{"runId": run.id, "execution": run.execution(2)}]
    assert stored(run)["rev"] == "8", "the run was parked before its deadline passed"


def test_parking_does_not_create_a_missing_run(on: Interpreter, run: Run) -> None:
    execution = run.start(on.resume_machine, 2, waitSeconds=AN_HOUR)

    assert run.end_of(execution)["status"] == "SUCCEEDED"
    assert len(run.invocations()) == 1
    assert run.item() is None


def test_an_error_that_no_catcher_names_still_advances_the_run(on: Interpreter, run: Run) -> None:
    execution = run.start(on.tableless_machine, 2, waitSeconds=AN_HOUR)

    assert run.end_of(execution)["status"] == "SUCCEEDED"
    assert len(run.invocations()) == 1


@pytest.mark.parametrize("segment", ["run", "resume"])
def test_an_invocation_that_fails_is_repeated_with_the_same_payload(on: Interpreter, run: Run, segment: str) -> None:
    on.advance.script(run.id, FAILS)
    machine = on.run_machine if segment == "run" else on.resume_machine
    execution = run.start(machine, 1, waitSeconds=AN_HOUR)

    assert run.end_of(execution)["status"] == "SUCCEEDED"
    assert run.invocations() == [{"runId": run.id, "execution": run.execution(1)}] * 2


@pytest.mark.parametrize("segment", ["run", "resume"])
def test_an_execution_fails_after_five_invocations_that_failed(on: Interpreter, run: Run, segment: str) -> None:
    on.advance.script(run.id, *[FAILS] * 20)
    machine = on.run_machine if segment == "run" else on.resume_machine
    end = run.end_of(run.start(machine, 1, waitSeconds=AN_HOUR))

    assert end["status"] == "FAILED"
    # The runtime chooses the name of the error; the message is the one of the function.
    assert json.loads(end["cause"])["errorMessage"] == FAILS
    assert len(run.invocations()) == 5


@pytest.mark.needs("throttled function")
def test_a_throttled_invocation_is_repeated(on: Interpreter, run: Run) -> None:
    on.advance.script(run.id, THROTTLED)
    execution = run.start(on.run_machine, 1)

    assert run.end_of(execution)["status"] == "SUCCEEDED"
    assert len(run.invocations()) == 2


@pytest.mark.needs("stop while parked")
def test_stopping_a_parked_execution_aborts_it_without_advancing(on: Interpreter, run: Run) -> None:
    run.put_owing(run.execution(2))
    execution = run.start(on.resume_machine, 2, waitSeconds=AN_HOUR)
    run.token()
    on.states.stop_execution(executionArn=execution, error="Cancelled", cause="a test")

    assert run.end_of(execution)["status"] == "ABORTED"
    assert run.invocations() == []
