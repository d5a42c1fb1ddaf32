"""Compares what a document says that an answer looks like with the answer."""

import json
import re
from collections.abc import Iterable
from typing import Any

ANYTHING = "…"


def difference(language: str, expected: str, printed: str) -> str | None:
    """Returns how the printed text differs from the expected one; None if it does not."""
    if language == "json":
        try:
            return json_difference(json.loads(expected), json.loads(printed))
        except ValueError as problem:
            return f"this is not JSON ({problem}):\n{printed}"
    return None if text_matches(expected.strip(), printed.strip()) else f"it printed:\n{printed}"


def text_matches(expected: str, actual: str) -> bool:
    """Returns whether the text is the expected one, in which `…` stands for any text, also several lines or none."""
    pattern = ".*".join(map(re.escape, expected.split(ANYTHING)))
    return re.fullmatch(pattern, actual, re.DOTALL) is not None


def json_difference(expected: Any, actual: Any, path: str = "$") -> str | None:
    """Returns the first place at which the JSON values differ; None if they do not."""
    if expected == ANYTHING:
        return None
    if isinstance(expected, dict) and isinstance(actual, dict):
        wanted = {name: value for name, value in expected.items() if name != ANYTHING}
        if missing := wanted.keys() - actual.keys():
            return f"{path}: `{min(missing)}` is missing in {_short(actual)}"
        if ANYTHING not in expected and (more := actual.keys() - wanted.keys()):
            return f"{path}: `{min(more)}` is not expected: {_short(actual[min(more)])}"
        return _first(json_difference(value, actual[name], f"{path}.{name}") for name, value in wanted.items())
    if isinstance(expected, list) and isinstance(actual, list):
        open_ended = bool(expected) and expected[-1] == ANYTHING
        items = expected[:-1] if open_ended else expected
        if len(actual) < len(items) or (len(actual) > len(items) and not open_ended):
            return f"{path}: {len(items)} items are expected, not {len(actual)}: {_short(actual)}"
        return _first(json_difference(one, actual[at], f"{path}[{at}]") for at, one in enumerate(items))
    if isinstance(expected, str) and isinstance(actual, str):
        same = text_matches(expected, actual)
    else:
        # In Python True == 1.
        same = type(expected) is type(actual) and expected == actual
    return None if same else f"{path}: {_short(expected)} is expected, not {_short(actual)}"


def _first(differences: Iterable[str | None]) -> str | None:
    return next((difference for difference in differences if difference), None)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 2_000 else f"{text[:2_000]}…"
