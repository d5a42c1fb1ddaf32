"""The policies of template.yaml allow what the functions asked of AWS during the end-to-end tests (dev/accesses.py), and nothing else."""

import json
import os
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from definitions import listed, resources, statements
from document import ROOT

# What dev/stack/deploy.py sets.
MAIL_FROM = "runs@example.org"
FILE = ROOT / os.environ.get("STACK_ACCESSES", "no-such-file")
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="STACK_ACCESSES names no file: `make test-e2e` makes it")
# An action, a resource and the condition under which it is allowed.
Permission = tuple[str, str, dict[str, Any]]
FUNCTIONS = {
    function["Metadata"]["BuildProperties"]["Binary"]: statements(function) for function in resources("AWS::Serverless::Function").values()
}

# Permissions that the end-to-end tests do not use, with the reason.
SIGNS = "the function signs links to large payloads without a call to AWS: a signed URL has the permissions of its signer"
OLD_ORGANISATIONS = (
    "only for an organisation whose record has no cursor secret; `runs-admin new-org` creates one (the tests of `store` have none)"
)
NO_BEDROCK = "the local stack has no Bedrock (the tests of `nodes` use a stand-in)"
GIVEN_UP = "a run that fails while approvals are open: five attempts that get nothing done (the tests of `engine`)"
NEVER_ASKED = {
    ("get-run", "s3:GetObject", "bucket/org_*"): SIGNS,
    ("get-run", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("get-step-output", "s3:GetObject", "bucket/org_*"): SIGNS,
    ("get-step-output", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("reject-run", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("list-approvals", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("get-approval", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("decide-approvals", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("reassign-approval", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("list-flows", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-flow-runs", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-approvals", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-decisions", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-sessions", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-api-keys", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-connections", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-webhooks", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-deliveries", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("put-connection", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("retry-run", "s3:PutObject", "bucket/org_*"): "a retry of a run whose input is over 100 KB (engine's tests)",
    ("advance-run", "bedrock:InvokeModel", "arn:${AWS::Partition}:bedrock:*::foundation-model/*"): NO_BEDROCK,
    (
        "advance-run",
        "bedrock:InvokeModel",
        "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:inference-profile/*",
    ): NO_BEDROCK,
    (
        "advance-run",
        "bedrock:InvokeModel",
        "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:application-inference-profile/*",
    ): NO_BEDROCK,
    ("settle-run", "dynamodb:Query", "table"): GIVEN_UP,
    ("settle-run", "dynamodb:UpdateItem", "table"): GIVEN_UP,
    ("deliver-webhook", "sqs:SendMessage", "queue/${AWS::StackName}-DeliveryDeadLetters-*"): "nine failed attempts (tests of `webhooks`)",
    (
        "publish-events",
        "s3:GetObject",
        "bucket/org_*",
    ): "an event with a value of over 100 KB that its step does not contain (tests of `webhooks`)",
    (
        "publish-events",
        "sqs:SendMessage",
        "${PublishDeadLetters.Arn}",
    ): "a record of the stream that can never be read (its own tests)",
    (
        "purge-outputs",
        "sqs:SendMessage",
        "${PurgeDeadLetters.Arn}",
    ): "a record of the stream that can never be read (its own tests)",
    ("purge-outputs", "dynamodb:Query", "table"): "a run that lasted more than a day",
    ("purge-outputs", "dynamodb:UpdateItem", "table"): "a run that lasted more than a day",
}
# The same, but some runs of the tests use them: it depends on what a crash interrupts (tests/e2e/faults.rs).
CLOSES = "closes the approvals of a run that has ended at the same moment"
SELDOM_ASKED = {
    ("approve-run", "dynamodb:UpdateItem", "table"): CLOSES,
    ("reject-run", "dynamodb:UpdateItem", "table"): CLOSES,
    ("decide-approvals", "dynamodb:UpdateItem", "table"): CLOSES,
    ("advance-run", "s3:DeleteObject", "bucket/org_*"): "an upload whose record was written by another invocation first",
    ("advance-run", "states:StartExecution", "stateMachine:${AWS::StackName}-run"): "an invocation whose 15 minutes are over",
    ("reconcile-runs", "s3:ListBucket", "bucket"): "the second look at a purged run, 16 minutes later",
    ("reconcile-runs", "s3:DeleteObject", "bucket/org_*"): "the second look at a purged run, 16 minutes later",
    (
        "reconcile-runs",
        "states:DescribeExecution",
        "execution:${AWS::StackName}-run:*",
    ): "an execution whose name is taken (`make chaos` makes them vanish)",
    (
        "reconcile-runs",
        "states:DescribeExecution",
        "execution:${AWS::StackName}-resume:*",
    ): "an execution whose name is taken (`make chaos` makes them vanish)",
    ("reconcile-runs", "states:SendTaskSuccess", "stateMachine:${AWS::StackName}-resume"): "a task token that was not sent before a crash",
    ("reconcile-runs", "states:StartExecution", "stateMachine:${AWS::StackName}-run"): "an execution that was not started before a crash",
    (
        "reconcile-runs",
        "states:StartExecution",
        "stateMachine:${AWS::StackName}-resume",
    ): "an execution that was not started before a crash",
}


def written(resource: dict[str, Any]) -> str:
    """Returns a resource of a policy as dev/accesses.py writes it."""
    text = "${" + resource["Fn::GetAtt"] + "}" if "Fn::GetAtt" in resource else resource["Fn::Sub"]
    text = text.replace("${Table.Arn}", "table").replace("${OutputsBucket.Arn}", "bucket").replace("${SecretsKey.Arn}", "key")
    # CloudFormation names a queue after the stack and the logical id.
    text = re.sub(r"\$\{(Deliver\w+)\.Arn\}", r"queue/${AWS::StackName}-\1-*", text)
    # The parameter has one value on the local stack.
    text = text.replace("identity/${MailFrom}", f"identity/{MAIL_FROM}")
    return re.sub(r"^arn:\$\{AWS::Partition\}:(states|ses):\$\{AWS::Region\}:\$\{AWS::AccountId\}:", "", text)


def permissions(name: str) -> list[Permission]:
    """Returns the permissions of a function, each for one action and one resource."""
    return [
        (action, written(resource), statement.get("Condition", {}))
        for statement in FUNCTIONS[name]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]


def is_for_private_networks(condition: dict[str, Any]) -> bool:
    """Returns whether the permission is to read which private networks are open.

    That is read for a private address only, and no address of the local stack counts as one (see the tests of `nodes` and `login`).
    """
    return "privateRanges" in condition.get("ForAllValues:StringEquals", {}).get("dynamodb:Attributes", [])


def holds(condition: dict[str, Any], given: dict[str, list[str]]) -> bool:
    """Returns whether the condition of a statement is satisfied; only the operators of the template are supported."""
    for operator, keys in condition.items():
        every, _, comparison = operator.rpartition(":")
        exact = comparison.removesuffix("IfExists")
        assert every in ("", "ForAllValues") and exact in ("StringLike", "StringEquals"), (
            f"{operator}: this operator has to be implemented here"
        )
        for key, patterns in keys.items():
            values = given.get(key, [])
            if not every and not values and exact == comparison:
                return False
            matches = fnmatchcase if exact == "StringLike" else str.__eq__
            if not all(any(matches(value, pattern) for pattern in listed(patterns)) for value in values):
                return False
    return True


def allows(permission: Permission, access: dict[str, Any], stack: str) -> bool:
    """Returns whether the permission allows the access of a function in the stack with this name."""
    action, resource, condition = permission
    pattern = resource.replace("${AWS::StackName}", stack)
    fits = access["resource"] == "?" or fnmatchcase(access["resource"], pattern)
    return action == access["action"] and fits and holds(condition, access["conditions"])


@pytest.fixture(scope="session")
def asked() -> dict[str, list[dict[str, Any]]]:
    """The accesses of each function, with the name of the stack, with which the name of each function begins."""
    found: dict[str, list[dict[str, Any]]] = {}
    with FILE.open(encoding="utf-8") as lines:
        for line in lines:
            access = json.loads(line)
            name = next((name for name in FUNCTIONS if access["by"].endswith(f"-{name}")), None)
            # Calls that deploy and seed the stack are not made by a function.
            if name:
                found.setdefault(name, []).append({**access, "stack": access["by"].removesuffix(f"-{name}")})
    assert found, "no function asked for anything"
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_asks_for_nothing_that_its_policy_does_not_allow(asked: dict[str, list[dict[str, Any]]], name: str) -> None:
    refused = [
        f"{access['action']} on {access['resource']} with {access['conditions']}"
        for access in asked.get(name, [])
        if not any(allows(permission, access, access["stack"]) for permission in permissions(name))
    ]
    assert refused == [], f"{name} would be refused on AWS"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_policy_allows_nothing_that_its_function_does_not_ask_for(asked: dict[str, list[dict[str, Any]]], name: str) -> None:
    unused = {
        (name, action, resource)
        for action, resource, condition in permissions(name)
        if not is_for_private_networks(condition)
        and not any(allows((action, resource, condition), access, access["stack"]) for access in asked.get(name, []))
    }
    unexplained = unused - set(NEVER_ASKED) - set(SELDOM_ASKED)
    assert not unexplained, f"never asked for: {sorted(unexplained)}"
    asked_after_all = {key for key in NEVER_ASKED if key[0] == name} - unused
    assert not asked_after_all, f"the tests use this, so the explanation can be removed: {sorted(asked_after_all)}"


def test_what_is_explained_is_in_the_template() -> None:
    allowed = {(name, action, resource) for name in FUNCTIONS for action, resource, _ in permissions(name)}
    assert set(NEVER_ASKED) | set(SELDOM_ASKED) <= allowed
