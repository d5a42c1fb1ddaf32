"""The smallest JSON value that satisfies a JSON schema.

The value is built from the keywords of the schema and then checked with a validator: a value that does not satisfy the schema is never
returned; `NoValue` says why instead. docs/adr/0024-the-smallest-value-of-a-schema-is-built-here.md says why this is no library.
"""

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from jsonschema import SchemaError
from jsonschema.validators import Draft202012Validator, validator_for

from smallest_string import smallest_string

TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
HINTS = {
    "object": ("properties", "required", "minProperties", "additionalProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "contains", "uniqueItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
MAX_GENERATED = 10_000  # items of an array, properties of an object

# A JSON schema: a boolean, or an object of keywords.
Schema = Any


class NoValue(ValueError):
    """No value could be built; the text says for which keyword."""


def smallest_value(schema: Schema) -> Any:
    """Returns a value that `schema` accepts, as small as the keywords allow; raises NoValue if it finds none."""
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as problem:
        raise NoValue(f"the schema is not valid: {problem.message}") from None
    value = _Generator(schema, kind).value(schema, ())
    failure = next(kind(schema).iter_errors(value), None)
    if failure is not None:
        raise NoValue(f"no small value found for the schema: {failure.message} at {failure.json_path}")
    return value


def _size(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":")))


class _Generator:
    def __init__(self, root: Schema, kind: type[Any]) -> None:
        self._root = root
        self._kind = kind

    def value(self, schema: Schema, refs: tuple[str, ...]) -> Any:
        """Builds a value. `refs` are the references being expanded: the smallest value never contains one within itself."""
        if schema is True or schema == {}:
            return None
        if schema is False:
            raise NoValue("the schema `false` accepts nothing")
        if "$ref" in schema:
            target = schema["$ref"]
            if target in refs:
                raise NoValue(f"{target} needs itself and never ends")
            rest = {key: item for key, item in schema.items() if key != "$ref"}
            return self.value(_merged(self._resolve(target), rest), (*refs, target))
        if "allOf" in schema:
            rest = {key: item for key, item in schema.items() if key != "allOf"}
            for part in schema["allOf"]:
                rest = _merged(rest, part)
            return self.value(rest, refs)
        for word in ("oneOf", "anyOf"):
            if word in schema:
                return self._smallest_branch(schema, word, refs)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            fitting = [item for item in schema["enum"] if self._accepts(schema, item)]
            return min(fitting or schema["enum"], key=_size)
        return self._by_type(schema, refs)

    def _resolve(self, target: str) -> Any:
        if not target.startswith("#"):
            raise NoValue(f"$ref {target} points outside of the schema")
        found = self._root
        for escaped in filter(None, target[1:].split("/")):
            token = escaped.replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(token)] if isinstance(found, list) else found[token]
            except (KeyError, IndexError, ValueError, TypeError):
                raise NoValue(f"$ref {target} points nowhere") from None
        return found

    def _accepts(self, schema: Schema, value: Any) -> bool:
        # The definitions of the root are added, so that references within a part still resolve.
        scope = {key: self._root[key] for key in ("$defs", "definitions") if key in self._root} if isinstance(self._root, dict) else {}
        try:
            return self._kind({**scope, **schema} if isinstance(schema, dict) else schema).is_valid(value)
        except Exception:  # noqa: BLE001 (a reference that resolves only from the root: the check at the end decides)
            return True

    def _smallest_branch(self, schema: dict[str, Any], word: str, refs: tuple[str, ...]) -> Any:
        rest = {key: item for key, item in schema.items() if key != word}
        return self._smallest_of([partial(lambda part: self.value(_merged(rest, part), refs), part) for part in schema[word]], schema)

    def _smallest_of(self, makers: Sequence[Callable[[], Any]], schema: Schema) -> Any:
        values: list[Any] = []
        problem = NoValue("there is no branch to choose from")
        for make in makers:
            try:
                values.append(make())
            except NoValue as caught:
                problem = caught
        if not values:
            raise problem
        return min([value for value in values if self._accepts(schema, value)] or values, key=_size)

    def _by_type(self, schema: dict[str, Any], refs: tuple[str, ...]) -> Any:
        wanted = schema.get("type")
        if wanted is None:
            wanted = next((name for name, words in HINTS.items() if any(word in schema for word in words)), None)
            if wanted is None:
                return None
        if isinstance(wanted, list):
            return self._smallest_of([partial(self._of_type, name, schema, refs) for name in wanted], schema)
        return self._of_type(wanted, schema, refs)

    def _of_type(self, name: str, schema: dict[str, Any], refs: tuple[str, ...]) -> Any:
        if name == "object":
            return self._object(schema, refs)
        if name == "array":
            return self._array(schema, refs)
        if name == "string":
            return self._string(schema)
        if name in ("integer", "number"):
            return _number(schema, whole=name == "integer")
        return False if name == "boolean" else None

    def _string(self, schema: dict[str, Any]) -> str:
        try:
            return smallest_string(schema)
        except ValueError as problem:
            raise NoValue(str(problem)) from None

    def _object(self, schema: dict[str, Any], refs: tuple[str, ...]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        extra = schema.get("additionalProperties", True)
        names = list(schema.get("required", []))
        for name in names:  # the list grows during the loop: what a required property requires is required too
            names += [more for more in schema.get("dependentRequired", {}).get(name, []) if more not in names]
        spare = [name for name in properties if name not in names]
        fresh = (f"p{number}" for number in range(MAX_GENERATED))
        while len(names) < _bounded(schema, "minProperties"):
            names.append(spare.pop(0) if spare else next(fresh))
        return {name: self.value(properties.get(name, extra), refs) for name in names}

    def _array(self, schema: dict[str, Any], refs: tuple[str, ...]) -> list[Any]:
        fixed = schema.get("prefixItems", [])
        items = schema.get("items", True)
        contained = _bounded(schema, "minContains", 1) if "contains" in schema else 0
        wanted = max(_bounded(schema, "minItems"), contained)
        parts = []
        for index in range(wanted):
            part = fixed[index] if index < len(fixed) else items
            # The items for `contains` come last, after those of `prefixItems`.
            parts.append(_merged(part, schema["contains"]) if index >= wanted - contained else part)
        items_so_far: list[Any] = []
        for part in parts:
            value = self.value(part, refs)
            items_so_far.append(self._other_than(items_so_far, part, value) if schema.get("uniqueItems") else value)
        return items_so_far

    def _other_than(self, taken: list[Any], schema: Schema, first: Any) -> Any:
        seen = {json.dumps(value, sort_keys=True) for value in taken}
        choices = schema.get("enum", []) if isinstance(schema, dict) else []
        if not choices:
            step = schema.get("multipleOf", 1) if isinstance(schema, dict) else 1
            count = range(len(taken) + 1)
            if isinstance(first, str):
                choices = [first + "a" * more for more in count]
            elif isinstance(first, (int, float)) and not isinstance(first, bool):
                choices = [first + step * more for more in count] + [first - step * more for more in count]
            else:
                choices = [first, False, True, "", *count]
        for value in sorted(choices, key=_size):
            if json.dumps(value, sort_keys=True) not in seen and self._accepts(schema, value):
                return value
        raise NoValue("not enough different items for uniqueItems")


def _bounded(schema: dict[str, Any], word: str, default: int = 0) -> int:
    count = schema.get(word, default)
    if count > MAX_GENERATED:
        raise NoValue(f"{word} {count} is over the limit of {MAX_GENERATED}")
    return math.ceil(count)


def _number(schema: dict[str, Any], whole: bool) -> int | float:
    """Returns the number nearest to zero in the range."""
    step = schema.get("multipleOf")
    if whole and (step is None or step != int(step)):
        step = 1 if step is None else step * next(n for n in range(1, MAX_GENERATED) if float(step * n).is_integer())
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)

    def fits(number: float) -> bool:
        return low <= number <= high and above < number < below

    if fits(0):
        return 0
    edge = max(low, above) if max(low, above) >= 0 else min(high, below)
    away = 1 if edge >= 0 and max(low, above) >= 0 else -1
    if step:
        start = math.ceil(edge / step) if away > 0 else math.floor(edge / step)
        candidates = [start * step, (start + away) * step]
    else:
        # Two bounds that are close to each other may leave only a fraction.
        other = min(high, below) if away > 0 else max(low, above)
        middle = (edge + other) / 2 if math.isfinite(other) else edge + away
        whole_next = math.floor(edge) + 1 if away > 0 else math.ceil(edge) - 1
        candidates = [edge, whole_next, middle]
    for candidate in candidates:
        if fits(candidate):
            return int(candidate) if whole or float(candidate).is_integer() else candidate
    raise NoValue("no number lies between the bounds")


