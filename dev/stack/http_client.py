"""HTTP as the demo and the checks need it: JSON, no proxy, errors with their status."""

import json
import urllib.error
import urllib.request

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Unreachable(Exception):
    """Nobody answered."""


def call(method, url, body=None, key=None, timeout=35):
    """(status, parsed body). Statuses from 400 on are answers too."""
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


def _parsed(raw):
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", errors="replace")
