"""What happens to the functions and executions of the stack while the load is on: each fault is a thread that ends when it is told to."""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from stack.deploy import STACK, client
from stack.seed import require_env
from stack.settings import Settings

from .load import Caller, in_thread
from .options import Options

KILL_EVERY_SECONDS = 1.2
TICK_EVERY_SECONDS = 3.0
VANISH_EVERY_SECONDS = 5.0
SCHEDULED = ("tick-cron", "reconcile-runs", "repeat-deliveries")
DRIVER = "advance-run"
# The functions that are at work during the chaos: killing any other proves nothing.
KILLED = (
    *("execute-flow", "approve-run", "get-run"),
    *("publish-events", "deliver-webhook", "purge-outputs", "settle-run", *SCHEDULED),
)
# A message whose function was killed comes again after this time, which the template sets to minutes.
VISIBILITY_SECONDS = 10
REDELIVERED_SHARE = 0.3
VANISHED = "Chaos.Vanished"  # the patch vanished_execution.py knows it


class Faults:
    """Everything that fails besides what the site does."""

    def __init__(self, options: Options, settings: Settings, caller: Caller, clock_flow: str, control: Path) -> None:
        """`clock_flow` is the id of the scheduled flow, `control` the file that switches the redelivery of batches on."""
        self.done: Counter[str] = Counter()
        self.due: list[str] = []
        self.problems: list[str] = []
        self._options, self._settings, self._env, self._caller = options, settings, require_env(settings), caller
        self._clock_flow, self._control = clock_flow, control
        self._random = random.Random(options.seed + 1)  # noqa: S311 (a repeatable choice, no secret)
        self._troubled, self._ticking = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        # Making a client takes longer than a call, and clients may be shared by threads.
        self._aws = {name: client(settings, name) for name in ("dynamodb", "lambda", "sqs", "stepfunctions")}

    def begin(self) -> None:
        """Starts all faults that are on, and the ticks, which run one at a time if their fault is off."""
        queues = self._aws["sqs"]
        url = next(url for url in queues.list_queues()["QueueUrls"] if "Deliveries" in url and "DeadLetters" not in url)
        queues.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
        self._troubled.set()
        self._ticking.set()
        if self._options.has("redeliver"):
            self._control.with_suffix(".log").write_text("")
            self._control.write_text(json.dumps({"seed": self._options.seed, "share": REDELIVERED_SHARE}))
        self._loop(self._ticking, TICK_EVERY_SECONDS, self._tick)
        if self._options.has("kill"):
            self._loop(self._troubled, KILL_EVERY_SECONDS, self._kill)
        if self._options.has("vanish"):
            self._loop(self._troubled, VANISH_EVERY_SECONDS, self._vanish)

    def calm(self) -> None:
        """Ends the troubles. The ticks go on, one at a time: on AWS a schedule sends them."""
        self._troubled.clear()
        self._control.unlink(missing_ok=True)

    def end(self) -> None:
        """Ends the ticks too, and waits for what is under way."""
        self.calm()
        self._ticking.clear()
        for thread in self._threads:
            thread.join(30)
        log = self._control.with_suffix(".log")
        if self._options.has("redeliver"):
            self.done.update(f"delivered: {line}" for line in log.read_text().splitlines())

    def _loop(self, going: threading.Event, every: float, work: Callable[[], None]) -> None:
        def loop() -> None:
            while going.is_set():
                work()
                time.sleep(every)

        self._threads.append(in_thread(loop, self.problems))

    def _kill(self) -> None:
        """Kills one process of a function, every second time one of those that drive runs."""
        processes = function_processes(self._settings.endpoint)
        drivers = [process for process in processes if process[1] == f"{STACK}-{DRIVER}"]
        others = [process for process in processes if process[1].removeprefix(f"{STACK}-") in KILLED]
        candidates = drivers if drivers and self._random.random() < 0.5 else others
        if candidates:
            pid, name = self._random.choice(candidates)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.done[f"killed: {name.removeprefix(f'{STACK}-')}"] += 1

    def _tick(self) -> None:
        """Makes the scheduled flow due, and invokes the scheduled functions: each twice at once while there is trouble."""
        if self._troubled.is_set() and (not self.due or self._caller.last_due(self._clock_flow) == self.due[-1]):
            self._make_due()
        times = 2 if self._options.has("ticks") and self._troubled.is_set() else 1
        invoked = [in_thread(partial(self._invoke, name), self.problems) for name in SCHEDULED for _ in range(times)]
        for thread in invoked:
            thread.join()
        if times == 2:
            self.done["ticks that ran twice at once"] += len(SCHEDULED)

    def _invoke(self, name: str) -> None:
        # It may be killed on the way: the next tick is the retry.
        with suppress(ClientError):
            self._aws["lambda"].invoke(FunctionName=f"{STACK}-{name}", Payload=b"{}")

    def _make_due(self) -> None:
        """Sets the next due time of the scheduled flow to a minute in the past, each time a later one."""
        minute = datetime.now(timezone.utc).replace(second=0, microsecond=0) - timedelta(days=1) + timedelta(minutes=len(self.due))
        due = minute.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        table = self._aws["dynamodb"]
        key = {"pk": {"S": f"ORG#{self._env['QE_ORG']}#FLOW#{self._clock_flow}"}, "sk": {"S": "FLOW"}}
        item = table.get_item(TableName=self._env["TABLE_NAME"], Key=key, ConsistentRead=True)["Item"]
        rest = item["outboxSk"]["S"].partition("#")[2]
        table.update_item(
            TableName=self._env["TABLE_NAME"],
            Key=key,
            UpdateExpression="SET listRow.nextCronRunAt = :at, outboxSk = :sk",
            ExpressionAttributeValues={":at": {"S": due}, ":sk": {"S": f"{due}#{rest}"}},
        )
        self.due.append(due)

    def _vanish(self) -> None:
        """Makes the execution of one run that waits disappear, with its task token."""
        machines = self._aws["stepfunctions"]
        running = machines.list_executions(stateMachineArn=self._env["RESUME_STATE_MACHINE_ARN"], statusFilter="RUNNING")["executions"]
        if not running:
            return
        execution = self._random.choice(running)
        run = execution["name"].rpartition("-")[0]
        key = {"pk": {"S": f"RUN#{run}"}, "sk": {"S": "RUN"}}
        item: dict[str, Any] = self._aws["dynamodb"].get_item(TableName=self._env["TABLE_NAME"], Key=key, ConsistentRead=True)["Item"]
        if token := item.get("token", {}).get("S"):
            machines.stop_execution(executionArn=execution["executionArn"], error=VANISHED, cause=token)
            self.done["executions that vanished"] += 1


def function_processes(endpoint: str) -> list[tuple[int, str]]:
    """Returns the process id and the function name of every function process of the stack at this endpoint, by /proc."""
    wanted = f"AWS_ENDPOINT_URL={endpoint}".encode()
    mark = b"AWS_LAMBDA_FUNCTION_NAME="
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        name = next((variable.removeprefix(mark).decode() for variable in variables if variable.startswith(mark)), None)
        if name and wanted in variables:
            found.append((int(entry.name), name))
    return sorted(found)
