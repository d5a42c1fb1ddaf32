"""The template is valid and grants no more permissions than the design allows."""

import json
from collections import Counter
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_file

from definitions import ROOT, TEMPLATE, listed, own_statements, resources, shared_policies, statements, template

FUNCTIONS = resources("AWS::Serverless::Function")
# Public endpoints. `api::serve_open` checks no key, and these answer the same to every caller.
OPEN = {"GetOpenapi", "GetDocs", "GetConsole"}
MACHINES = resources("AWS::Serverless::StateMachine")
SHARED = resources("AWS::IAM::ManagedPolicy")
ROLES = FUNCTIONS | MACHINES

# Routes that take no API key but authenticate the caller by something else.
WITHOUT_KEY = ("BeginLogin", "CompleteLogin", "ReceiveTrigger")


def test_cfn_lint_finds_nothing() -> None:
    assert [str(finding) for finding in lint_file(TEMPLATE)] == []


@pytest.mark.parametrize("name", ROLES)
def test_a_policy_names_actions_and_resources(name: str) -> None:
    for statement in statements(ROLES[name]):
        assert statement["Effect"] == "Allow"
        assert not [action for action in listed(statement["Action"]) if "*" in action]
        assert "*" not in listed(statement["Resource"])


def test_a_policy_is_shared_by_at_least_three_and_a_statement_is_repeated_by_at_most_two() -> None:
    """An entry then shows what is special about its function, and the section of shared policies has none that only one function uses."""
    users = Counter(policy for role in ROLES.values() for policy in shared_policies(role))
    assert {name: users[name] for name in SHARED if users[name] < 3} == {}
    repeated = Counter(json.dumps(statement, sort_keys=True) for role in ROLES.values() for statement in own_statements(role))
    assert [statement for statement, count in repeated.items() if count > 2] == []
    whole = {json.dumps(policy["Properties"]["PolicyDocument"]["Statement"], sort_keys=True): name for name, policy in SHARED.items()}
    for name, role in ROLES.items():
        assert [whole[key] for each in own_statements(role) if (key := json.dumps([each], sort_keys=True)) in whole] == [], (
            f"{name}: refer to it"
        )


@pytest.mark.parametrize("name", ROLES)
def test_the_shared_policies_of_an_entry_come_first_and_in_the_order_of_their_section(name: str) -> None:
    policies = ROLES[name]["Properties"]["Policies"]
    shared = shared_policies(ROLES[name])
    assert policies[: len(shared)] == [{"Ref": policy} for policy in sorted(shared, key=list(SHARED).index)]
    assert len(policies) - len(shared) <= 1, "one document for its own statements"


@pytest.mark.parametrize("name", ROLES)
def test_the_policies_of_a_role_are_within_the_limits_of_iam(name: str) -> None:
    """The limits are in the documentation of IAM, "IAM and AWS STS quotas".

    A role has at most 10 managed policies by default; a managed policy has at most 6,144 characters, and the inline policies of a role
    have 10,240. White space does not count. SAM adds a managed policy for the logs, and one for a stream or a queue.
    """
    shared, inline = shared_policies(ROLES[name]), own_statements(ROLES[name])
    from_sam = 1 + len({event["Type"] for event in ROLES[name]["Properties"].get("Events", {}).values()} & {"DynamoDB", "SQS"})
    assert len(shared) + from_sam <= 10
    # Intrinsic functions become ARNs of about a hundred characters.
    size = len(json.dumps(inline, separators=(",", ":"))) + 100 * str(inline).count("Fn::")
    assert size <= 10_240


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_policy_is_within_the_limits_of_iam(name: str) -> None:
    document = SHARED[name]["Properties"]["PolicyDocument"]
    assert SHARED[name]["Properties"].keys() == {"PolicyDocument"}, "it is attached by the entries, and named by CloudFormation"
    assert document["Version"] == "2012-10-17"
    assert len(json.dumps(document, separators=(",", ":"))) + 100 * str(document).count("Fn::") <= 6_144


