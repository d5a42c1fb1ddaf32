"""template.yaml is deployed through CloudFormation on MiniStack, with a stand-in for every binary.

On AWS `sam package` packs the same file; here the packing is the same, and the code is `stub_function.py`.
"""

import io
import json
import re
import shlex
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from definitions import ROOT, resources, template
from interpreters import MiniStack, until

STACK = "runs-test"
ARTIFACTS = "artifacts"
STUB = Path(__file__).with_name("stub_function.py")

# Every route of the template: method, path, function.
ROUTES = [
    (event["Properties"]["Method"], event["Properties"]["Path"], function["Metadata"]["BuildProperties"]["Binary"])
    for function in resources("AWS::Serverless::Function").values()
    for event in function["Properties"].get("Events", {}).values()
    if event["Type"] == "Api"
]
# `{proxy+}` stands for the rest of the path.
PARAMETER = re.compile(r"\{(\w+)\+?\}")


class Deployed:
    """The deployed stack."""

    def __init__(self, on: MiniStack, records: Path) -> None:
        """Deploys the stack; its functions record their events in the folder `records`."""
        self.on, self.records = on, records
        self.cloudformation = on.client("cloudformation")
        self._create()
        stack = until(self._settled, "the stack did not settle")
        assert stack["StackStatus"] == "CREATE_COMPLETE", self._failures()
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def _create(self) -> None:
        s3 = self.on.client("s3")
        s3.create_bucket(Bucket=ARTIFACTS)

        def stored(key: str, content: bytes) -> str:
            s3.put_object(Bucket=ARTIFACTS, Key=key, Body=content)
            return f"s3://{ARTIFACTS}/{key}"

        packed = template()
        for name, resource in packed["Resources"].items():
            properties = resource["Properties"]
            if resource["Type"] == "AWS::Serverless::Function":
                binary = resource["Metadata"]["BuildProperties"]["Binary"]
                properties["CodeUri"] = stored(f"{name}.zip", bootstrap(binary, self.records))
            elif resource["Type"] == "AWS::Serverless::StateMachine":
                definition = (ROOT / properties["DefinitionUri"]).read_bytes()
                properties["DefinitionUri"] = stored(f"{name}.json", definition)
        s3.put_object(Bucket=ARTIFACTS, Key="template.json", Body=json.dumps(packed).encode())
        self.cloudformation.create_stack(
            StackName=STACK,
            TemplateURL=f"http://127.0.0.1:{self.on.server.port}/{ARTIFACTS}/template.json",
            Capabilities=["CAPABILITY_IAM"],
            OnFailure="DO_NOTHING",
        )

    def _settled(self) -> dict[str, Any] | None:
        stack = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    def _failures(self) -> list[str]:
        events = self.cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        return [f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}" for e in events if "FAILED" in e["ResourceStatus"]]

    def ask(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        """Sends a request to the API and returns the status and the JSON value of the answer."""
        address = (
            f"http://127.0.0.1:{self.on.server.port}/restapis/{self.outputs['ApiId']}/{self.outputs['StageName']}/_user_request_{path}"
        )
        try:
            with urlopen(Request(address, method=method, data=None if method == "GET" else b"{}")) as answer:
                return answer.status, json.load(answer)
        except HTTPError as refused:
            return refused.code, json.load(refused)

    def invocations(self, binary: str) -> list[dict[str, Any]]:
        """Returns the recorded events of a function, each with the name of its table."""
        record = self.records / f"{binary}.jsonl"
        return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []


def bootstrap(binary: str, records: Path) -> bytes:
    """Returns an archive whose bootstrap runs the stand-in for the binary."""
    script = f"#!/bin/sh\nexec {shlex.join([sys.executable, '-S', str(STUB), binary, str(records)])}\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        zipped.writestr(entry, script)
    return archive.getvalue()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    on = MiniStack(tmp_path_factory.mktemp("deployment") / "server.log")
    try:
        yield Deployed(on, tmp_path_factory.mktemp("records"))
    finally:
        on.close()


@pytest.mark.parametrize(("method", "path", "function"), ROUTES, ids=str)
def test_a_route_leads_to_its_function(deployed: Deployed, method: str, path: str, function: str) -> None:
    parameters = {name: f"{name}_1" for name in PARAMETER.findall(path)}
    answered = deployed.ask(method, PARAMETER.sub(lambda found: parameters[found[1]], path))
    assert answered == (200, {"function": function, "parameters": parameters or None})


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/nothing"), ("DELETE", "/api/flows"), ("GET", "/")])
def test_an_unknown_route_is_answered_with_the_error_envelope(deployed: Deployed, method: str, path: str) -> None:
    assert deployed.ask(method, path) == (404, {"error": "not found"})


def test_the_table_is_what_the_template_says(deployed: Deployed) -> None:
    name = deployed.outputs["TableName"]
    table = deployed.on.dynamodb.describe_table(TableName=name)["Table"]
    assert {i["IndexName"]: i["Projection"]["ProjectionType"] for i in table["GlobalSecondaryIndexes"]} == {
        "lists": "INCLUDE",
        "inbox": "ALL",
        "outbox": "KEYS_ONLY",
    }
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    ttl = deployed.on.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expiresAt"}
    backups = deployed.on.dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_the_bucket_is_private_and_takes_no_plain_http(deployed: Deployed) -> None:
    s3, bucket = deployed.on.client("s3"), deployed.outputs["BucketName"]
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


@pytest.mark.parametrize("machine", ["Run", "Resume"])
def test_a_segment_advances_through_the_deployed_function(deployed: Deployed, machine: str) -> None:
    run_id = f"run_{machine}"
    deployed.on.states.start_execution(
        stateMachineArn=deployed.outputs[f"{machine}StateMachineArn"],
        name=f"{run_id}-1",
        input=json.dumps({"runId": run_id, "waitSeconds": 3600}),
    )
    expected = {"event": {"runId": run_id, "execution": f"{run_id}-1"}, "table": deployed.outputs["TableName"]}
    until(lambda: expected in deployed.invocations("advance-run"), f"advance-run did not hear of {run_id}")


@pytest.mark.parametrize("machine", ["Run", "Resume"])
def test_an_execution_that_fails_for_good_is_settled(deployed: Deployed, machine: str) -> None:
    arn, run_id = deployed.outputs[f"{machine}StateMachineArn"], f"run_{machine}_fails"
    deployed.on.states.start_execution(stateMachineArn=arn, name=f"{run_id}-1", input=json.dumps({"runId": run_id, "waitSeconds": 3600}))

    def settled() -> list[dict[str, Any]]:
        details = [each["event"]["detail"] for each in deployed.invocations("settle-run")]
        return [detail for detail in details if detail["name"] == f"{run_id}-1"]

    (detail,) = until(settled, f"settle-run did not hear of {run_id}")
    assert (detail["status"], detail["stateMachineArn"], detail["error"]) == ("FAILED", arn, "FailedOnPurpose")


def test_an_execution_that_is_stopped_is_settled_too(deployed: Deployed) -> None:
    """Cancelling a run stops its execution; settle-run is invoked and finds a run that is cancelled already."""
    arn = deployed.outputs["ResumeStateMachineArn"]
    name = deployed.outputs["TableName"]
    item = {"pk": "RUN#run_stopped", "sk": "RUN", "owes": "run_stopped-1"}
    deployed.on.dynamodb.put_item(TableName=name, Item={key: {"S": value} for key, value in item.items()})
    started = deployed.on.states.start_execution(
        stateMachineArn=arn, name="run_stopped-1", input=json.dumps({"runId": "run_stopped", "waitSeconds": 3600})
    )
    deployed.on.states.stop_execution(executionArn=started["executionArn"], cause="a test")

    def statuses() -> list[str]:
        details = [each["event"]["detail"] for each in deployed.invocations("settle-run")]
        return [detail["status"] for detail in details if detail["name"] == "run_stopped-1"]

    assert until(statuses, "settle-run did not hear of the stop") == ["ABORTED"]


def test_purge_outputs_gets_only_the_stream_records_that_it_needs(deployed: Deployed) -> None:
    """It needs steps that TTL deletes and runs that end after more than a day. All other records are filtered out."""
    name, table = deployed.outputs["TableName"], deployed.on.dynamodb
    past = {"N": "1000000000"}
    run = {"pk": {"S": "RUN#run_gone"}, "sk": {"S": "RUN"}}
    step = {"pk": {"S": "RUN#run_gone"}, "sk": {"S": "STEP#a"}}
    for item in (run, {**step, "expiresAt": past}, {"pk": {"S": "ORG#o"}, "sk": {"S": "IDEMPOTENCY"}, "expiresAt": past}):
        table.put_item(TableName=name, Item=item)
    table.put_item(TableName=name, Item={"pk": {"S": "RUN#run_gone"}, "sk": {"S": "STEP#by-hand"}})
    table.delete_item(TableName=name, Key={"pk": {"S": "RUN#run_gone"}, "sk": {"S": "STEP#by-hand"}})
    table.put_item(TableName=name, Item={**run, "status": {"S": "running"}})
    table.put_item(TableName=name, Item={**run, "status": {"S": "succeeded"}, "lastedDays": {"N": "3"}})

    def seen() -> list[dict[str, Any]]:
        records = [record for each in deployed.invocations("purge-outputs") for record in each["event"]["Records"]]
        return records if len(records) >= 2 else []

    by_event = {record["eventName"]: record for record in until(seen, "purge-outputs did not hear of both")}
    assert set(by_event) == {"MODIFY", "REMOVE"} and len(seen()) == 2
    assert by_event["REMOVE"]["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert by_event["REMOVE"]["dynamodb"]["OldImage"] == {**step, "expiresAt": past}
    assert by_event["MODIFY"]["dynamodb"]["NewImage"]["lastedDays"] == {"N": "3"}


def test_schedules_invoke_the_three_periodic_functions(deployed: Deployed) -> None:
    events = deployed.on.client("events")
    ticks = {}
    for rule in events.list_rules()["Rules"]:
        if "ScheduleExpression" in rule:
            assert rule["State"] == "ENABLED", rule
            (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            ticks[target["Arn"].rpartition(f":function:{STACK}-")[2]] = rule["ScheduleExpression"]
    assert ticks == {
        "reconcile-runs": "rate(5 minutes)",
        "repeat-deliveries": "rate(1 minute)",
        "tick-cron": "cron(* * * * ? *)",
    }


def test_every_function_of_the_template_is_there(deployed: Deployed) -> None:
    pages = deployed.on.client("lambda").get_paginator("list_functions").paginate()
    names = {each["FunctionName"] for page in pages for each in page["Functions"]}
    binaries = {each["Metadata"]["BuildProperties"]["Binary"] for each in resources("AWS::Serverless::Function").values()}
    assert {name.removeprefix(f"{STACK}-") for name in names if name.startswith(STACK)} == binaries
