"""An HTTP client for the demo and the checks: it sends and reads JSON, uses no proxy and returns errors with their status."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Unreachable(Exception):
    """The server did not answer."""


def call(
    method: str, url: str, body: Any = None, key: str | None = None, *, timeout: float = 35, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Sends a request with `body` as JSON; returns the status, also one from 400 on, and the parsed body.

    `key` is the API key, `timeout` is in seconds, `headers` come on top. Raises Unreachable if there is no answer.
    """
    request = urllib.request.Request(url, headers=dict(headers or {}), method=method)
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
    except (OSError, http.client.HTTPException) as problem:
        raise Unreachable(str(getattr(problem, "reason", problem))) from None


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", errors="replace")
