"""What is delivered twice, late and in another order, and that nothing is unless `make chaos` asks for it."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ministack.services import lambda_svc

from ministack_patches import redelivery

FUNCTION = {"config": {"FunctionName": "reader"}}
Deliver = Callable[..., None]


@pytest.fixture
def delivered(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The batches that the function was given, each as the ids of its records."""
    batches: list[list[str]] = []
    lock = threading.Lock()

    def function(_function: Any, event: dict[str, Any]) -> dict[str, Any]:
        with lock:
            batches.append([record["messageId"] for record in event["Records"]])
        return {"body": {}}

    monkeypatch.setattr(lambda_svc, "_execute_function", function)
    return batches


def batch(*ids: str, source: str = redelivery.QUEUE) -> dict[str, Any]:
    return {"Records": [{"messageId": each, "eventSource": source} for each in ids]}


def deliver(event: Any) -> None:
    before = set(threading.enumerate())
    lambda_svc._execute_function(FUNCTION, event)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)


def test_without_the_variable_nothing_is_replaced(delivered: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(redelivery.VARIABLE, raising=False)
    original = lambda_svc._execute_function
    redelivery.apply()
    assert lambda_svc._execute_function is original
    assert delivered == []


def test_without_the_file_every_batch_comes_once_and_in_order(
    delivered: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(redelivery.VARIABLE, str(tmp_path / "control"))
    redelivery.apply()
    deliver(batch("a", "b", "c"))
    deliver(batch("d"))
    assert delivered == [["a", "b", "c"], ["d"]]


def test_with_the_file_batches_come_twice_and_older_ones_again(
    delivered: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    control = tmp_path / "control"
    monkeypatch.setenv(redelivery.VARIABLE, str(control))
    redelivery.apply()
    control.write_text(json.dumps({"seed": 1, "share": 1}))
    deliver(batch("a", source=redelivery.STREAM))
    deliver(batch("b", source=redelivery.STREAM))
    assert sorted(delivered[:2]) == [["a"], ["a"]]
    assert delivered[2] == ["a"], "an older batch comes again before the newer one"
    assert delivered[3:] == [["b"], ["b"]]
    control.unlink()
    deliver(batch("c", source=redelivery.STREAM))
    assert delivered[5:] == [["c"]]


def test_the_messages_of_a_queue_are_shuffled_and_complete(
    delivered: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    control = tmp_path / "control"
    monkeypatch.setenv(redelivery.VARIABLE, str(control))
    redelivery.apply()
    control.write_text(json.dumps({"seed": 1, "share": 0}))
    ids = [str(number) for number in range(10)]
    deliver(batch(*ids))
    deliver(batch(*ids, source=redelivery.STREAM))
    assert delivered[0] != ids and sorted(delivered[0]) == ids
    assert delivered[1] == ids, "a stream keeps the order of its records"


def test_an_invocation_that_is_no_batch_is_left_alone(delivered: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    control = tmp_path / "control"
    monkeypatch.setenv(redelivery.VARIABLE, str(control))
    control.write_text(json.dumps({"seed": 1, "share": 1}))
    redelivery.apply()
    deliver(batch("a", source="aws:s3"))
    assert delivered == [["a"]]
