"""Deploys the same flows as ordinary Step Functions workflows, starts them, approves them and waits for them.

What stands before the workflow in such a design, an API that puts the run's row and starts the execution, and one that
records a decision and sends the token back, is played by this module; its writes are on the ledger like all others.
"""

import json
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
from botocore.config import Config

from stack.console import StackError
from stack.deploy import deploy_template
from stack.settings import DUMMY_CREDENTIAL, REGION, ROOT, Model, Settings

from . import canonical

STACK = "plain-local"
FUNCTION = f"{STACK}-step"
MACHINES: dict[str, Callable[[], canonical.Spec]] = {
    "draft-approve-execute": canonical.plain_draft_approve_execute,
    "draft-approve-execute-end": lambda: canonical.plain_draft_approve_execute(end_state=True),
    "chain-of-10": lambda: canonical.plain_chain(10),
    "chain-of-100": lambda: canonical.plain_chain(100),
}
OUTPUTS = {
    "draft-approve-execute": "DraftApproveExecute",
    "draft-approve-execute-end": "DraftApproveExecuteEnd",
    "chain-of-10": "ChainOf10",
    "chain-of-100": "ChainOf100",
}


def aws(settings: Settings, service: str, app: str) -> Any:
    """Returns a client whose calls the ledger attributes to `app`."""
    session = boto3.session.Session(aws_access_key_id=DUMMY_CREDENTIAL, aws_secret_access_key=DUMMY_CREDENTIAL, region_name=REGION)
    config = Config(proxies={}, user_agent_appid=app, retries={"max_attempts": 2})
    return session.client(service, endpoint_url=settings.endpoint, config=config)


class Plain:
    """The deployed workflows, and the API that would start and approve them."""

    def __init__(self, settings: Settings, model: Model, org: str) -> None:
        folder = settings.dev_dir / "plain"
        folder.mkdir(exist_ok=True)
        shutil.copy(ROOT / "bench/template.yaml", folder / "plain.yaml")
        for name, definition in MACHINES.items():
            (folder / f"{name}.asl.json").write_text(json.dumps(definition(), indent=1))
        parameters = {
            "ServiceUrl": settings.echo_url,
            "LlmBaseUrl": model.base_url,
            "LlmModels": model.models,
            "EgressAllow": "loopback",
        }
        released = replace(settings, released=settings.released | {"plain-step"})
        self._outputs, _ = deploy_template(released, STACK, folder / "plain.yaml", parameters)
        self._table = self._outputs["TableName"]
        self._org = org
        self._rows = aws(settings, "dynamodb", "plain-api")
        self._machines = aws(settings, "stepfunctions", "plain-api")
        self._looking = aws(settings, "dynamodb", "bench-looks")

    def run(self, name: str, body: dict[str, Any]) -> None:
        """Starts a run, approves it, and returns when it has succeeded."""
        run = uuid.uuid4().hex
        machine = self._outputs[OUTPUTS[name]]
        now = _now()
        self._rows.put_item(
            TableName=self._table,
            Item=_item(pk=f"RUN#{run}", sk="RUN", status="running", input=json.dumps(body), startedAt=now, listPk=name, listSk=run),
            ConditionExpression="attribute_not_exists(pk)",
        )
        start = {"orgId": self._org, "traceId": uuid.uuid4().hex, "input": body}
        execution = self._machines.start_execution(stateMachineArn=machine, name=run, input=json.dumps(start))["executionArn"]
        decided = False
        while True:
            status = self._machines.describe_execution(executionArn=execution)["status"]
            if status == "SUCCEEDED":
                return
            if status != "RUNNING":
                raise StackError(f"the plain workflow {name} ended {status}; see ministack.log")
            if not decided and self._row(run)["status"]["S"] == "awaiting_approval":
                self._approve(run)
                decided = True
            time.sleep(0.05)

    def _approve(self, run: str) -> None:
        gate = {"pk": {"S": f"RUN#{run}"}, "sk": {"S": "GATE#review"}}
        found = self._rows.get_item(TableName=self._table, Key=gate, ConsistentRead=True)["Item"]
        action = found["proposedAction"]["S"]
        self._rows.update_item(
            TableName=self._table,
            Key=gate,
            UpdateExpression="SET #status = :approved, decidedAction = :action, decidedBy = :who, decidedAt = :now REMOVE inboxPk, inboxSk",
            ConditionExpression="#status = :open",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=_item(
                **{":approved": "approved", ":open": "open", ":action": action, ":who": "usr_ada", ":now": _now()}
            ),
        )
        self._rows.update_item(
            TableName=self._table,
            Key={"pk": {"S": f"RUN#{run}"}, "sk": {"S": "RUN"}},
            UpdateExpression="SET #status = :running",
            ConditionExpression="#status = :waiting",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=_item(**{":running": "running", ":waiting": "awaiting_approval"}),
        )
        output = json.dumps({"decision": "approved", "proposedAction": json.loads(action)})
        self._machines.send_task_success(taskToken=found["token"]["S"], output=output)

    def _row(self, run: str) -> dict[str, Any]:
        key = {"pk": {"S": f"RUN#{run}"}, "sk": {"S": "RUN"}}
        return self._looking.get_item(TableName=self._table, Key=key, ConsistentRead=True)["Item"]


def _item(**values: str) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in values.items()}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
