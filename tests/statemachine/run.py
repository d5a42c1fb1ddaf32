"""A run in the table of an interpreter."""

import json
from dataclasses import dataclass
from typing import Any

from interpreters import TABLE, Interpreter, until


@dataclass
class Run:
    """One run in the table and the executions that a test starts for it."""

    id: str
    on: Interpreter

    def put(self, **attributes: str) -> None:
        """Stores the run as the functions would, at rev 7 and with further attributes."""
        item: dict[str, str] = {"pk": f"RUN#{self.id}", "sk": "RUN", "status": "awaiting_approval", **attributes}
        values = {name: {"S": value} for name, value in item.items()}
        self.on.dynamodb.put_item(TableName=TABLE, Item={**values, "rev": {"N": "7"}})

    def put_owing(self, execution: str) -> None:
        """Stores the run with a pending effect, which puts it into the outbox."""
        watched = self.stuck_at()
        self.put(owes=execution, outboxPk="OUTBOX", outboxSk=self.id, watchPk="WATCH", watchSk=watched)

    def stuck_at(self) -> str:
        """Returns the sort key that Park gives the run in the index `outbox`."""
        return f"2026-01-01T00:00:00.000Z#{self.id}"

    def item(self) -> dict[str, Any] | None:
        """Returns the attributes of the run; None if it is not in the table."""
        key = {"pk": {"S": f"RUN#{self.id}"}, "sk": {"S": "RUN"}}
        found = self.on.dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True).get("Item")
        return found and {name: next(iter(value.values())) for name, value in found.items()}

    def in_outbox(self) -> bool:
        """Returns whether the run is in the outbox."""
        answer = self.on.dynamodb.query(
            TableName=TABLE,
            IndexName="outbox",
            KeyConditionExpression="outboxPk = :pk AND outboxSk = :sk",
            ExpressionAttributeValues={":pk": {"S": "OUTBOX"}, ":sk": {"S": self.id}},
        )
        return answer["Count"] > 0

    def start(self, machine: str, segment: int, **extra: int) -> str:
        """Starts an execution of the run and returns its ARN."""
        started = self.on.states.start_execution(
            stateMachineArn=machine, name=self.execution(segment), input=json.dumps({"runId": self.id, **extra})
        )
        return started["executionArn"]

    def execution(self, segment: int) -> str:
        """Returns the name of the execution of a segment."""
        return f"{self.id}-{segment}"

    def token(self) -> str:
        """Waits for the task token that Park writes and returns it."""
        return until(lambda: (self.item() or {}).get("token"), f"{self.id} has no token")

    def end_of(self, execution: str) -> dict[str, Any]:
        """Waits until the execution has ended and returns its description."""

        def ended() -> dict[str, Any] | None:
            found = self.on.states.describe_execution(executionArn=execution)
            return None if found["status"] == "RUNNING" else found

        return until(ended, f"{execution} did not end")

    def invocations(self) -> list[dict[str, Any]]:
        """Returns the events of the invocations for this run."""
        return self.on.advance.invocations(self.id)
