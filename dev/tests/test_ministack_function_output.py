"""What a function wrote before it answered is in the invocation's log without a wait; what comes later is in the function's log as well."""

import os
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import pytest
from ministack.core.lambda_runtime import ProvidedWorker
from ministack.services import cloudwatch_logs

from ministack_patches import function_output

NAME = "function-output-test"
CONFIG = {"FunctionName": NAME, "FunctionArn": f"arn:aws:lambda:us-east-1:000000000000:function:{NAME}"}


class Function:
    """An environment whose process is played by the test: it writes into the pipe."""

    def __init__(self, lines: int = 10_000) -> None:
        self.worker: Any = ProvidedWorker(NAME, CONFIG, b"")
        self.worker._stderr_queue = queue.Queue(maxsize=lines)
        reading, self._writing = os.pipe()
        self.pipe: BinaryIO = os.fdopen(reading, "rb")
        self.pump = threading.Thread(target=self.worker._pump_output, args=(self.pipe, self.worker._stderr_queue), daemon=True)

    def begin(self) -> None:
        self.pump.start()
        wait_until(lambda: hasattr(self.worker, "output"))

    def write(self, text: str) -> None:
        os.write(self._writing, text.encode("utf-8"))

    def end(self) -> None:
        os.close(self._writing)
        self.pump.join(5)


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    for name in ("_pump_output", "_drain_stderr_bounded"):
        monkeypatch.setattr(ProvidedWorker, name, getattr(ProvidedWorker, name))
    function_output.apply()
    cloudwatch_logs._log_groups.pop(f"/aws/lambda/{NAME}", None)
    function = Function()
    yield function
    if function.pump.is_alive():
        function.end()


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def logged() -> list[str]:
    group = cloudwatch_logs._log_groups.get(f"/aws/lambda/{NAME}") or {"streams": {}}
    return [event["message"] for stream in group["streams"].values() for event in stream["events"]]


def test_a_silent_function_is_not_waited_for(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    function.begin()
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert function.worker._drain_stderr_bounded() == ""
    assert slept == []


def test_what_was_written_before_the_answer_is_there_even_if_no_thread_has_read_it(function: Function) -> None:
    """The pump is started afterwards: the lines can only come out of the pipe."""
    output = function_output.Output(function.worker, function.pipe, function.worker._stderr_queue)
    function.worker.output = output
    function.write("one\ntwo\r\n")
    assert function.worker._drain_stderr_bounded() == "one\ntwo"


def test_a_line_that_comes_late_lands_in_the_log_of_the_function(function: Function) -> None:
    function.begin()
    assert function.worker._drain_stderr_bounded() == ""
    function.write("late\n")
    wait_until(lambda: logged() == ["late"])
    assert function.worker._drain_stderr_bounded() == "", "it is not the next invocation's"


def test_late_lines_of_one_environment_share_a_stream(function: Function) -> None:
    function.begin()
    function.write("late\n")
    wait_until(lambda: logged() == ["late"])
    function.write("later\n")
    wait_until(lambda: logged() == ["late", "later"])
    assert len(cloudwatch_logs._log_groups[f"/aws/lambda/{NAME}"]["streams"]) == 1


def test_a_line_during_an_invocation_is_left_to_it(function: Function) -> None:
    function.begin()
    with function.worker._lock:  # as MiniStack holds it while it waits for the answer
        function.write("in time\n")
        wait_until(lambda: not function.worker._stderr_queue.empty())
        time.sleep(2 * function_output.LATE_SECONDS)
        assert logged() == []
        assert function.worker._drain_stderr_bounded() == "in time"
    time.sleep(2 * function_output.LATE_SECONDS)
    assert logged() == []


def test_the_last_output_of_a_process_is_kept_without_a_line_feed_and_with_broken_bytes(function: Function) -> None:
    function.begin()
    with function.worker._lock:
        function.write("thread 'main' panicked")
        os.write(function._writing, b" \xff")
        function.end()
        assert function.worker._drain_stderr() == "thread 'main' panicked \ufffd"
    assert function.pipe.closed


@pytest.mark.usefixtures("function")
def test_of_more_lines_than_the_queue_holds_the_newest_stay() -> None:
    crowded = Function(lines=2)
    crowded.begin()
    with crowded.worker._lock:
        crowded.write("1\n2\n3\n")
        crowded.end()
        assert crowded.worker._drain_stderr() == "2\n3"


def test_the_output_of_an_environment_that_was_replaced_is_not_taken_for_the_new_ones(function: Function) -> None:
    function.worker._stderr_queue = queue.Queue()  # the next environment's
    replaced = queue.Queue[str]()
    pump = threading.Thread(target=function.worker._pump_output, args=(function.pipe, replaced), daemon=True)
    pump.start()
    function.write("old\n")
    wait_until(lambda: logged() == ["old"])
    assert not hasattr(function.worker, "output")
