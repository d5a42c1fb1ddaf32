"""The template: valid, and no wider than the design allows."""

import json
from collections import Counter

import pytest
import yaml
from cfnlint.api import lint_file

from definitions import ROOT, TEMPLATE, listed, own_statements, resources, shared_policies, statements, template

FUNCTIONS = resources("AWS::Serverless::Function")
# What everybody may call. `api::serve_open` looks at no key, and these say the same to all.
OPEN = {"GetOpenapi", "GetDocs"}
MACHINES = resources("AWS::Serverless::StateMachine")
SHARED = resources("AWS::IAM::ManagedPolicy")
ROLES = FUNCTIONS | MACHINES

# Routes that take no API key, each known by something else.
WITHOUT_KEY = ("ReceiveTrigger",)


def test_cfn_lint_finds_nothing():
    assert [str(finding) for finding in lint_file(TEMPLATE)] == []


@pytest.mark.parametrize("name", ROLES)
def test_a_policy_names_actions_and_resources(name):
    for statement in statements(ROLES[name]):
        assert statement["Effect"] == "Allow"
        assert not [action for action in listed(statement["Action"]) if "*" in action]
        assert "*" not in listed(statement["Resource"])


def test_a_policy_is_shared_by_at_least_three_and_a_statement_is_repeated_by_at_most_two():
    """So that an entry shows what is special about its function, and the section of shared policies has no policy of one function."""
    users = Counter(policy for role in ROLES.values() for policy in shared_policies(role))
    assert {name: users[name] for name in SHARED if users[name] < 3} == {}
    repeated = Counter(json.dumps(statement, sort_keys=True) for role in ROLES.values() for statement in own_statements(role))
    assert [statement for statement, count in repeated.items() if count > 2] == []
    whole = {json.dumps(policy["Properties"]["PolicyDocument"]["Statement"], sort_keys=True): name for name, policy in SHARED.items()}
    for name, role in ROLES.items():
        assert [whole[key] for each in own_statements(role) if (key := json.dumps([each], sort_keys=True)) in whole] == [], f"{name}: refer to it"


@pytest.mark.parametrize("name", ROLES)
def test_the_shared_policies_of_an_entry_come_first_and_in_the_order_of_their_section(name):
    policies = ROLES[name]["Properties"]["Policies"]
    shared = shared_policies(ROLES[name])
    assert policies[: len(shared)] == [{"Ref": policy} for policy in sorted(shared, key=list(SHARED).index)]
    assert len(policies) - len(shared) <= 1, "one document for its own statements"


@pytest.mark.parametrize("name", ROLES)
def test_the_policies_of_a_role_are_within_the_limits_of_iam(name):
    """IAM and AWS STS quotas: 10 managed policies for a role (the default), 6,144 characters for a managed policy, 10,240 for the inline
    policies of a role. White space does not count. SAM adds a managed policy for the logs, and one for a stream or a queue."""
    shared, inline = shared_policies(ROLES[name]), own_statements(ROLES[name])
    from_sam = 1 + len({event["Type"] for event in ROLES[name]["Properties"].get("Events", {}).values()} & {"DynamoDB", "SQS"})
    assert len(shared) + from_sam <= 10
    # Intrinsic functions become ARNs of about a hundred characters.
    size = len(json.dumps(inline, separators=(",", ":"))) + 100 * str(inline).count("Fn::")
    assert size <= 10_240


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_policy_is_within_the_limits_of_iam(name):
    document = SHARED[name]["Properties"]["PolicyDocument"]
    assert SHARED[name]["Properties"].keys() == {"PolicyDocument"}, "it is attached by the entries, and named by CloudFormation"
    assert document["Version"] == "2012-10-17"
    assert len(json.dumps(document, separators=(",", ":"))) + 100 * str(document).count("Fn::") <= 6_144


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_may_scan_or_delete_and_four_may_delete_objects(name):
    """Items are deleted by TTL alone, but for connections, whose keys must be gone. Objects go where outputs are purged, and where
    an upload found no record; what a decision refers to lies under gates/, and no function may delete there."""
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
    may = name in ("AdvanceRun", "PurgeOutputs", "PurgeRunOutputs", "ReconcileRuns")
    assert deleting == ([("s3:DeleteObject", {"Fn::Sub": "${OutputsBucket.Arn}/org_*"})] if may else [])


def test_only_what_purge_outputs_is_for_reaches_it():
    stream = FUNCTIONS["PurgeOutputs"]["Properties"]["Events"]["Stream"]["Properties"]
    expired, ended_late = (json.loads(each["Pattern"]) for each in stream["FilterCriteria"]["Filters"])
    assert expired["userIdentity"] == {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}
    assert (expired["eventName"], expired["dynamodb"]) == (["REMOVE"], {"Keys": {"sk": {"S": [{"prefix": "STEP#"}]}}})
    assert (ended_late["eventName"], ended_late["dynamodb"]["Keys"]) == (["MODIFY"], {"sk": {"S": ["RUN"]}})
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "OnFailure" in stream["DestinationConfig"]


