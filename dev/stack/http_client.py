"""An HTTP client for the demo and the checks: it sends and reads JSON, uses no proxy and returns errors with their status."""

import json
import urllib.error
import urllib.request
from typing import Any

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Unreachable(Exception):
    """The server did not answer."""


def call(method: str, url: str, body: Any = None, key: str | None = None, timeout: float = 35) -> tuple[int, Any]:
    """Sends a request with `body` as JSON; returns the status, also one from 400 on, and the parsed body.

    `key` is the API key, `timeout` is in seconds. Raises Unreachable if there is no answer.
    """
    request = urllib.request.Request(url, method=method)
    request.add_header("Accept", "application/json")
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    if body is not None:
        request.data = json.dumps(body, ensure_ascii=False).encode("utf-8")
        request.add_header("Content-Type", "application/json")
    try:
        with _opener.open(request, timeout=timeout) as response:
            return response.status, _parsed(response.read())
    except urllib.error.HTTPError as answer:
        return answer.code, _parsed(answer.read())
    except OSError as problem:
        raise Unreachable(str(getattr(problem, "reason", problem))) from None


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", errors="replace")
