"""The part of Lambda's Runtime API that starts a function, sends it one event and receives its first answer."""

import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PATIENCE = 30


@dataclass(frozen=True)
class ColdStart:
    """The processor time and the elapsed time of a fresh process until its answer, in milliseconds."""

    cpu_ms: float
    wall_ms: float
    answer: dict[str, Any]


def _wait(answered: threading.Event, process: "subprocess.Popen[bytes]") -> bool:
    """Returns whether the answer came before the process ended by itself."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        # WNOWAIT leaves a process that has ended to wait4.
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if answered.wait(0.05) or ended is not None:
            break
    return answered.is_set()


def cold_start(binary: Path, environment: dict[str, str], event: dict[str, Any]) -> ColdStart:
    """Starts the binary, sends it the event, and ends it as soon as it has answered."""
    answered, over = threading.Event(), threading.Event()
    seen: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if "asked" in seen:
                # The next event never comes.
                over.wait(PATIENCE)
                self.close_connection = True
                return
            seen["asked"] = True
            self._send(200, json.dumps(event).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            seen.setdefault("at", time.perf_counter())
            seen.setdefault("answer", json.loads(body or b"null"))
            self._send(202, b"{}")
            answered.set()

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Lambda-Runtime-Aws-Request-Id", "11111111-2222-3333-4444-555555555555")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + PATIENCE) * 1000)))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:cold")
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Prints nothing: the process is killed while it waits for the next event, which breaks its connections."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lambda_says = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "cold",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_LOG_GROUP_NAME": "cold",
        "AWS_LAMBDA_LOG_STREAM_NAME": "cold",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
    }
    try:
        start = time.perf_counter()
        process = subprocess.Popen(
            [binary], env={**environment, **lambda_says}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        came = _wait(answered, process)
        os.kill(process.pid, signal.SIGKILL)  # not send_signal, which might collect the process before wait4 does
        # What it used, to the microsecond; it was idle between its answer and its end.
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = -signal.SIGKILL
    finally:
        over.set()
        server.shutdown()
        server.server_close()
    if not came:
        raise TimeoutError(f"{binary} ended without an answer, or gave none within {PATIENCE} s")
    return ColdStart((used.ru_utime + used.ru_stime) * 1000, (seen["at"] - start) * 1000, seen["answer"])