# The keys below which these delete: the registration of a provider, and the lists of sessions.
DELETE_LOGINS = {
    "SetIdentityProvider": ["AUDIENCE#*"],
    "DeleteIdentityProvider": ["ORG#org_" + 26 * "?", "IDENTITY_PROVIDERS", "AUDIENCE#*", "ORG#*#SESSIONS"],
    "EndSession": ["ORG#*#SESSIONS"],
    "LogOut": ["ORG#*#SESSIONS"],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_may_scan_or_delete_and_four_may_delete_objects(name: str) -> None:
    """Only TTL deletes items, except for connections, whose keys must be removed at once, and for what says who may sign in.

    Functions delete objects when they purge outputs and when an upload has no record. The objects of decisions are under gates/, where no
    function may delete.
    """
    deleting = [
        (action, statement["Resource"])
        for statement in statements(FUNCTIONS[name])
        for action in listed(statement["Action"])
        if "Delete" in action or action.endswith(":Scan")
    ]
    if name == "DeleteConnection":
        of_connections = [each for each in statements(FUNCTIONS[name]) if "dynamodb:DeleteItem" in listed(each["Action"])]
        keys = [each["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] for each in of_connections]
        assert keys == [["ORG#*#CONNECTION#*"], ["ORG#*#CONNECTIONS"]]
        return
    if name in DELETE_LOGINS:
        patterns = [
            each["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
            for each in statements(FUNCTIONS[name])
            if "dynamodb:DeleteItem" in listed(each["Action"])
        ]
        assert patterns == [DELETE_LOGINS[name]] and all(action == "dynamodb:DeleteItem" for action, _ in deleting)
        return
    may = name in ("AdvanceRun", "PurgeOutputs", "PurgeRunOutputs", "ReconcileRuns")
    assert deleting == ([("s3:DeleteObject", {"Fn::Sub": "${OutputsBucket.Arn}/org_*"})] if may else [])


def test_purge_outputs_gets_only_expired_steps_and_runs_that_ended_late() -> None:
    stream = FUNCTIONS["PurgeOutputs"]["Properties"]["Events"]["Stream"]["Properties"]
    expired, ended_late = (json.loads(each["Pattern"]) for each in stream["FilterCriteria"]["Filters"])
    assert expired["userIdentity"] == {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}
    assert (expired["eventName"], expired["dynamodb"]) == (["REMOVE"], {"Keys": {"sk": {"S": [{"prefix": "STEP#"}]}}})
    assert (ended_late["eventName"], ended_late["dynamodb"]["Keys"]) == (["MODIFY"], {"sk": {"S": ["RUN"]}})
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "OnFailure" in stream["DestinationConfig"]


def test_publish_events_gets_only_records_that_may_cause_an_event() -> None:
    stream = FUNCTIONS["PublishEvents"]["Properties"]["Events"]["Stream"]["Properties"]
    patterns = [json.loads(each["Pattern"]) for each in stream["FilterCriteria"]["Filters"]]
    assert len(patterns) <= 5, "as many as a mapping has without asking AWS for more"
    names = [pattern["dynamodb"]["Keys"]["sk"]["S"][0] for pattern in patterns]
    # The items of API keys change with every request, and are not among these.
    assert names == ["RUN", "RUN", "RUN", {"prefix": "GATE#"}, {"prefix": "STEP#"}]
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "OnFailure" in stream["DestinationConfig"]


def test_the_stream_has_at_most_two_readers() -> None:
    """A shard allows two readers; a third one would cause throttling of all."""
    events = [event for function in FUNCTIONS.values() for event in function["Properties"].get("Events", {}).values()]
    assert sum(event["Type"] == "DynamoDB" for event in events) == 2


def test_the_visibility_timeout_of_a_delivery_is_longer_than_an_attempt() -> None:
    queue = resources("AWS::SQS::Queue")["Deliveries"]["Properties"]
    assert queue["VisibilityTimeout"] >= 6 * FUNCTIONS["DeliverWebhook"]["Properties"]["Timeout"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": "DeliveryDeadLetters.Arn"}
    assert FUNCTIONS["DeliverWebhook"]["Properties"]["Events"]["Queue"]["Properties"]["FunctionResponseTypes"] == [
        "ReportBatchItemFailures"
    ]


def test_secrets_of_webhooks_are_encrypted_by_two_functions_and_decrypted_by_one() -> None:
    """A function that may encrypt cannot decrypt, and no function reaches a secret of another kind."""

    def using(action: str) -> dict[str, Any]:
        return {
            name: statement["Condition"]
            for name, function in FUNCTIONS.items()
            for statement in statements(function)
            if statement["Action"] == action and "webhook-endpoint" in str(statement)
        }

    only = {"StringEquals": {"kms:EncryptionContext:kind": "webhook-endpoint"}}
    assert using("kms:Encrypt") == {"CreateWebhook": only, "RotateEndpointSecret": only}
    assert using("kms:Decrypt") == {"DeliverWebhook": only}


def test_keys_of_connections_are_encrypted_by_one_function_and_decrypted_by_those_that_call_them() -> None:
    """A function that may encrypt cannot decrypt, and no function reaches a secret of another kind."""
    using: dict[str, list[str]] = {"kms:Encrypt": [], "kms:Decrypt": []}
    for name, function in FUNCTIONS.items():
        for statement in statements(function):
            kinds = statement.get("Condition", {}).get("StringEquals", {}).get("kms:EncryptionContext:kind", [])
            for action in set(using).intersection(listed(statement["Action"])):
                assert kinds, f"{name}: {action} for secrets of every kind"
                if "service-connection" in listed(kinds):
                    using[action].append(name)
    assert using == {"kms:Encrypt": ["PutConnection"], "kms:Decrypt": ["CheckConnection", "AdvanceRun"]}


def is_admission(statement: dict[str, Any]) -> bool:
    """Returns whether the statement is that of AllowAdmission, which counts the requests of keys, sessions and logins."""
    return any(prefix in str(statement) for prefix in ("'KEY#*'", "LOGIN#*"))


def test_a_function_with_a_key_admits_requests_and_updates_nothing_else() -> None:
    """Without the admission a function could admit no request; with more it could write runs without their conditions."""
    assert SHARED["AllowAdmission"]["Properties"]["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
            "Resource": {"Fn::GetAtt": "Table.Arn"},
            "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["KEY#*"]}},
        },
        {
            "Effect": "Allow",
            "Action": "dynamodb:UpdateItem",
            "Resource": {"Fn::GetAtt": "Table.Arn"},
            "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["SESSION#*", "LOGIN#*"]}},
        },
        {
            "Effect": "Allow",
            "Action": "dynamodb:GetItem",
            "Resource": {"Fn::GetAtt": "Table.Arn"},
            "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["AUDIENCE#*"]}},
        },
        {
            "Effect": "Allow",
            "Action": "dynamodb:GetItem",
            "Resource": {"Fn::GetAtt": "Table.Arn"},
            "Condition": {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["ORG#org_" + 26 * "?"]},
                "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "privateRanges"]},
                "StringEquals": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
            },
        },
    ]
    for name, function in FUNCTIONS.items():
        has_route = any(event["Type"] == "Api" for event in function["Properties"].get("Events", {}).values())
        has_key = has_route and name not in OPEN and name not in WITHOUT_KEY
        assert ("AllowAdmission" in shared_policies(function)) == has_key, name
        updates = [each for each in statements(function) if "dynamodb:UpdateItem" in listed(each["Action"])]
        # AllowCloseGates takes approvals out of the inbox, and can do nothing else.
        updating = [each for each in updates if "LOGIN#" not in str(each) and "closedAt" not in str(each)]
        on_keys = [each for each in updating if "KEY#" in str(each)]
        assert len(on_keys) == has_key, name
        more = ("SetRetention", "PurgeRunOutputs", "PutConnection", "CheckConnection")
        assert not has_key or len(updating) == 1 or name.startswith("List") or name in more, name


def test_public_endpoints_have_no_permissions() -> None:
    for name in OPEN:
        assert FUNCTIONS[name]["Properties"]["Policies"] == [], name


def test_the_limits_are_those_of_the_contract() -> None:
    limits = {name: template()["Parameters"][name]["Default"] for name in ("RateLimitReads", "RateLimitWrites")}
    assert limits == {"RateLimitReads": 600, "RateLimitWrites": 120}


def test_only_advance_run_invokes_models_and_nothing_else_of_bedrock() -> None:
    asking = {
        name: listed(statement["Resource"])
        for name, function in FUNCTIONS.items()
        for statement in statements(function)
        if any(action.startswith("bedrock:") for action in listed(statement["Action"]))
    }
    assert list(asking) == ["AdvanceRun"]
    kinds = [resource["Fn::Sub"].split(":")[-1] for resource in asking["AdvanceRun"]]
    assert kinds == ["foundation-model/*", "inference-profile/*", "application-inference-profile/*"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_built_from_the_package_of_its_name(name: str) -> None:
    function = FUNCTIONS[name]
    binary = function["Metadata"]["BuildProperties"]["Binary"]
    assert binary.replace("-", "") == name.lower()
    assert function["Properties"]["FunctionName"] == {"Fn::Sub": "${AWS::StackName}-" + binary}


def test_no_route_is_taken_twice() -> None:
    routes = [
        (event["Properties"]["Method"], event["Properties"]["Path"])
        for function in FUNCTIONS.values()
        for event in function["Properties"].get("Events", {}).values()
        if event["Type"] == "Api"
    ]
    assert len(routes) == len(set(routes))
    # A path of openapi.yaml has one key for each method; what else the two say is compared in tests/contract/test_document.py. The console
    # is a page, and no part of the public contract.
    paths = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))["paths"]
    documented = {(method.upper(), path) for path, item in paths.items() for method in item if method != "parameters"}
    assert {route for route in routes if not route[1].startswith("/console")} == documented


def test_the_functions_have_the_names_of_the_state_machines() -> None:
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    for machine, variable in (("Run", "RUN_STATE_MACHINE_ARN"), ("Resume", "RESUME_STATE_MACHINE_ARN")):
        name = MACHINES[f"{machine}StateMachine"]["Properties"]["Name"]["Fn::Sub"]
        assert variables[variable]["Fn::Sub"].endswith(f":stateMachine:{name}")


def test_the_table_and_the_bucket_outlive_the_stack() -> None:
    for name in ("Table", "OutputsBucket"):
        kept = template()["Resources"][name]
        assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == ("Retain", "Retain"), name


def test_no_index_projects_more_attributes_than_dynamodb_takes() -> None:
    """An index has at most twenty; the local stack accepts any number."""
    for index in template()["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]:
        projected = index["Projection"].get("NonKeyAttributes", [])
        assert len(projected) == len(set(projected)) <= 20, index["IndexName"]


def test_park_reaches_run_items_only() -> None:
    (update,) = (s for s in statements(MACHINES["ResumeStateMachine"]) if s["Action"] == "dynamodb:UpdateItem")
    assert update["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["RUN#*"]}}


def test_a_trigger_reaches_no_key_and_the_clock_only_schedules() -> None:
    """The caller of a trigger has shown no key, so the function reads and writes only what starting a run needs."""
    receive = statements(FUNCTIONS["ReceiveTrigger"])
    prefixes = [s["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] for s in receive if "dynamodb" in str(s["Action"])]
    assert prefixes == [["HOOK#*", "ORG#*", "RUN#*"], ["ORG#*"], ["RUN#*", "ORG#*#IDEMPOTENCY#*"]]
    (update,) = (s for s in statements(FUNCTIONS["TickCron"]) if s["Action"] == "dynamodb:UpdateItem")
    attributes = update["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"]
    assert attributes == ["pk", "sk", "listRow", "outboxPk", "outboxSk"]


def test_secrets_of_triggers_are_encrypted_and_decrypted_only_by_the_functions_that_need_them() -> None:
    may = {
        name: (statement["Action"], statement["Condition"]["StringEquals"]["kms:EncryptionContext:kind"])
        for name, function in FUNCTIONS.items()
        for statement in statements(function)
        if "flow-webhook" in str(statement)
    }
    sealing = dict.fromkeys(("CreateFlow", "UpdateFlow", "RotateTriggerSecret"), ("kms:Encrypt", "flow-webhook"))
    assert may == sealing | dict.fromkeys(("GetFlow", "ReceiveTrigger"), ("kms:Decrypt", "flow-webhook"))


def test_a_method_without_a_key_is_throttled() -> None:
    """Its callers have no key on which requests are counted, so it has a limit of its own at API Gateway."""
    limited = {
        (setting["HttpMethod"], setting["ResourcePath"].replace("~1", "/").removeprefix("/"))
        for setting in template()["Resources"]["Api"]["Properties"]["MethodSettings"]
        if setting["ThrottlingRateLimit"] <= 200
    }
    (event,) = FUNCTIONS["ReceiveTrigger"]["Properties"]["Events"].values()
    assert (event["Properties"]["Method"], event["Properties"]["Path"]) in limited


def test_lists_write_nothing_but_a_cursor_secret() -> None:
    lists = {name: function for name, function in FUNCTIONS.items() if name.startswith("List")}
    assert lists
    for name, function in lists.items():
        writes = [s for s in statements(function) if "dynamodb:UpdateItem" in listed(s["Action"]) and not is_admission(s)]
        assert [s["Action"] for s in writes] == ["dynamodb:UpdateItem"], name
        assert writes[0]["Condition"] == {
            # The record of an organisation itself: the keys of its flows, slugs and connections are longer.
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["ORG#org_" + 26 * "?"]},
            "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "cursorSecret"]},
            "StringEquals": {"dynamodb:ReturnValues": "UPDATED_NEW"},
        }, name


def test_every_definition_of_the_folder_is_deployed() -> None:
    deployed = {machine["Properties"]["DefinitionUri"] for machine in MACHINES.values()}
    assert deployed == {f"statemachine/{path.name}" for path in (ROOT / "statemachine").glob("*.json")}
