"""Every function may do what it does, and nothing else: the policies of template.yaml against what the functions asked of AWS during the
end-to-end tests (dev/accesses.py)."""

import json
import os
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from document import ROOT

sys.path.insert(0, str(ROOT / "tests/statemachine"))

from definitions import listed, resources, statements  # noqa: E402 (needs the path above)

FILE = os.environ.get("STACK_ACCESSES")
pytestmark = pytest.mark.skipif(
    not FILE or not (ROOT / FILE).exists(), reason="STACK_ACCESSES names no file: `make test` makes it in its end-to-end tests"
)
FUNCTIONS = {
    function["Metadata"]["BuildProperties"]["Binary"]: statements(function)
    for function in resources("AWS::Serverless::Function").values()
}

# What is allowed and is not asked for in the end-to-end tests, with the reason.
SIGNS = "signs links to large payloads, which asks AWS for nothing: a signed URL can do what its signer can"
OLD_ORGANISATIONS = "only for an organisation whose record has no cursor secret; `runs-admin new-org` gives it one (store's tests do without)"
NO_BEDROCK = "the local stack has no Bedrock (nodes' tests speak to a stand-in)"
PRIVATE_NETWORKS = "only when an address turned out to be private, which no address of the local stack is (nodes' tests)"
NEVER_ASKED = {
    ("get-run", "s3:GetObject", "bucket/org_*"): SIGNS,
    ("get-run", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("get-step-output", "s3:GetObject", "bucket/org_*"): SIGNS,
    ("get-step-output", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("reject-run", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("list-approvals", "s3:GetObject", "bucket/gates/org_*"): SIGNS,
    ("list-flows", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-flow-runs", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-approvals", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-api-keys", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-connections", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-webhooks", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("list-deliveries", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("put-connection", "dynamodb:UpdateItem", "table"): OLD_ORGANISATIONS,
    ("retry-run", "s3:PutObject", "bucket/org_*"): "a retry of a run whose input is over 100 KB (engine's tests)",
    ("advance-run", "bedrock:InvokeModel", "arn:${AWS::Partition}:bedrock:*::foundation-model/*"): NO_BEDROCK,
    ("advance-run", "bedrock:InvokeModel", "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:inference-profile/*"): NO_BEDROCK,
    ("advance-run", "bedrock:InvokeModel", "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:application-inference-profile/*"): NO_BEDROCK,
    ("advance-run", "dynamodb:UpdateItem", "table"): "keeps records longer before a wait of half a year",
    ("check-connection", "dynamodb:GetItem", "table"): PRIVATE_NETWORKS,
    ("deliver-webhook", "dynamodb:GetItem", "table"): PRIVATE_NETWORKS,
    ("deliver-webhook", "sqs:SendMessage", "queue/${AWS::StackName}-DeliveryDeadLetters-*"): "nine attempts that failed (webhooks' tests)",
    ("publish-events", "s3:GetObject", "bucket/org_*"): "an event about a value of over 100 KB that its step does not hold (webhooks' tests)",
    ("publish-events", "sqs:SendMessage", "queue/${AWS::StackName}-PublishDeadLetters-*"): "a record of the stream that can never be read (its own tests)",
    ("purge-outputs", "sqs:SendMessage", "queue/${AWS::StackName}-PurgeDeadLetters-*"): "a record of the stream that can never be read (its own tests)",
    ("purge-outputs", "dynamodb:Query", "table"): "a run that lasted more than a day",
    ("purge-outputs", "dynamodb:UpdateItem", "table"): "a run that lasted more than a day",
}
# The same, but whether it happens depends on what a crash interrupts (tests/e2e/faults.rs).
SELDOM_ASKED = {
    ("advance-run", "s3:DeleteObject", "bucket/org_*"): "an upload whose record lost against another invocation's",
    ("advance-run", "states:StartExecution", "stateMachine:${AWS::StackName}-run"): "an invocation whose 15 minutes are over",
    ("reconcile-runs", "s3:ListBucket", "bucket"): "the second look at a purged run, 16 minutes later",
    ("reconcile-runs", "s3:DeleteObject", "bucket/org_*"): "the second look at a purged run, 16 minutes later",
    ("reconcile-runs", "states:SendTaskSuccess", "stateMachine:${AWS::StackName}-resume"): "a bell that a crash left owed",
    ("reconcile-runs", "states:StartExecution", "stateMachine:${AWS::StackName}-run"): "a segment that a crash left owed",
    ("reconcile-runs", "states:StartExecution", "stateMachine:${AWS::StackName}-resume"): "a segment that a crash left owed",
}


def written(resource) -> str:
    """A resource of a policy, as dev/accesses.py writes it."""
    text = "${" + resource["Fn::GetAtt"] + "}" if "Fn::GetAtt" in resource else resource["Fn::Sub"]
    text = text.replace("${Table.Arn}", "table").replace("${OutputsBucket.Arn}", "bucket").replace("${SecretsKey.Arn}", "key")
    # CloudFormation names a queue after the stack and the logical id.
    text = re.sub(r"\$\{(Deliver\w+)\.Arn\}", r"queue/${AWS::StackName}-\1-*", text)
    return text.removeprefix("arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:")


def permissions(name: str) -> list[tuple[str, str, dict]]:
    """What a function may do, one action and one resource at a time."""
    return [
        (action, written(resource), statement.get("Condition", {}))
        for statement in FUNCTIONS[name]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]


def holds(condition: dict, given: dict[str, list[str]]) -> bool:
    """IAM's conditions, as far as the template uses them."""
    for operator, keys in condition.items():
        every, _, comparison = operator.rpartition(":")
        exact = comparison.removesuffix("IfExists")
        assert every in ("", "ForAllValues") and exact in ("StringLike", "StringEquals"), f"{operator}: say here what it means"
        for key, patterns in keys.items():
            values = given.get(key, [])
            if not every and not values and exact == comparison:
                return False
            matches = fnmatchcase if exact == "StringLike" else str.__eq__
            if not all(any(matches(value, pattern) for pattern in listed(patterns)) for value in values):
                return False
    return True


def allows(permission: tuple[str, str, dict], access: dict, stack: str) -> bool:
    action, resource, condition = permission
    pattern = resource.replace("${AWS::StackName}", stack)
    fits = access["resource"] == "?" or fnmatchcase(access["resource"], pattern)
    return action == access["action"] and fits and holds(condition, access["conditions"])


@pytest.fixture(scope="session")
def asked() -> dict[str, list[dict]]:
    """What each function asked for; and the name of the stack, which every function's name begins with."""
    found: dict[str, list[dict]] = {}
    with Path(ROOT / FILE).open(encoding="utf-8") as lines:
        for line in lines:
            access = json.loads(line)
            name = next((name for name in FUNCTIONS if access["by"].endswith(f"-{name}")), None)
            # Whoever deploys and seeds the stack is no function.
            if name:
                found.setdefault(name, []).append({**access, "stack": access["by"].removesuffix(f"-{name}")})
    assert found, "no function asked for anything"
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_asks_for_nothing_that_its_policy_does_not_allow(asked, name):
    refused = [
        f"{access['action']} on {access['resource']} with {access['conditions']}"
        for access in asked.get(name, [])
        if not any(allows(permission, access, access["stack"]) for permission in permissions(name))
    ]
    assert refused == [], f"{name} would be refused on AWS"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_policy_allows_nothing_that_its_function_does_not_ask_for(asked, name):
    unused = {
        (name, action, resource)
        for action, resource, condition in permissions(name)
        if not any(allows((action, resource, condition), access, access["stack"]) for access in asked.get(name, []))
    }
    unexplained = unused - set(NEVER_ASKED) - set(SELDOM_ASKED)
    assert not unexplained, f"never asked for: {sorted(unexplained)}"
    asked_after_all = {key for key in NEVER_ASKED if key[0] == name} - unused
    assert not asked_after_all, f"it needs no explanation any more: {sorted(asked_after_all)}"


def test_what_is_explained_is_in_the_template():
    allowed = {(name, action, resource) for name in FUNCTIONS for action, resource, _ in permissions(name)}
    assert set(NEVER_ASKED) | set(SELDOM_ASKED) <= allowed
