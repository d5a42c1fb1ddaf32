"""The part that the two small services of the local stack share: an HTTP server that records its requests.

A test or the demo asks `GET /_requests` what was really sent, instead of trusting the sender.
"""

import base64
import hashlib
import json
import sys
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

MAX_BODY_BYTES = 20 * 1024 * 1024
MAX_KEPT_REQUESTS = 10_000
MAX_KEPT_BYTES = 256 * 1024 * 1024
NO_BODY_STATUSES = (204, 304)


@dataclass(frozen=True)
class Request:
    """One request as it arrived. Header names are in lower case; repeated ones are joined by a comma."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes
    received_at: str

    @property
    def sha256(self) -> str:
        """The SHA-256 of the body in hexadecimal."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def text(self) -> str:
        """The body as text, in which bytes that are not UTF-8 are replaced."""
        return self.raw.decode("utf-8", errors="replace")

    @property
    def body(self) -> Any:
        """The JSON value of the body if it is JSON, otherwise its text; None if there is no body."""
        if not self.raw:
            return None
        try:
            return json.loads(self.raw)
        except ValueError:
            return self.text

    def as_record(self) -> dict[str, Any]:
        """Returns the request as `GET /_requests` shows it."""
        record = {
            "receivedAt": self.received_at,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "body": self.body,
            "rawBody": self.text,
            "sha256": self.sha256,
        }
        if self.raw and self.text.encode("utf-8") != self.raw:
            record["rawBodyBase64"] = base64.b64encode(self.raw).decode("ascii")
        return record


class Recorder:
    """The latest requests, bounded in number and in bytes, so that a load test cannot use up the memory."""

    def __init__(self, max_requests: int = MAX_KEPT_REQUESTS, max_bytes: int = MAX_KEPT_BYTES) -> None:
        """Takes the number of requests and the bytes of their bodies that are kept at most."""
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque()
        self._bytes = 0
        self._max_requests = max_requests
        self._max_bytes = max_bytes

    def add(self, request: Request) -> None:
        """Records a request and drops the oldest ones that are over the limits."""
        with self._lock:
            self._requests.append(request)
            self._bytes += len(request.raw)
            while len(self._requests) > self._max_requests or self._bytes > self._max_bytes:
                self._bytes -= len(self._requests.popleft().raw)

    def matching(self, path: str | None = None, idempotency_key: str | None = None) -> list[Request]:
        """Returns the recorded requests with this path and idempotency key, oldest first; None matches any."""
        with self._lock:
            kept = list(self._requests)
        return [
            request
            for request in kept
            if (path is None or request.path == path)
            and (idempotency_key is None or request.headers.get("idempotency-key") == idempotency_key)
        ]


class BadRequest(Exception):
    """The request cannot be read; the text is sent to the caller."""

    def __init__(self, status: int, message: str) -> None:
        """Takes the status of the answer and the text of the error."""
        super().__init__(message)
        self.status = status


class RecordingHandler(BaseHTTPRequestHandler):
    """Reads a request, answers `/` and `/_requests` itself and leaves the other paths to `answer`."""

    server: "RecordingServer"

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    timeout = 120

    # The answer to `GET /`.
    about: ClassVar[dict[str, str]] = {}

    def answer(self, request: Request) -> tuple[int, Any]:
        """Returns the status and the JSON value that answer the request."""
        raise NotImplementedError

    def _handle(self) -> None:
        try:
            request = self._read_request()
        except BadRequest as problem:
            self.close_connection = True
            self._send(problem.status, {"error": str(problem)})
            return
        if request.path == "/" and request.method in ("GET", "HEAD"):
            self._send(200, self.about)
        elif request.path == "/_requests" and request.method in ("GET", "HEAD"):
            found = self.server.recorder.matching(
                path=request.query.get("path"),
                idempotency_key=request.query.get("idempotencyKey"),
            )
            self._send(200, [each.as_record() for each in found])
        else:
            self.server.recorder.add(request)
            status, value = self.answer(request)
            self._send(status, value)

    # The base class looks the methods up under these names.
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle

    def _read_request(self) -> Request:
        raw = self._read_body()
        target = urlsplit(self.path)
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        return Request(
            method=self.command,
            path=target.path,
            query=dict(parse_qsl(target.query, keep_blank_values=True)),
            headers=headers,
            raw=raw,
            received_at=datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit():
            raise BadRequest(400, f"Content-Length is not a number: {length[:40]!r}")
        if int(length) > MAX_BODY_BYTES:
            raise BadRequest(413, f"the body is over {MAX_BODY_BYTES} bytes")
        raw = self.rfile.read(int(length))
        if len(raw) < int(length):
            raise BadRequest(400, "the body ended before Content-Length")
        return raw

    def _read_chunks(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while True:
            try:
                size = int(self.rfile.readline(1024).split(b";")[0], 16)
            except ValueError:
                raise BadRequest(400, "a chunk has no valid size") from None
            total += size
            if size < 0 or total > MAX_BODY_BYTES:
                raise BadRequest(413, f"the body is over {MAX_BODY_BYTES} bytes")
            if size == 0:
                while self.rfile.readline(8192).strip():
                    pass
                return b"".join(parts)
            parts.append(self.rfile.read(size))
            self.rfile.readline(8)

    def _send(self, status: int, value: Any) -> None:
        payload = b"" if status in NO_BODY_STATUSES else json.dumps(value, ensure_ascii=False).encode("utf-8")
        self.send_response(status)
        if status not in NO_BODY_STATUSES:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)
        self.wfile.flush()


class RecordingServer(ThreadingHTTPServer):
    """A server on a loopback port that has a recorder and handles each connection in a thread of its own."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, handler: type[RecordingHandler]) -> None:
        """Listens on the port; 0 is any free one."""
        self.recorder = Recorder()
        super().__init__(("127.0.0.1", port), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Prints the error of a request, unless the caller has closed the connection."""
        # A caller that hangs up had a timeout; that is no error of this service.
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def serve(port: int, handler: type[RecordingHandler]) -> None:
    """Serves on a loopback port until the process is interrupted."""
    server = RecordingServer(port, handler)
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
