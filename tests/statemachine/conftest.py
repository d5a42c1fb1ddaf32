"""Every test that takes `on` runs twice: on MiniStack and on moto, each started once for the whole suite."""

import json
import os
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from interpreters import TABLE, Interpreter, MiniStack, Moto, until  # noqa: E402 (needs the path above)

# Everything here talks to loopback; a proxy of the user's would stand in between.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

_numbers = count(1)


@pytest.fixture(scope="session", params=[MiniStack, Moto], ids=lambda kind: kind.name)
def on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    kind = request.param
    interpreter = kind(tmp_path_factory.mktemp(kind.name) / "server.log")
    yield interpreter
    interpreter.close()


@pytest.fixture(autouse=True)
def skip_what_cannot_be_expressed(request: pytest.FixtureRequest):
    """`@pytest.mark.needs("…")` skips a test, with the reason, on an interpreter that cannot express it."""
    if "on" in request.fixturenames:
        interpreter = request.getfixturevalue("on")
        for mark in request.node.iter_markers("needs"):
            if mark.args[0] in interpreter.cannot:
                pytest.skip(interpreter.cannot[mark.args[0]])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(what): skipped, with its reason, on an interpreter that cannot express it")
    # A skip is printed with its reason, never passed over.
    config.option.reportchars += "" if "s" in config.option.reportchars else "s"


@dataclass
class Run:
    """One run in the table, and the executions that a test starts for it."""

    id: str
    on: Interpreter

    def put(self, **attributes: str) -> None:
        """Store the run as the functions would: at rev 7, with whatever a test adds."""
        item = {"pk": f"RUN#{self.id}", "sk": "RUN", "status": "awaiting_approval", **attributes}
        values = {name: {"S": value} for name, value in item.items()}
        self.on.dynamodb.put_item(TableName=TABLE, Item=values | {"rev": {"N": "7"}})

    def put_owing(self, execution: str) -> None:
        self.put(owes=execution, outboxPk="OUTBOX", outboxSk=self.id)

    def item(self) -> dict | None:
        key = {"pk": {"S": f"RUN#{self.id}"}, "sk": {"S": "RUN"}}
        found = self.on.dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True).get("Item")
        return found and {name: next(iter(value.values())) for name, value in found.items()}

    def in_outbox(self) -> bool:
        answer = self.on.dynamodb.query(
            TableName=TABLE,
            IndexName="outbox",
            KeyConditionExpression="outboxPk = :pk AND outboxSk = :sk",
            ExpressionAttributeValues={":pk": {"S": "OUTBOX"}, ":sk": {"S": self.id}},
        )
        return answer["Count"] > 0

    def start(self, machine: str, segment: int, **extra: int) -> str:
        started = self.on.states.start_execution(
            stateMachineArn=machine, name=self.execution(segment), input=json.dumps({"runId": self.id, **extra})
        )
        return started["executionArn"]

    def execution(self, segment: int) -> str:
        return f"{self.id}-{segment}"

    def token(self) -> str:
        """The token that Park wrote, as soon as it is there."""
        return until(lambda: (self.item() or {}).get("token"), f"{self.id} has no token")

    def end_of(self, execution: str) -> dict:
        """The execution's description, as soon as it has ended."""

        def ended() -> dict | None:
            found = self.on.states.describe_execution(executionArn=execution)
            return None if found["status"] == "RUNNING" else found

        return until(ended, f"{execution} did not end")

    def invocations(self) -> list[dict]:
        return self.on.advance.invocations(self.id)


@pytest.fixture
def run(on: Interpreter) -> Run:
    return Run(f"run_{next(_numbers):026d}", on)
