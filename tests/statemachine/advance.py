"""The stand-in for advance-run: it answers invocations as a test prescribes, and records them.

Both interpreters reach the same stand-in over HTTP, so that there is one list of invocations:

* MiniStack runs a real function, `FUNCTION_SOURCE`, which asks the stand-in whether to return or to raise.
* moto cannot run functions without Docker. It calls Lambda through the endpoint that MOTO_PORT names, which is the stand-in: it
  answers Invoke itself and forwards everything else to moto.
"""

import json
import threading
from collections import defaultdict, deque
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OK, FAILS, THROTTLED = "ok", "fails", "throttled"

# An exception in the function is like an error of a Rust binary: a function error with a type and a message.
FUNCTION_SOURCE = """
import json, os, urllib.request

class AdvanceFailed(Exception):
    pass

def handler(event, context):
    request = urllib.request.Request(os.environ["STAND_IN"] + "/advance", json.dumps(event).encode(), method="POST")
    with urllib.request.urlopen(request) as response:
        verdict = json.load(response)
    if verdict != "ok":
        raise AdvanceFailed(verdict)
    return {"ignored": "the state machine must not pass this on"}
"""


class Advance:
    """The prescribed answers of the function and the events of its invocations, by run."""

    def __init__(self) -> None:
        """Nothing is prescribed at first."""
        self._lock = threading.Lock()
        self._script: dict[str, deque[str]] = defaultdict(deque)
        self._invocations: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def script(self, run_id: str, *verdicts: str) -> None:
        """Prescribes the answers of the run's next invocations; every later one is answered with OK."""
        with self._lock:
            self._script[run_id].extend(verdicts)

    def invocations(self, run_id: str) -> list[dict[str, Any]]:
        """Returns the events of the run's invocations so far."""
        with self._lock:
            return list(self._invocations[run_id])

    def invoked(self, event: dict[str, Any]) -> str:
        """Records an invocation and returns its answer."""
        with self._lock:
            run_id = event.get("runId", "")
            self._invocations[run_id].append(event)
            return self._script[run_id].popleft() if self._script[run_id] else OK


class StandIn:
    """The HTTP server of the stand-in, on a free loopback port."""

    def __init__(self, forwards_to: int | None = None) -> None:
        """Takes the port to which it forwards what is no invocation."""
        self.advance = Advance()
        handler = type("Handler", (_Handler,), {"advance": self.advance, "behind": forwards_to})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stops the server."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    advance: Advance
    behind: int | None

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Answers an invocation or forwards the request."""
        body = self._body()
        if self.path == "/advance":
            self._answer(200, json.dumps(self.advance.invoked(json.loads(body))).encode())
        elif self.path.startswith("/2015-03-31/functions/") and self.path.endswith("/invocations"):
            self._invoke(json.loads(body))
        else:
            self._forward("POST", body)

    def do_GET(self) -> None:
        """Forwards the request."""
        self._forward("GET", self._body())

    def _invoke(self, event: dict[str, Any]) -> None:
        """Answers like Lambda's Invoke: a function error is a 200 with a header, a throttled invocation is a 429."""
        verdict = self.advance.invoked(event)
        if verdict == THROTTLED:
            body = {"Type": "User", "message": "Rate Exceeded."}
            headers = {"x-amzn-ErrorType": "TooManyRequestsException", "x-amzn-RequestId": "stand-in"}
            self._answer(429, json.dumps(body).encode(), headers)
        elif verdict == FAILS:
            body = {"errorType": "AdvanceFailed", "errorMessage": verdict}
            self._answer(200, json.dumps(body).encode(), {"X-Amz-Function-Error": "Unhandled"})
        else:
            self._answer(200, b'{"ignored": "the state machine must not pass this on"}')

    def _forward(self, method: str, body: bytes) -> None:
        if self.behind is None:
            self._answer(404, b"{}")
            return
        connection = HTTPConnection("127.0.0.1", self.behind)
        # Host and authorization stay unchanged: moto recognises the service by them.
        connection.request(method, self.path, body, dict(self.headers))
        response = connection.getresponse()
        payload = response.read()
        hop = {"transfer-encoding", "content-length", "connection", "server", "date"}
        self._answer(response.status, payload, {k: v for k, v in response.getheaders() if k.lower() not in hop})
        connection.close()

    def log_message(self, *_args: object) -> None:
        """Prints nothing: the invocations are in `Advance`."""
