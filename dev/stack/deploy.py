"""Creates or updates the stack through CloudFormation, as `sam deploy` does on AWS."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .console import StackError, Stage
from .packaging import Package, package
from .settings import DUMMY_CREDENTIAL, LOCAL_PARAMETERS, MAIL_FROM, REGION, ROOT, Model, Settings

STACK = "runs-local"
BUCKET = "runs-local-artifacts"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
PATIENCE = 180


def client(settings: Settings, service: str) -> Any:
    """Returns a client of the local stack, whatever AWS profile and proxy the user has."""
    return boto3.session.Session(aws_access_key_id=DUMMY_CREDENTIAL, aws_secret_access_key=DUMMY_CREDENTIAL, region_name=REGION).client(
        service,
        endpoint_url=settings.endpoint,
        config=Config(proxies={}, retries={"max_attempts": 2}, s3={"addressing_style": "path"}),
    )


def deploy(settings: Settings, model: Model) -> tuple[dict[str, str], bool]:
    """Deploys template.yaml and the binaries. Returns the outputs of the stack and whether anything changed."""
    # SES refuses mails from an address that is not verified; on AWS its owner confirms it, MiniStack takes it at once.
    client(settings, "sesv2").create_email_identity(EmailIdentity=MAIL_FROM)
    # The stage as MiniStack serves it to a browser.
    base = {"PublicBaseUrl": f"{settings.endpoint}/restapis/{{apiId}}/v1/_user_request_"}
    return deploy_template(settings, STACK, ROOT / "template.yaml", {**model.parameters(), **LOCAL_PARAMETERS, **base})


def deploy_template(settings: Settings, stack_name: str, file: Path, parameters: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Creates or updates a stack from a template. Returns its outputs and whether anything changed."""
    stage = Stage("Deploy")
    packed = package(file, BUCKET, settings.binary)
    request = {
        "StackName": stack_name,
        "TemplateURL": _upload(settings, stack_name, packed),
        "Parameters": _parameters(file.name, packed.template, parameters),
        "Capabilities": CAPABILITIES,
    }
    cloudformation = client(settings, "cloudformation")
    exists = _describe(cloudformation, stack_name) is not None
    try:
        if exists:
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request, OnFailure="DO_NOTHING")
    except ClientError as problem:
        message = problem.response["Error"].get("Message", str(problem))
        if exists and "No updates are to be performed" in message:
            return _outputs(_describe(cloudformation, stack_name) or {}), False
        raise StackError(f"CloudFormation refused {file.name}: {message}") from None
    stack = _wait(cloudformation, stack_name, stage)
    if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise StackError(f"Deploying {file.name} ended in {stack['StackStatus']}. {_reason(cloudformation, stack_name)}")
    count = len(cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"])
    stage.done(f"{file.name} {'updated' if exists else 'deployed'} through CloudFormation: {count} resources")
    return _outputs(stack), True


def _upload(settings: Settings, stack_name: str, packed: Package) -> str:
    s3 = client(settings, "s3")
    s3.create_bucket(Bucket=BUCKET)
    for key, content in packed.objects.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    s3.put_object(Bucket=BUCKET, Key=f"{stack_name}.json", Body=packed.template_json)
    return f"{settings.endpoint}/{BUCKET}/{stack_name}.json"


def _parameters(name: str, template: dict[str, Any], wanted: Mapping[str, str]) -> list[dict[str, str]]:
    declared = template.get("Parameters", {})
    unknown = sorted(set(wanted) - set(declared))
    if unknown:
        raise StackError(f"{name} has no parameter {', '.join(unknown)}, which the local stack sets.")
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in wanted.items()]


def _describe(cloudformation: Any, stack_name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
        return found
    except ClientError:
        return None


def _wait(cloudformation: Any, stack_name: str, stage: Stage) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        stack = _describe(cloudformation, stack_name)
        if stack is None:
            raise StackError(f"CloudFormation lost the stack {stack_name}; see ministack.log.")
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        if time.monotonic() > deadline:
            raise StackError(
                f"Deploying {stack_name} takes more than {PATIENCE} s ({stack['StackStatus']}). {_reason(cloudformation, stack_name)}"
            )
        stage.still(f"CloudFormation: {stack['StackStatus'].lower()}")
        time.sleep(0.2)


def _reason(cloudformation: Any, stack_name: str) -> str:
    """Returns the first failure, which is the cause; what is cancelled after it only follows from it."""
    events = cloudformation.describe_stack_events(StackName=stack_name)["StackEvents"]
    failures = [event for event in events if event.get("ResourceStatus", "").endswith("_FAILED")]
    for event in sorted(failures, key=lambda event: event["Timestamp"]):
        reason = event.get("ResourceStatusReason", "")
        if event.get("ResourceType") != "AWS::CloudFormation::Stack" and "cancelled" not in reason.lower():
            return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason or 'no reason given'}"
    return (_describe(cloudformation, stack_name) or {}).get("StackStatusReason", "No reason was given; see ministack.log.")


def _outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
