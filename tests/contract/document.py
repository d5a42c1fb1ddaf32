"""openapi.yaml as it lies in the repository: its operations, and its schemas as validators."""

import copy
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, FormatChecker

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


@cache
def document() -> dict:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def resolved(node: dict) -> dict:
    """The node, or what its `$ref` leads to."""
    while "$ref" in node:
        node = at(node["$ref"])
    return node


def at(reference: str) -> dict:
    node = document()
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    spec: dict

    @property
    def id(self) -> str:
        return self.spec["operationId"]

    @property
    def needs_key(self) -> bool:
        return self.spec.get("security", document()["security"]) != []

    @property
    def responses(self) -> dict[int, dict]:
        return {int(status): resolved(response) for status, response in self.spec["responses"].items()}

    @property
    def parameters(self) -> list[dict]:
        shared = document()["paths"][self.path].get("parameters", [])
        return [resolved(parameter) for parameter in [*shared, *self.spec.get("parameters", [])]]

    def body_schema(self) -> dict | None:
        body = resolved(self.spec.get("requestBody", {}))
        return body["content"]["application/json"]["schema"] if body else None

    def pattern(self) -> re.Pattern:
        return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.path)))


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(
        Operation(method.upper(), path, spec)
        for path, item in document()["paths"].items()
        for method, spec in item.items()
        if method in METHODS
    )


@cache
def events() -> dict[str, dict]:
    """What the document says of each event that is sent to webhooks, by its name; EMITTED is what it says of those of flows."""
    return {name: item["post"] for name, item in document()["webhooks"].items()}


EMITTED = "webhook_emit"


def event_schema(name: str) -> dict:
    """The schema of an event's body."""
    return events().get(name, events()[EMITTED])["requestBody"]["content"]["application/json"]["schema"]


def operation(method: str, path: str) -> Operation | None:
    """The operation that a request is for; `path` without its query."""
    return next((each for each in operations() if each.method == method and each.pattern().fullmatch(path)), None)


# ---- Schemas -----------------------------------------------------------------------------------------------------------------


def closed(schema):
    """The schema, and in it no object has a field that it does not name.

    The document leaves objects of answers open, so that they may gain fields. Held against what *this* server answers, a field
    that the document does not name is one that somebody forgot to write down.
    """
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "allOf" in schema:
        # Its members see each other's fields only from outside.
        members = [_members_of(each) for each in schema["allOf"]]
        return {**closed({key: value for key, value in schema.items() if key != "allOf"}), "allOf": members, "unevaluatedProperties": False}
    inner = {key: closed(value) if key != "properties" else {name: closed(each) for name, each in value.items()} for key, value in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema:
        inner["additionalProperties"] = False
    return inner


def _members_of(schema: dict) -> dict:
    """A member of an `allOf`: open itself, closed below."""
    schema = copy.deepcopy(resolved(schema))
    schema["properties"] = {name: closed(each) for name, each in schema.get("properties", {}).items()}
    return schema


@cache
def _closed_schemas() -> dict:
    return {name: closed(schema) for name, schema in document()["components"]["schemas"].items()}


def validator(schema: dict, strict: bool) -> Draft202012Validator:
    """For a schema of the document; `strict` for what this server answers."""
    schemas = _closed_schemas() if strict else document()["components"]["schemas"]
    root = {**(closed(schema) if strict else schema), "components": {"schemas": schemas}}
    return Draft202012Validator(root, format_checker=FormatChecker())


def problems(checker: Draft202012Validator, value, most: int = 3) -> list[str]:
    """What is wrong with a value, each problem where it lies deepest."""
    found = []
    for error in checker.iter_errors(value):
        error = _deepest(error)
        found.append(f"{error.json_path}: {error.message[:300]}")
        if len(found) == most:
            break
    return found


def _deepest(error):
    while error.context:
        # Of the branches of a union, the one whose `type` fits says what is wrong.
        branches: dict = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        fitting = [each for each in branches.values() if not any(_is_about_type(inner) for inner in each)]
        error = max((fitting or list(branches.values()))[0], key=lambda inner: len(inner.absolute_path))
    return error


def _is_about_type(error) -> bool:
    return bool(error.absolute_path) and error.absolute_path[-1] == "type" and error.validator == "enum"
