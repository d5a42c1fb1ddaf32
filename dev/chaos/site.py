"""The other side of every call: the service, the model and the webhook endpoint in one server, which fail and record what reached them.

A caller under one Idempotency-Key (or one delivery) meets at most `TROUBLES` failures, so that every call succeeds in the end.
"""

import hashlib
import hmac
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from typing import Any, cast

from recording_server import RecordingServer, Request
from scripted_model import ModelHandler

from .accounting import EventSeen, Sent
from .flow import MODEL_TIMEOUT_SECONDS, receipt
from .options import Options

TROUBLES = 3
SHARE = 0.4  # how many of the calls fail that may
MODEL_TROUBLES = ("hang", "reset", "truncate", "refuse")
SERVICE_TROUBLES = ("reset", "reset-after", "truncate", "refuse", "refuse-after", "slow")
RESET_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


class Site(RecordingServer):
    """The server. It keeps the records of the service and of the endpoint."""

    def __init__(self, options: Options) -> None:
        """Listens on a free port of the loopback interface; there is no trouble before `troubled` is set."""
        self.options = options
        self.troubled = False
        self.secret = ""  # of the webhook endpoint
        self.troubles: Counter[str] = Counter()
        self._random = random.Random(options.seed)  # noqa: S311 (a repeatable choice, no secret)
        self._lock = threading.Lock()
        self._met: Counter[str] = Counter()
        self._sent: list[Sent] = []
        self._events: list[EventSeen] = []
        super().__init__(0, SiteHandler)

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def trouble(self, fault: str, caller: str, kinds: tuple[str, ...], most: int = TROUBLES) -> str:
        """Returns the trouble that this call of a caller meets; empty if there is none."""
        with self._lock:
            if not self.troubled or not self.options.has(fault) or self._met[caller] >= most or self._random.random() >= SHARE:
                return ""
            self._met[caller] += 1
            kind = self._random.choice(kinds)
            self.troubles[f"{fault}: {kind}"] += 1
            return kind

    def record(self, entry: Sent | EventSeen) -> None:
        """Keeps what reached the service or the endpoint."""
        with self._lock:
            if isinstance(entry, Sent):
                self._sent.append(entry)
            else:
                self._events.append(entry)

    def records(self) -> tuple[tuple[Sent, ...], tuple[EventSeen, ...]]:
        """Returns what has reached the service and the endpoint so far."""
        with self._lock:
            return tuple(self._sent), tuple(self._events)


class SiteHandler(ModelHandler):
    """Answers as the service, the model or the endpoint, by the path."""

    truncated = False

    @property
    def site(self) -> Site:
        """The server, with its type."""
        return cast("Site", self.server)

    def answer(self, request: Request) -> tuple[int, Any]:
        """Returns the answer; raises ConnectionResetError where the connection is to be reset."""
        if request.path.startswith("/effects/"):
            return self._serve(request)
        if request.path == "/events":
            return self._receive(request)
        kind = self.site.trouble("model", request.headers.get("idempotency-key", ""), MODEL_TROUBLES)
        if kind == "hang":
            time.sleep(MODEL_TIMEOUT_SECONDS + 2)
        self._meet(kind)
        return (503, {"error": {"message": "overloaded"}}) if kind == "refuse" else super().answer(request)

    def _serve(self, request: Request) -> tuple[int, Any]:
        _, _, run, node = request.path.split("/", 3)
        key = request.headers.get("idempotency-key", "")
        kind = self.site.trouble("service", key, SERVICE_TROUBLES)
        done, answered = kind not in ("reset", "refuse"), kind in ("", "slow")
        if kind == "slow":
            time.sleep(1)
        self.site.record(Sent(run, node, key, request.raw, done, answered))
        self._meet(kind)
        return (503, {"error": "try again"}) if kind.startswith("refuse") else (200, {"receipt": receipt(key), "more": "x" * 200})

    def _receive(self, request: Request) -> tuple[int, Any]:
        event = json.loads(request.raw)
        tag = hmac.new(self.site.secret.encode(), request.raw, hashlib.sha256).hexdigest()
        signed = hmac.compare_digest(request.headers.get("x-quantum-signature", ""), f"sha256={tag}")
        kind = self.site.trouble("endpoint", request.headers.get("x-quantum-delivery", ""), ("refuse", "reset"), most=1)
        self.site.record(EventSeen(event["data"]["runId"], event["event"], event["id"], request.raw, signed, not kind))
        self._meet(kind)
        return (503, {"error": "try again"}) if kind else (200, {})

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing: the account says what happened."""

    def _meet(self, kind: str) -> None:
        if kind.startswith("reset"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
            raise ConnectionResetError
        self.truncated = kind == "truncate"

    def _send(self, status: int, value: Any) -> None:
        if not self.truncated:
            super()._send(status, value)
            return
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload[: len(payload) // 2])
        self.wfile.flush()
        self.close_connection = True
