"""The smallest string for the string keywords of a JSON schema: minLength, format and, for most expressions, pattern."""

import importlib
import re
import sys
from typing import Any

# The parser of regular expressions has no public name, and it moved in Python 3.11.
_PACKAGE = "re._{}" if sys.version_info >= (3, 11) else "sre_{}"
sre: Any = importlib.import_module(_PACKAGE.format("constants"))
parser: Any = importlib.import_module(_PACKAGE.format("parser" if sys.version_info >= (3, 11) else "parse"))

FORMATS = {
    "date-time": "1970-01-01T00:00:00Z",
    "date": "1970-01-01",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "a@b.co",
    "idn-email": "a@b.co",
    "hostname": "a",
    "idn-hostname": "a",
    "ipv4": "0.0.0.0",
    "ipv6": "::",
    "uri": "a:b",
    "iri": "a:b",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "regex": "",
    "json-pointer": "",
}
# Formats whose smallest string stays valid with letters added in front of it.
PADDABLE = ("email", "idn-email", "hostname", "idn-hostname", "uri", "iri", "regex", None)
MAX_LENGTH = 1_000_000  # characters
# The characters that are tried first for a character class.
PREFERRED = "a0A-_ .:/@"


def smallest_string(schema: dict[str, Any]) -> str:
    """Returns a string that satisfies the string keywords of the schema; raises ValueError with the keyword that it cannot satisfy."""
    shortest = schema.get("minLength", 0)
    if shortest > MAX_LENGTH:
        raise ValueError(f"minLength {shortest} is over the limit of {MAX_LENGTH}")
    if "pattern" in schema:
        return _matching(schema["pattern"], shortest)
    name = schema.get("format")
    text = FORMATS.get(str(name), "")
    if len(text) < shortest and (name in PADDABLE or name not in FORMATS):
        text = "a" * (int(shortest) - len(text)) + text
    return text


def _matching(pattern: str, shortest: int) -> str:
    try:
        parsed = parser.parse(pattern)
    except re.error as problem:
        raise ValueError(f"pattern {pattern!r} cannot be read: {problem}") from None
    # The repetitions get longer until the text is long enough, which suffices for `^[a-z]+$` with a minLength.
    for extra in (0, *range(1, 65), int(shortest)):
        text = _text(parsed, extra)
        anchored_end = pattern.endswith("$") and not pattern.endswith("\\$")
        if len(text) < shortest and not anchored_end:
            text += "a" * (int(shortest) - len(text))
        if len(text) >= shortest and re.search(pattern, text):
            return text
    raise ValueError(f"no short text found for the pattern {pattern!r}")


def _text(parsed: Any, extra: int) -> str:
    return "".join(_piece(code, argument, extra) for code, argument in parsed)


def _piece(code: Any, argument: Any, extra: int) -> str:
    if code is sre.LITERAL:
        return chr(argument)
    if code is sre.NOT_LITERAL:
        return next(char for char in PREFERRED if ord(char) != argument)
    if code is sre.ANY:
        return "a"
    if code is sre.IN:
        return _member(argument)
    if code in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        low, high, inner = argument
        return "".join(_text(inner, 0) for _ in range(min(low + extra, int(high))))
    if code is sre.SUBPATTERN:
        return _text(argument[-1], extra)
    if code is sre.BRANCH:
        return min((_text(branch, extra) for branch in argument[1]), key=len)
    if code is sre.CATEGORY:
        return _member([(code, argument)])
    # Anchors match no character. Look-arounds and back-references are left to the final check.
    return ""


def _member(items: Any) -> str:
    """Returns a character of a class such as `[^a-z0-9]`."""
    wanted = not (items and items[0][0] is sre.NEGATE)
    first = next((chr(arg[0] if code is sre.RANGE else arg) for code, arg in items if code in (sre.RANGE, sre.LITERAL)), "")
    candidates = (first if wanted else "") + PREFERRED + "".join(map(chr, range(33, 127)))
    for char in candidates:
        if any(_belongs(char, code, arg) for code, arg in items) == wanted:
            return char
    raise ValueError("a character class of the pattern has no plain character")


def _belongs(char: str, code: Any, argument: Any) -> bool:
    if code is sre.LITERAL:
        return ord(char) == argument
    if code is sre.RANGE:
        return argument[0] <= ord(char) <= argument[1]
    if code is sre.CATEGORY:
        words = {sre.CATEGORY_DIGIT: r"\d", sre.CATEGORY_SPACE: r"\s", sre.CATEGORY_WORD: r"\w"}
        opposite = {sre.CATEGORY_NOT_DIGIT: r"\D", sre.CATEGORY_NOT_SPACE: r"\S", sre.CATEGORY_NOT_WORD: r"\W"}
        return re.fullmatch({**words, **opposite}[argument], char) is not None
    return False
