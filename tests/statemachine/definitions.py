"""The state machines and the template of the repository, read as CloudFormation reads them."""

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
RUN = ROOT / "statemachine" / "run.asl.json"
RESUME = ROOT / "statemachine" / "resume.asl.json"

PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def placeholders(path: Path) -> set[str]:
    """Returns the names of the placeholders in a definition."""
    return set(PLACEHOLDER.findall(path.read_text()))


def substituted(path: Path, **values: str) -> dict[str, Any]:
    """Returns the definition with its DefinitionSubstitutions; a placeholder without a value is an error, as on AWS."""
    return json.loads(PLACEHOLDER.sub(lambda found: values[found[1]], path.read_text()))


def with_short_waits(definition: dict[str, Any]) -> dict[str, Any]:
    """Returns the definition with the shortest waits between attempts; which errors are retried and how often stays the same."""
    for state in definition["States"].values():
        for retrier in state.get("Retry", []):
            retrier["IntervalSeconds"], retrier["MaxDelaySeconds"] = 1, 2
    return definition


class _Template(yaml.SafeLoader):
    """Reads YAML with the short forms of CloudFormation: `!Ref X` is {"Ref": "X"}, `!Sub x` is {"Fn::Sub": "x"}."""


def _short_form(loader: _Template, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TypeError(f"!{suffix} is no scalar, sequence or mapping")
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Template.add_multi_constructor("!", _short_form)


@cache
def _parsed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader=_Template)  # noqa: S506 (it is a SafeLoader)
    return found


def template() -> dict[str, Any]:
    """Returns a copy of the template as plain values, which the caller may change."""
    return copy.deepcopy(_parsed())


def resources(of_type: str) -> dict[str, dict[str, Any]]:
    """Returns the resources of one type by their logical ids. The caller must not change them."""
    return {name: each for name, each in _parsed()["Resources"].items() if each["Type"] == of_type}


def listed(value: Any) -> list[Any]:
    """Returns the value as a list: in a policy, a single value may replace a list of one."""
    return value if isinstance(value, list) else [value]


def shared_policies(resource: dict[str, Any]) -> list[str]:
    """Returns the logical ids of the managed policies that the function or state machine has, in the order of its entry."""
    return [policy["Ref"] for policy in resource["Properties"]["Policies"] if policy.keys() == {"Ref"}]


def own_statements(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the statements in the entry of the function or state machine itself."""
    return [statement for policy in resource["Properties"]["Policies"] if "Ref" not in policy for statement in policy["Statement"]]


def statements(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns every statement of the function or state machine: those of its shared policies, then its own.

    Fails if a policy is neither a managed policy of this template nor a document: the statements of an AWS managed policy or of a SAM
    policy template are not in this repository, so no test could check them.
    """
    shared = resources("AWS::IAM::ManagedPolicy")
    documents = [
        shared[policy["Ref"]]["Properties"]["PolicyDocument"] if policy.keys() == {"Ref"} else policy
        for policy in resource["Properties"]["Policies"]
    ]
    return [statement for document in documents for statement in document["Statement"]]
