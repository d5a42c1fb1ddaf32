"""The two services over HTTP: sockets, keep-alive, many requests at once."""

import hashlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from echo_service import EchoHandler
from recording_server import Recorder, RecordingHandler, RecordingServer, Request
from scripted_model import ModelHandler

Start = Callable[[type[RecordingHandler]], http.client.HTTPConnection]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[RecordingServer] = []

    def started(handler: type[RecordingHandler]) -> http.client.HTTPConnection:
        server = RecordingServer(0, handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def call(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    raw = response.read()
    return response.status, json.loads(raw) if raw else None


def test_the_echo_answers_with_what_it_was_sent(start: Start) -> None:
    raw = '{"b":1, "a":"ü"}'.encode()
    status, answer = call(start(EchoHandler), "POST", "/orders?x=1&y=", raw, {"X-Quantum-Trace-Id": "t"})
    assert status == 200
    assert (answer["method"], answer["path"], answer["query"]) == ("POST", "/orders", {"x": "1", "y": ""})
    assert answer["headers"]["x-quantum-trace-id"] == "t"
    assert answer["body"] == {"b": 1, "a": "ü"}
    assert answer["sha256"] == hashlib.sha256(raw).hexdigest()


def test_the_record_keeps_the_bytes_as_sent_and_can_be_filtered(start: Start) -> None:
    echo = start(EchoHandler)
    call(echo, "POST", "/a", b'{"n": 1.0}', {"Idempotency-Key": "k1"})
    call(echo, "POST", "/b", b"\xff\x00", {"Idempotency-Key": "k2"})
    assert [record["path"] for record in call(echo, "GET", "/_requests")[1]] == ["/a", "/b"]
    (record,) = call(echo, "GET", "/_requests?path=/a")[1]
    assert record["rawBody"] == '{"n": 1.0}'
    (record,) = call(echo, "GET", "/_requests?idempotencyKey=k2")[1]
    assert record["rawBodyBase64"] == "/wA="
    assert record["sha256"] == hashlib.sha256(b"\xff\x00").hexdigest()


def test_status_and_delay_are_obeyed_together(start: Start) -> None:
    echo = start(EchoHandler)
    before = time.monotonic()
    assert call(echo, "POST", "/delay/120/status/503/orders", b"{}")[0] == 503
    assert time.monotonic() - before >= 0.12
    assert call(echo, "POST", "/status/204/orders", b"{}") == (204, None)
    assert call(echo, "GET", "/status/abc/x")[0] == 400
    assert call(echo, "GET", "/status/101/x")[0] == 400
    assert len(call(echo, "GET", "/_requests")[1]) == 4


def test_a_chunked_body_is_read(start: Start) -> None:
    echo = start(EchoHandler)
    echo.request("POST", "/chunks", iter([b'{"a":', b"1}"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert json.loads(echo.getresponse().read())["body"] == {"a": 1}
    assert call(echo, "GET", "/next")[0] == 200


def test_a_request_is_held_until_it_is_released_and_delays_no_other(start: Start) -> None:
    echo = start(EchoHandler)

    def one(number: int) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", echo.port, timeout=20)
        try:
            return call(connection, "POST", f"/hold/{number % 2}", b"{}")[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as pool:
        answers = [pool.submit(one, number) for number in range(50)]
        while len(call(echo, "GET", "/_requests")[1]) < 50:
            pass
        assert not any(answer.done() for answer in answers)
        assert call(echo, "POST", "/_release?path=/hold/0")[0] == 200
        assert [answers[number].result() for number in range(0, 50, 2)] == [200] * 25
        assert not any(answers[number].done() for number in range(1, 50, 2))
        call(echo, "POST", "/_release?path=/hold/1")
        assert all(answer.result() == 200 for answer in answers)
    assert call(echo, "POST", "/hold/0", b"{}")[0] == 200, "those that follow are not held"


def test_both_say_what_they_are_without_recording_it(start: Start) -> None:
    handlers: tuple[tuple[type[RecordingHandler], str], ...] = ((EchoHandler, "echo"), (ModelHandler, "scripted model"))
    for handler, name in handlers:
        connection = start(handler)
        assert call(connection, "GET", "/")[1]["service"] == name
        assert call(connection, "GET", "/_requests")[1] == []


def test_the_model_answers_over_http_and_refuses_in_its_protocol(start: Start) -> None:
    model = start(ModelHandler)
    body = {"model": "m", "messages": [{"role": "user", "content": 'SCRIPTED: {"amount": 5}'}]}
    status, answer = call(model, "POST", "/v1/chat/completions", json.dumps(body))
    assert (status, answer["choices"][0]["message"]["content"]) == (200, '{"amount": 5}')
    assert call(model, "POST", "/v1/chat/completions", b"not json")[0] == 400
    assert call(model, "GET", "/v1/chat/completions")[0] == 405
    status, answer = call(model, "POST", "/v2", b"{}")
    assert (status, answer["error"]["type"]) == (404, "invalid_request_error")
    first = call(model, "GET", "/_requests")[1][0]
    assert first["body"] == body


def test_the_record_is_bounded_in_number_and_in_bytes() -> None:
    def request(number: int, size: int = 1) -> Request:
        return Request("POST", f"/{number}", {}, {}, b"x" * size, "")

    recorder = Recorder(max_requests=3, max_bytes=100)
    for number in range(5):
        recorder.add(request(number))
    assert [kept.path for kept in recorder.matching()] == ["/2", "/3", "/4"]
    recorder.add(request(5, size=99))
    assert [kept.path for kept in recorder.matching()] == ["/4", "/5"]
