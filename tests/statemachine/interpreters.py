"""Two interpreters of the Amazon States Language, each a process of its own on a free loopback port."""

import io
import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config

from advance import FUNCTION_SOURCE, Advance, StandIn
from definitions import RESUME, ROOT, RUN, substituted, with_short_waits

REGION = "us-east-1"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/state-machine"
TABLE = "runs"
PATIENCE = 60  # seconds; a guard against a hang, no test depends on it
T = TypeVar("T")

# The suite never uses the AWS account of the user.
AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def free_port() -> int:
    """Returns a loopback port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(look: Callable[[], T | None], complaint: str) -> T:
    """Calls `look` until it returns a value that is true, and returns that; fails the test with the complaint after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.05)
    pytest.fail(f"{complaint} within {PATIENCE} s")


class Server:
    """A server process, which is stopped by its own id."""

    def __init__(self, name: str, command: list[str], port: int, environment: dict[str, str], log: Path) -> None:
        """Starts the server and waits until it listens on the port; raises RuntimeError with the end of its log if it does not."""
        self.name, self.port, self._log = name, port, log
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MOTO_", "SFN_"))}
        with log.open("wb") as out:
            self._process = subprocess.Popen(command, env=inherited | AWS_ENVIRONMENT | environment, stdout=out, stderr=subprocess.STDOUT)
        self._wait_until_it_listens()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.stop()
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])
        raise RuntimeError(f"{self.name} did not come up on port {self.port}. The end of its log:\n{tail}")

    def stop(self) -> None:
        """Ends the process."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Interpreter:
    """The common part of the two interpreters: a table, the stand-in for advance-run, and both machines, deployed."""

    name: str
    # The needs of tests that this interpreter gets wrong or cannot express, with the reason. A test with such a need is skipped.
    cannot: ClassVar[dict[str, str]] = {}

    def __init__(self, log: Path) -> None:
        """Starts the interpreter, whose output goes to the log."""
        self.stand_in: StandIn
        self.server: Server
        self._start(log)
        # The client does not repeat calls, so that a test sees each invocation that the state machine makes.
        settings = Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=60)
        url = f"http://127.0.0.1:{self.server.port}"
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
        self.client: Callable[[str], Any] = lambda service: boto3.client(service, endpoint_url=url, config=settings, **keys)
        self.dynamodb = self.client("dynamodb")
        self.states = self.client("stepfunctions")
        self._create_table()
        function = self._create_function()
        self.run_machine = self._create_machine("run", substituted(RUN, AdvanceRunArn=function))
        self.resume_machine = self._create_machine("resume", substituted(RESUME, AdvanceRunArn=function, TableName=TABLE))
        # A table that does not exist is an error that no retrier and no catcher names.
        self.tableless_machine = self._create_machine("tableless", substituted(RESUME, AdvanceRunArn=function, TableName="no-such-table"))

    @property
    def advance(self) -> Advance:
        """The prescribed answers and the invocations of advance-run."""
        return self.stand_in.advance

    def close(self) -> None:
        """Stops the interpreter and the stand-in."""
        self.server.stop()
        self.stand_in.close()

    def _start(self, log: Path) -> None:
        raise NotImplementedError

    def _create_function(self) -> str:
        raise NotImplementedError

    def _create_machine(self, name: str, definition: dict[str, Any]) -> str:
        created = self.states.create_state_machine(name=name, definition=json.dumps(with_short_waits(definition)), roleArn=ROLE)
        return created["stateMachineArn"]

    def _create_table(self) -> None:
        """Creates the part of the template's table that the machines use: the keys and the outbox."""
        self.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "outboxPk", "outboxSk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "outbox",
                    "KeySchema": [
                        {"AttributeName": "outboxPk", "KeyType": "HASH"},
                        {"AttributeName": "outboxSk", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )


class MiniStack(Interpreter):
    """MiniStack with the patches of the local stack."""

    name = "ministack"
    cannot: ClassVar[dict[str, str]] = {
        "throttled function": "MiniStack runs functions in process and never throttles one",
    }

    def _start(self, log: Path) -> None:
        self.stand_in = StandIn()
        port = free_port()
        patched = ROOT / "dev" / "ministack_patches"
        environment = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "SFN_WAIT_SCALE": "0.01",
        }
        self.server = Server(self.name, [sys.executable, str(patched)], port, environment, log)

    def _create_function(self) -> str:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr("index.py", FUNCTION_SOURCE)
        created = self.client("lambda").create_function(
            FunctionName="advance-run",
            Runtime=f"python3.{sys.version_info.minor}",
            Handler="index.handler",
            Role=ROLE,
            Timeout=30,
            Code={"ZipFile": archive.getvalue()},
            Environment={"Variables": {"STAND_IN": f"http://127.0.0.1:{self.stand_in.port}"}},
        )
        return created["FunctionArn"]


class Moto(Interpreter):
    """The server of moto."""

    name = "moto"
    cannot: ClassVar[dict[str, str]] = {
        "stop while parked": "moto answers StopExecution, but a parked execution stays RUNNING until its task token is sent",
    }

    def _start(self, log: Path) -> None:
        port = free_port()
        self.stand_in = StandIn(forwards_to=port)
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        # The tasks of moto find AWS at MOTO_PORT.
        self.server = Server(self.name, command, port, {"MOTO_PORT": str(self.stand_in.port)}, log)
        self._post("/moto-api/config", b'{"stepfunctions": {"execute_state_machine": true}}')

    def _post(self, path: str, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(f"http://127.0.0.1:{self.server.port}{path}", body, headers)):
            pass

    def _create_function(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:advance-run"