def test_what_reaches_publish_events_is_an_event_or_may_tell_of_one():
    stream = FUNCTIONS["PublishEvents"]["Properties"]["Events"]["Stream"]["Properties"]
    patterns = [json.loads(each["Pattern"]) for each in stream["FilterCriteria"]["Filters"]]
    assert len(patterns) <= 5, "as many as a mapping has without asking AWS for more"
    names = [pattern["dynamodb"]["Keys"]["sk"]["S"][0] for pattern in patterns]
    # Keys are counted on with every request, and are none of these.
    assert names == ["RUN", "RUN", "RUN", {"prefix": "GATE#"}, {"prefix": "STEP#"}]
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "OnFailure" in stream["DestinationConfig"]


def test_the_stream_has_no_more_readers_than_it_may_have():
    """Two for a shard; a third one would throttle them all."""
    events = [event for function in FUNCTIONS.values() for event in function["Properties"].get("Events", {}).values()]
    assert sum(event["Type"] == "DynamoDB" for event in events) == 2


def test_deliveries_are_hidden_for_longer_than_an_attempt_may_take():
    queue = resources("AWS::SQS::Queue")["Deliveries"]["Properties"]
    assert queue["VisibilityTimeout"] >= 6 * FUNCTIONS["DeliverWebhook"]["Properties"]["Timeout"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": "DeliveryDeadLetters.Arn"}
    assert FUNCTIONS["DeliverWebhook"]["Properties"]["Events"]["Queue"]["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_secrets_of_webhooks_are_sealed_by_some_and_opened_by_one():
    """Whoever may encrypt cannot read, and nobody reaches a secret of another kind."""
    def using(action):
        return {
            name: statement["Condition"]
            for name, function in FUNCTIONS.items()
            for statement in statements(function)
            if statement["Action"] == action and "webhook-endpoint" in str(statement)
        }
    only = {"StringEquals": {"kms:EncryptionContext:kind": "webhook-endpoint"}}
    assert using("kms:Encrypt") == {"CreateWebhook": only, "RotateEndpointSecret": only}
    assert using("kms:Decrypt") == {"DeliverWebhook": only}


def test_keys_of_connections_are_sealed_by_one_and_opened_by_those_who_call_them():
    """Whoever may encrypt cannot read, and nobody reaches a secret of another kind."""
    using = {"kms:Encrypt": [], "kms:Decrypt": []}
    for name, function in FUNCTIONS.items():
        for statement in statements(function):
            kinds = statement.get("Condition", {}).get("StringEquals", {}).get("kms:EncryptionContext:kind", [])
            for action in set(using).intersection(listed(statement["Action"])):
                assert kinds, f"{name}: {action} for secrets of every kind"
                if "service-connection" in listed(kinds):
                    using[action].append(name)
    assert using == {"kms:Encrypt": ["PutConnection"], "kms:Decrypt": ["CheckConnection", "AdvanceRun"]}


def test_a_function_with_a_key_admits_requests_and_updates_nothing_else():
    """Without the admission a function could admit nobody; with more it could write runs without their conditions."""
    assert SHARED["AllowAdmission"]["Properties"]["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
            "Resource": {"Fn::GetAtt": "Table.Arn"},
            "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["KEY#*"]}},
        }
    ]
    for name, function in FUNCTIONS.items():
        has_route = any(event["Type"] == "Api" for event in function["Properties"].get("Events", {}).values())
        has_key = has_route and name not in OPEN and name not in WITHOUT_KEY
        assert ("AllowAdmission" in shared_policies(function)) == has_key, name
        updating = [each for each in statements(function) if "dynamodb:UpdateItem" in listed(each["Action"])]
        on_keys = [each for each in updating if "KEY#" in str(each)]
        assert len(on_keys) == has_key, name
        more = ("SetRetention", "PurgeRunOutputs", "PutConnection", "CheckConnection")
        assert not has_key or len(updating) == 1 or name.startswith("List") or name in more, name


def test_what_everybody_may_call_may_do_nothing():
    for name in OPEN:
        assert FUNCTIONS[name]["Properties"]["Policies"] == [], name


def test_the_limits_are_those_of_the_contract():
    limits = {name: template()["Parameters"][name]["Default"] for name in ("RateLimitReads", "RateLimitWrites")}
    assert limits == {"RateLimitReads": 600, "RateLimitWrites": 120}


def test_only_advance_run_asks_models_and_only_models():
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
def test_a_function_is_built_from_the_package_of_its_name(name):
    function = FUNCTIONS[name]
    binary = function["Metadata"]["BuildProperties"]["Binary"]
    assert binary.replace("-", "") == name.lower()
    assert function["Properties"]["FunctionName"] == {"Fn::Sub": "${AWS::StackName}-" + binary}


def test_no_route_is_taken_twice():
    routes = [
        (event["Properties"]["Method"], event["Properties"]["Path"])
        for function in FUNCTIONS.values()
        for event in function["Properties"].get("Events", {}).values()
        if event["Type"] == "Api"
    ]
    assert len(routes) == len(set(routes))
    # A path of openapi.yaml has one key for each method; what else the two say is compared in tests/contract/test_document.py.
    paths = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))["paths"]
    documented = {(method.upper(), path) for path, item in paths.items() for method in item if method != "parameters"}
    assert set(routes) == documented


