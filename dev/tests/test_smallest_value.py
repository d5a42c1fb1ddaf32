from typing import Any

import pytest
from jsonschema import Draft202012Validator

from smallest_value import NoValue, smallest_value

CASES = [
    (True, None),
    ({}, None),
    ({"type": "object"}, {}),
    (
        {
            "type": "object",
            "properties": {"action": {"type": "string"}, "amount": {"type": "integer"}, "more": {"type": "string"}},
            "required": ["action", "amount"],
            "additionalProperties": False,
        },
        {"action": "", "amount": 0},
    ),
    ({"required": ["a"]}, {"a": None}),
    ({"type": "object", "required": ["a"], "dependentRequired": {"a": ["b"]}}, {"a": None, "b": None}),
    ({"type": "object", "minProperties": 2, "properties": {"x": {"const": 1}}}, {"x": 1, "p0": None}),
    ({"enum": ["medium", "low", "high"]}, "low"),
    ({"enum": ["medium", "low", 7], "type": "string"}, "low"),
    ({"const": {"a": [1]}}, {"a": [1]}),
    ({"type": "array"}, []),
    ({"type": "array", "minItems": 2, "items": {"type": "boolean"}}, [False, False]),
    ({"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "integer"}}, [0, 1, 2]),
    ({"type": "array", "minItems": 2, "uniqueItems": True, "items": {"enum": ["a", "bb", "c"]}}, ["a", "c"]),
    ({"type": "array", "minItems": 2, "prefixItems": [{"const": "a"}], "items": {"type": "number"}}, ["a", 0]),
    ({"type": "array", "contains": {"const": 3}}, [3]),
    ({"anyOf": [{"type": "string", "minLength": 9}, {"type": "integer"}]}, 0),
    ({"anyOf": [{"type": "string"}, {"type": "string", "minLength": 3}], "minLength": 2}, "aa"),
    ({"oneOf": [{"type": "integer", "minimum": 5}, {"type": "string", "minLength": 5}]}, 5),
    ({"allOf": [{"type": "object", "required": ["a"]}, {"properties": {"a": {"type": "integer", "minimum": 3}}}]}, {"a": 3}),
    ({"allOf": [{"minimum": 3}, {"minimum": 7}], "type": "integer"}, 7),
    ({"$ref": "#/$defs/money", "$defs": {"money": {"type": "integer", "exclusiveMinimum": 0}}}, 1),
    (
        {
            "$ref": "#/$defs/tree",
            "$defs": {
                "tree": {
                    "type": "object",
                    "required": ["next"],
                    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}},
                }
            },
        },
        {"next": None},
    ),
    ({"type": ["string", "null"]}, ""),
    ({"type": "integer"}, 0),
    ({"type": "integer", "minimum": 5}, 5),
    ({"type": "integer", "minimum": 2.5}, 3),
    ({"type": "integer", "exclusiveMinimum": 5}, 6),
    ({"type": "integer", "maximum": -4}, -4),
    ({"type": "integer", "exclusiveMaximum": -4}, -5),
    ({"type": "integer", "minimum": 7, "multipleOf": 5}, 10),
    ({"type": "number", "exclusiveMinimum": 0}, 1),
    ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, 0.25),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
    ({"type": "number", "minimum": 0.25}, 0.25),
    ({"type": "string", "minLength": 3}, "aaa"),
    ({"type": "string", "pattern": "^[A-Z]{2}-\\d+$"}, "AA-0"),
    ({"type": "string", "pattern": "^(refund|void)$"}, "void"),
    ({"type": "string", "pattern": "^[a-z]+$", "minLength": 4}, "aaaa"),
    ({"type": "string", "pattern": "^run_[^a-z]{3}"}, "run_000"),
    ({"type": "string", "format": "date"}, "1970-01-01"),
    ({"type": "string", "format": "email", "minLength": 10}, "aaaaa@b.co"),
    ({"type": "boolean"}, False),
    ({"type": "null"}, None),
]


@pytest.mark.parametrize(("schema", "expected"), CASES)
def test_the_smallest_value_is_small_and_satisfies_the_schema(schema: Any, expected: Any) -> None:
    value = smallest_value(schema)
    assert value == expected
    assert type(value) is type(expected)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def test_a_large_schema_of_the_kind_that_flows_have() -> None:
    schema = {
        "$defs": {
            "line": {
                "type": "object",
                "required": ["sku", "count"],
                "properties": {"sku": {"type": "string", "pattern": "^[A-Z]{3}\\d{4}$"}, "count": {"type": "integer", "minimum": 1}},
            }
        },
        "type": "object",
        "required": ["id", "lines", "kind", "due", "note"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "lines": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/line"}},
            "kind": {"oneOf": [{"const": "express"}, {"const": "slow"}]},
            "due": {"type": "string", "format": "date-time"},
            "note": {"type": ["string", "null"], "minLength": 12},
        },
        "additionalProperties": False,
    }
    value = smallest_value(schema)
    Draft202012Validator(schema).validate(value)
    assert value["lines"] == [{"sku": "AAA0000", "count": 1}] * 2
    assert value["kind"] == "slow"
    assert value["note"] is None


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (False, "accepts nothing"),
        ({"type": "nonsense"}, "not valid"),
        ({"$ref": "#/$defs/missing"}, "points nowhere"),
        ({"$ref": "https://example.com/schema"}, "outside"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/a"}}}}, "never ends"),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "between the bounds"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "both"),
        ({"type": "string", "maxLength": 2, "minLength": 3}, "no small value"),
        ({"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "boolean"}}, "uniqueItems"),
        ({"type": "array", "minItems": 10_000_000}, "over the"),
    ],
)
def test_a_schema_that_cannot_be_satisfied_is_refused_with_a_reason(schema: Any, says: str) -> None:
    with pytest.raises(NoValue, match=says):
        smallest_value(schema)
