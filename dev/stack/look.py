"""Shows what is behind the API of the running stack: items of the table, executions, and log lines of the functions."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone

from boto3.dynamodb.types import TypeDeserializer

from .console import StackError, bold, dim, say
from .deploy import client
from .settings import Settings

RUNTIME_LINES = ("START RequestId", "END RequestId", "REPORT RequestId")  # lines that Lambda adds to each invocation


def rows(settings: Settings, env: Mapping[str, str], run_id: str | None) -> None:
    """Prints the items of a run as DynamoDB holds them; without a run, how many items of each kind there are."""
    table = client(settings, "dynamodb")
    read = TypeDeserializer().deserialize
    if run_id is None:
        kinds: dict[str, int] = {}
        for page in table.get_paginator("scan").paginate(TableName=env["TABLE_NAME"]):
            for item in page["Items"]:
                kind = f"{item['pk']['S'].split('#')[0]} / {item['sk']['S'].split('#')[0]}"
                kinds[kind] = kinds.get(kind, 0) + 1
        for kind, count in sorted(kinds.items()):
            say(f"{count:6}  {kind}")
        return
    query = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": f"RUN#{run_id}"}}}
    found = table.query(TableName=env["TABLE_NAME"], **query)["Items"]
    if not found:
        raise StackError(f"The table has no rows of the run {run_id}.")
    for item in found:
        plain = {name: read(value) for name, value in item.items()}
        say(bold(plain["sk"]))
        say(json.dumps({name: value for name, value in sorted(plain.items()) if name not in ("pk", "sk")}, indent=2, default=str))


def executions(settings: Settings, env: Mapping[str, str]) -> None:
    """Prints the latest executions of both state machines, which are the segments of the runs."""
    machines = client(settings, "stepfunctions")
    for name in ("RUN_STATE_MACHINE_ARN", "RESUME_STATE_MACHINE_ARN"):
        say(bold(env[name].rpartition(":")[2]))
        for each in machines.list_executions(stateMachineArn=env[name], maxResults=20)["executions"]:
            say(f"  {each['startDate']:%H:%M:%S}  {each['status']:10} {each['name']}")


def logs(settings: Settings, text: str | None) -> None:
    """Prints the last lines that functions logged, oldest first; with a text, only lines and streams that contain it."""
    watch = client(settings, "logs")
    lines = []
    for group in watch.describe_log_groups()["logGroups"]:
        for event in watch.filter_log_events(logGroupName=group["logGroupName"], limit=10_000)["events"]:
            line = event["message"].rstrip()
            if line.startswith(RUNTIME_LINES):
                continue
            if text is None or text in line or text in event["logStreamName"] or text in group["logGroupName"]:
                lines.append((event["timestamp"], group["logGroupName"].rpartition("/")[2], line))
    for timestamp, group, line in sorted(lines)[-200:]:
        moment = datetime.fromtimestamp(timestamp / 1000, timezone.utc)
        say(f"{dim(f'{moment:%H:%M:%S} {group}')} {line}")