def test_the_machines_are_called_what_the_functions_call_them():
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    for machine, variable in (("Run", "RUN_STATE_MACHINE_ARN"), ("Resume", "RESUME_STATE_MACHINE_ARN")):
        name = MACHINES[f"{machine}StateMachine"]["Properties"]["Name"]["Fn::Sub"]
        assert variables[variable]["Fn::Sub"].endswith(f":stateMachine:{name}")


def test_what_is_kept_outlives_the_stack():
    for name in ("Table", "OutputsBucket"):
        kept = template()["Resources"][name]
        assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == ("Retain", "Retain"), name


def test_no_index_projects_more_attributes_than_dynamodb_takes():
    """Twenty in one index; the local stack takes any number."""
    for index in template()["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]:
        projected = index["Projection"].get("NonKeyAttributes", [])
        assert len(projected) == len(set(projected)) <= 20, index["IndexName"]


def test_park_reaches_run_items_only():
    (update,) = (s for s in statements(MACHINES["ResumeStateMachine"]) if s["Action"] == "dynamodb:UpdateItem")
    assert update["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["RUN#*"]}}


def test_a_trigger_reaches_no_key_and_the_clock_only_schedules():
    """The caller of a trigger has shown no key, so the function reads and writes only what starting a run needs."""
    receive = statements(FUNCTIONS["ReceiveTrigger"])
    prefixes = [s["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] for s in receive if "dynamodb" in str(s["Action"])]
    assert prefixes == [["HOOK#*", "ORG#*", "RUN#*"], ["ORG#*"], ["RUN#*", "ORG#*#IDEMPOTENCY#*"]]
    (update,) = (s for s in statements(FUNCTIONS["TickCron"]) if s["Action"] == "dynamodb:UpdateItem")
    attributes = update["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"]
    assert attributes == ["pk", "sk", "listRow", "outboxPk", "outboxSk"]


def test_secrets_of_triggers_are_sealed_and_opened_as_such_and_by_few():
    may = {
        name: (statement["Action"], statement["Condition"]["StringEquals"]["kms:EncryptionContext:kind"])
        for name, function in FUNCTIONS.items()
        for statement in statements(function)
        if "flow-webhook" in str(statement)
    }
    sealing = {name: ("kms:Encrypt", "flow-webhook") for name in ("CreateFlow", "UpdateFlow", "RotateTriggerSecret")}
    assert may == sealing | {name: ("kms:Decrypt", "flow-webhook") for name in ("GetFlow", "ReceiveTrigger")}


def test_what_takes_no_key_is_throttled():
    """Each method whose callers are counted on no key has a limit of its own at API Gateway."""
    limited = {
        (setting["HttpMethod"], setting["ResourcePath"].replace("~1", "/").removeprefix("/"))
        for setting in template()["Resources"]["Api"]["Properties"]["MethodSettings"]
        if setting["ThrottlingRateLimit"] <= 200
    }
    (event,) = FUNCTIONS["ReceiveTrigger"]["Properties"]["Events"].values()
    assert (event["Properties"]["Method"], event["Properties"]["Path"]) in limited


def test_lists_write_nothing_but_a_cursor_secret():
    lists = {name: function for name, function in FUNCTIONS.items() if name.startswith("List")}
    assert lists
    for name, function in lists.items():
        # AllowAdmission counts requests on keys.
        writes = [s for s in statements(function) if "dynamodb:UpdateItem" in listed(s["Action"]) and "KEY#" not in str(s)]
        assert [s["Action"] for s in writes] == ["dynamodb:UpdateItem"], name
        assert writes[0]["Condition"] == {
            # The record of an organisation itself: the keys of its flows, slugs and connections are longer.
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["ORG#org_" + 26 * "?"]},
            "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "cursorSecret"]},
            "StringEquals": {"dynamodb:ReturnValues": "UPDATED_NEW"},
        }, name


def test_every_definition_of_the_folder_is_deployed():
    deployed = {machine["Properties"]["DefinitionUri"] for machine in MACHINES.values()}
    assert deployed == {f"statemachine/{path.name}" for path in (ROOT / "statemachine").glob("*.json")}
