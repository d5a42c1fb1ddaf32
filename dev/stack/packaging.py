"""Packs template.yaml as `sam package` does, except that a function's zip holds a launcher of its debug binary.

Local files (CodeUri, DefinitionUri) become objects in S3 and the template points to them; nothing else is touched.
The launcher replaces a copy of the binary because a debug binary is large and is on this machine anyway.
"""

import hashlib
import io
import json
import shlex
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .console import StackError

# Other properties that `sam package` would upload. The template uses none of them; a new one must not be skipped in silence.
UNSUPPORTED = {
    "AWS::Serverless::Api": ("DefinitionUri",),
    "AWS::Serverless::HttpApi": ("DefinitionUri",),
    "AWS::Serverless::LayerVersion": ("ContentUri",),
    "AWS::Serverless::Application": ("Location",),
    "AWS::CloudFormation::Stack": ("TemplateURL",),
}


@dataclass(frozen=True)
class Package:
    """The packed template and the objects it points to, by key."""

    template: dict[str, Any]
    objects: dict[str, bytes]

    @property
    def template_json(self) -> bytes:
        """The template as CloudFormation takes it."""
        return json.dumps(self.template, indent=1).encode("utf-8")


def package(template_file: Path, bucket: str, binary: Callable[[str], Path]) -> Package:
    """Packs a template. `binary` returns the path of the executable with a name."""
    template = load_template(template_file)
    global_code = template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    objects: dict[str, bytes] = {}

    def stored(key: str, content: bytes) -> str:
        objects[key] = content
        return f"s3://{bucket}/{key}"

    for name, resource in template["Resources"].items():
        kind, properties = resource.get("Type"), resource.setdefault("Properties", {})
        for each in UNSUPPORTED.get(kind, ()):
            if isinstance(properties.get(each), str) and "://" not in properties[each]:
                raise StackError(f"template.yaml, {name}: {each} is a local file, which dev/stack/packaging.py cannot pack yet.")
        if kind == "AWS::Serverless::Function" and "InlineCode" not in properties:
            if properties.get("CodeUri", global_code) is None:
                raise StackError(f"template.yaml, {name}: the function has no CodeUri.")
            executable = binary(_binary_name(name, resource))
            properties["CodeUri"] = stored(*_launcher(executable))
        elif kind == "AWS::Serverless::StateMachine" and isinstance(properties.get("DefinitionUri"), str):
            properties["DefinitionUri"] = stored(*_definition(name, template_file.parent / properties["DefinitionUri"]))
    return Package(template, objects)


def _binary_name(name: str, resource: dict[str, Any]) -> str:
    try:
        return resource["Metadata"]["BuildProperties"]["Binary"]
    except (KeyError, TypeError):
        raise StackError(f"template.yaml, {name}: Metadata.BuildProperties.Binary does not name the function's binary.") from None


def _launcher(executable: Path) -> tuple[str, bytes]:
    try:
        known = executable.stat()
    except OSError:
        raise StackError(f"{executable} is not there: build the workspace first (make does), or correct Binary in template.yaml.") from None
    script = f"#!/bin/sh\nexec {shlex.quote(str(executable))}\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, script)
        # A rebuilt binary makes another archive, so that an update of the stack retires the processes of the old binary.
        archive.comment = f"{known.st_size} {known.st_mtime_ns}".encode("ascii")
    content = packed.getvalue()
    return f"functions/{executable.name}-{_digest(content)}.zip", content


def _definition(name: str, file: Path) -> tuple[str, bytes]:
    try:
        content = file.read_bytes()
    except OSError:
        raise StackError(f"template.yaml, {name}: DefinitionUri points to {file}, which cannot be read.") from None
    return f"statemachine/{file.stem}-{_digest(content)}.json", content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


class _CloudFormationLoader(yaml.SafeLoader):
    """Reads YAML with the short forms of CloudFormation. Dates stay text: `2010-09-09` is a version, not a day."""


_CloudFormationLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _long_form(loader: _CloudFormationLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise yaml.constructor.ConstructorError(problem=f"!{suffix} cannot be read", problem_mark=node.start_mark)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_CloudFormationLoader.add_multi_constructor("!", _long_form)


def load_template(file: Path) -> dict[str, Any]:
    """Returns a template as plain values, with every short form (`!Sub`) written out."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        raise StackError(f"{file} cannot be read.") from None
    try:
        return yaml.load(text, Loader=_CloudFormationLoader)  # noqa: S506 (it is a SafeLoader)
    except yaml.YAMLError as problem:
        raise StackError(f"{file.name} is not valid YAML: {problem}") from None
