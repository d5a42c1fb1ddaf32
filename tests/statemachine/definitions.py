"""The definitions and the template as they lie in the repository, read the way CloudFormation reads them."""

import copy
import json
import re
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
RUN = ROOT / "statemachine" / "run.asl.json"
RESUME = ROOT / "statemachine" / "resume.asl.json"

PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def placeholders(path: Path) -> set[str]:
    return set(PLACEHOLDER.findall(path.read_text()))


def substituted(path: Path, **values: str) -> dict:
    """The definition with its DefinitionSubstitutions filled in; a placeholder without a value is an error, as on AWS."""
    return json.loads(PLACEHOLDER.sub(lambda found: values[found[1]], path.read_text()))


def hurried(definition: dict) -> dict:
    """The definition with the shortest waits between attempts. Which errors are retried, and how often, is untouched."""
    for state in definition["States"].values():
        for retrier in state.get("Retry", []):
            retrier["IntervalSeconds"], retrier["MaxDelaySeconds"] = 1, 2
    return definition


class _Template(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Ref X` is {"Ref": "X"}, `!Sub x` is {"Fn::Sub": "x"}."""


def _short_form(loader: _Template, suffix: str, node: yaml.Node) -> dict:
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Template.add_multi_constructor("!", _short_form)


@cache
def _parsed() -> dict:
    return yaml.load(TEMPLATE.read_text(), Loader=_Template)  # noqa: S506 (a SafeLoader with four more tags)


def template() -> dict:
    """A copy of the template, which the caller may change."""
    return copy.deepcopy(_parsed())


def resources(of_type: str) -> dict[str, dict]:
    """The resources of a type, by their logical ids. The caller must not change them."""
    return {name: each for name, each in _parsed()["Resources"].items() if each["Type"] == of_type}


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def shared_policies(resource: dict) -> list[str]:
    """The logical ids of the managed policies of the template that the function or state machine has, in the order of its entry."""
    return [policy["Ref"] for policy in resource["Properties"]["Policies"] if policy.keys() == {"Ref"}]


def own_statements(resource: dict) -> list[dict]:
    """The statements in the entry of the function or state machine itself."""
    return [statement for policy in resource["Properties"]["Policies"] if "Ref" not in policy for statement in policy["Statement"]]


def statements(resource: dict) -> list[dict]:
    """Every statement of the function or state machine: those of its shared policies, then its own.

    Fails if a policy is neither a managed policy of this template nor a document: the statements of an AWS managed policy or of a SAM
    policy template are not in this repository, so no test could check them.
    """
    shared = resources("AWS::IAM::ManagedPolicy")
    documents = [
        shared[policy["Ref"]]["Properties"]["PolicyDocument"] if policy.keys() == {"Ref"} else policy
        for policy in resource["Properties"]["Policies"]
    ]
    return [statement for document in documents for statement in document["Statement"]]
