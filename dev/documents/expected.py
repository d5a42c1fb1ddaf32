"""What a document says an answer looks like, against what it is."""

import json
import re

ANYTHING = "…"


def difference(language, expected, printed):
    """What is wrong with what was printed; None if it is as expected."""
    if language == "json":
        try:
            return json_difference(json.loads(expected), json.loads(printed))
        except ValueError as problem:
            return f"this is no JSON ({problem}):\n{printed}"
    return None if text_matches(expected.strip(), printed.strip()) else f"it printed:\n{printed}"


def text_matches(expected, actual):
    """Whether the text is the expected one, in which `…` stands for anything, also for several lines or nothing."""
    pattern = ".*".join(map(re.escape, expected.split(ANYTHING)))
    return re.fullmatch(pattern, actual, re.DOTALL) is not None


def json_difference(expected, actual, path="$"):
    """The first place at which the JSON values differ; None if there is none."""
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
        wanted = expected[:-1] if open_ended else expected
        if len(actual) < len(wanted) or (len(actual) > len(wanted) and not open_ended):
            return f"{path}: {len(wanted)} items are expected, not {len(actual)}: {_short(actual)}"
        return _first(json_difference(one, other, f"{path}[{at}]") for at, (one, other) in enumerate(zip(wanted, actual)))
    if isinstance(expected, str) and isinstance(actual, str):
        same = text_matches(expected, actual)
    else:
        # In Python True == 1.
        same = type(expected) is type(actual) and expected == actual
    return None if same else f"{path}: {_short(expected)} is expected, not {_short(actual)}"


def _first(differences):
    return next((difference for difference in differences if difference), None)


def _short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 2_000 else f"{text[:2_000]}…"
