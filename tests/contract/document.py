"""The openapi.yaml of the repository: its operations, and its schemas as validators."""

import copy
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


@cache
def document() -> dict[str, Any]:
    """Returns the document as plain values."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Returns the node, or the one that its `$ref` points to."""
    while "$ref" in node:
        node = at(node["$ref"])
    return node


def at(reference: str) -> dict[str, Any]:
    """Returns the node that a reference within the document points to."""
    node = document()
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    spec: dict[str, Any]

    @property
    def id(self) -> str:
        """The operationId."""
        return self.spec["operationId"]

    @property
    def needs_key(self) -> bool:
        """Whether the operation takes an API key."""
        return self.spec.get("security", document()["security"]) != []

    @property
    def responses(self) -> dict[int, dict[str, Any]]:
        """The responses by status."""
        return {int(status): resolved(response) for status, response in self.spec["responses"].items()}

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """The parameters of the operation and of its path."""
        shared = document()["paths"][self.path].get("parameters", [])
        return [resolved(parameter) for parameter in [*shared, *self.spec.get("parameters", [])]]

    def body_schema(self) -> dict[str, Any] | None:
        """Returns the schema of the request body; None if the operation takes no body."""
        body = resolved(self.spec.get("requestBody", {}))
        return body["content"]["application/json"]["schema"] if body else None

    def pattern(self) -> re.Pattern[str]:
        """Returns an expression that matches the paths of the operation."""
        return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.path)))


@cache
def operations() -> tuple[Operation, ...]:
    """Returns the operations in the order of the document."""
    return tuple(
        Operation(method.upper(), path, spec)
        for path, item in document()["paths"].items()
        for method, spec in item.items()
        if method in METHODS
    )


@cache
def events() -> dict[str, dict[str, Any]]:
    """Returns the description of each event that is sent to webhooks, by its name; EMITTED stands for those that flows emit."""
    return {name: item["post"] for name, item in document()["webhooks"].items()}


EMITTED = "webhook_emit"


def event_schema(name: str) -> dict[str, Any]:
    """Returns the schema of the body of an event."""
    return events().get(name, events()[EMITTED])["requestBody"]["content"]["application/json"]["schema"]


def operation(method: str, path: str) -> Operation | None:
    """Returns the operation that a request is for; `path` has no query. None if there is none."""
    return next((each for each in operations() if each.method == method and each.pattern().fullmatch(path)), None)


# ---- Schemas -----------------------------------------------------------------------------------------------------------------


def closed(schema: Any) -> Any:
    """Returns the schema with each object closed: it then has no fields but those that it names.

    The document leaves objects of answers open, so that they may gain fields. In an answer of this server, a field that the document
    does not name is one that is missing in the document.
    """
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "allOf" in schema:
        # The members of an `allOf` do not see the fields of each other.
        members = [_members_of(each) for each in schema["allOf"]]
        return {**closed({key: value for key, value in schema.items() if key != "allOf"}), "allOf": members, "unevaluatedProperties": False}
    inner = {
        key: closed(value) if key != "properties" else {name: closed(each) for name, each in value.items()} for key, value in schema.items()
    }
    if "properties" in schema and "additionalProperties" not in schema:
        inner["additionalProperties"] = False
    return inner


def _members_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns a member of an `allOf`: it is open itself, and the objects within it are closed."""
    schema = copy.deepcopy(resolved(schema))
    schema["properties"] = {name: closed(each) for name, each in schema.get("properties", {}).items()}
    return schema


@cache
def _closed_schemas() -> dict[str, Any]:
    return {name: closed(schema) for name, schema in document()["components"]["schemas"].items()}


def validator(schema: dict[str, Any], strict: bool) -> Draft202012Validator:
    """Returns the validator of a schema of the document; `strict` is for answers of this server, whose objects are closed."""
    schemas = _closed_schemas() if strict else document()["components"]["schemas"]
    root = {**(closed(schema) if strict else schema), "components": {"schemas": schemas}}
    return Draft202012Validator(root, format_checker=FormatChecker())


def problems(checker: Draft202012Validator, value: Any, most: int = 3) -> list[str]:
    """Returns the first `most` problems of a value, each at its deepest place."""
    found = []
    for error in checker.iter_errors(value):
        deepest = _deepest(error)
        found.append(f"{deepest.json_path}: {deepest.message[:300]}")
        if len(found) == most:
            break
    return found


def _deepest(error: ValidationError) -> ValidationError:
    while error.context:
        # Of the branches of a union, the one whose `type` matches shows the problem.
        branches: dict[str | int, list[ValidationError]] = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        fitting = [each for each in branches.values() if not any(_is_about_type(inner) for inner in each)]
        error = max((fitting or list(branches.values()))[0], key=lambda inner: len(inner.absolute_path))
    return error


def _is_about_type(error: ValidationError) -> bool:
    return bool(error.absolute_path) and error.absolute_path[-1] == "type" and error.validator == "enum"
