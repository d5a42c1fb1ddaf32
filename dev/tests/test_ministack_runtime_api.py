"""A function gets its event at once and in one piece, and an idle one is not polled all the time."""

import http.client
import json
import queue
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.core.lambda_runtime import ProvidedWorker

from ministack_patches import runtime_api

CONFIG = {"FunctionName": "runtime-api-test", "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:runtime-api-test"}
EVENT = {"text": "x" * 2_000}


class Runtime:
    """The Runtime API of one environment, as MiniStack serves it, with every segment that is written to a function recorded."""

    def __init__(self, handler: Any) -> None:
        self.written: list[bytes] = []
        self.nodelay: list[int] = []
        runtime = self

        class Recording(handler):  # type: ignore[misc]  # the base is made at run time
            def setup(self) -> None:
                super().setup()
                runtime.nodelay.append(self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                write = self.wfile.raw.write if hasattr(self.wfile, "raw") else self.wfile.write
                target = self.wfile.raw if hasattr(self.wfile, "raw") else self.wfile

                def recorded(content: bytes) -> Any:
                    runtime.written.append(bytes(content))
                    return write(content)

                target.write = recorded

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Recording)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.client = http.client.HTTPConnection("127.0.0.1", self._server.server_address[1], timeout=10)

    def close(self) -> None:
        self.client.close()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(ProvidedWorker, "_build_handler_class", ProvidedWorker._build_handler_class)
    runtime_api.apply()
    worker = ProvidedWorker("runtime-api-test", CONFIG, b"")
    worker._stopping = False
    return worker


@pytest.fixture
def runtime(worker: Any) -> Iterator[Runtime]:
    runtime = Runtime(worker._build_handler_class(0, worker._pending))
    yield runtime
    runtime.close()


def test_an_event_leaves_in_one_piece_and_without_nagle(worker: Any, runtime: Runtime) -> None:
    worker._pending.put(("a-request", EVENT, 0, None, CONFIG["FunctionArn"]))
    runtime.client.request("GET", "/2018-06-01/runtime/invocation/next")
    assert json.loads(runtime.client.getresponse().read()) == EVENT
    assert len(runtime.written) == 1
    assert runtime.nodelay == [1]


def test_an_answer_is_recorded_and_acknowledged(worker: Any, runtime: Runtime) -> None:
    worker._current_request_id = "a-request"
    runtime.client.request("POST", "/2018-06-01/runtime/invocation/a-request/response", body=b'{"ok": true}')
    answer = runtime.client.getresponse()
    assert (answer.status, answer.read()) == (202, b"")
    assert worker._result == {"response": {"ok": True}}


def test_an_idle_function_is_not_polled_ten_times_a_second() -> None:
    asked: list[float] = []

    class Events(queue.Queue[str]):
        def get(self, block: bool = True, timeout: float | None = None) -> str:  # noqa: ARG002
            asked.append(timeout or 0.0)
            raise queue.Empty

    with pytest.raises(queue.Empty):
        runtime_api.PatientQueue(Events()).get(timeout=0.1)
    assert asked == [runtime_api.LONGEST_WAIT_SECONDS]