def _merged(one: Schema, other: Schema) -> Any:
    """Returns a schema that demands what both demand, for the keywords that the generator reads."""
    if one is False or other is False:
        return False
    if one is True:
        return other
    if other is True:
        return one
    merged = dict(one)
    for key, item in other.items():
        if key not in merged or merged[key] == item:
            merged[key] = item
        elif key == "properties":
            names = {**merged[key], **item}
            merged[key] = {
                name: _merged(one[key][name], item[name]) if name in one[key] and name in item else part for name, part in names.items()
            }
        elif key == "required":
            merged[key] = merged[key] + [name for name in item if name not in merged[key]]
        elif key in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
            merged[key] = max(merged[key], item)
        elif key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
            merged[key] = min(merged[key], item)
        elif key == "enum":
            merged[key] = [value for value in merged[key] if value in item]
        elif key == "type":
            merged[key] = _common_types(merged[key], item)
        elif key in ("items", "additionalProperties", "contains"):
            merged[key] = _merged(merged[key], item)
        elif key in ("anyOf", "oneOf", "allOf", "$ref"):
            merged["allOf"] = [*merged.get("allOf", []), {key: item}]
        else:
            merged[key] = item
    return merged


def _common_types(one: str | list[str], other: str | list[str]) -> str | list[str]:
    def named(types: str | list[str]) -> list[str]:
        names = [types] if isinstance(types, str) else types
        return [*names, "integer"] if "number" in names else names

    both = [name for name in TYPES if name in named(one) and name in named(other)]
    if not both:
        raise NoValue(f"nothing is both {one} and {other}")
    return both[0] if len(both) == 1 else both
