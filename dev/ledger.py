"""A ledger of what the runs on the local stack cost: each AWS call, invocation and state entry is one JSON object on a line.

`dev/ministack_patches` attaches it when STACK_LEDGER names a file. The capacity is the one that the engine answers: where a request does not ask
for `ReturnConsumedCapacity`, the ledger adds it to the request. The lines:

    {"kind": "dynamodb", "op": "PutItem", "by": "runs-local-advance-run", "read": 0, "write": 1.0, "refused": false}
    {"kind": "s3", "op": "PutObject", "by": "…", "status": 200}
    {"kind": "lambda", "function": "…", "memory": 512, "ms": 12.3, "cold": false, "error": false}
    {"kind": "state", "machine": "…", "execution": "…", "state": "Park"}      also for each retry of a task

`by` is the function that called, "states" for an integration of Step Functions, otherwise the last part of the caller's user
agent. Calls with the user agent UNRECORDED, with which the benchmark looks whether a run has ended, are not recorded.
"""

import functools
import json
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

UNRECORDED = "app/bench-looks"
READS = {"GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems"}
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
APP = re.compile(r"(?:^|\s)app/(\S+)")
S3_VERBS = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject", "POST": "PostObject"}


class Ledger:
    """A file of JSON lines that several threads append to."""

    def __init__(self, file: str | Path) -> None:
        """Opens the file to append to it."""
        self._file = Path(file).open("a", encoding="utf-8")  # noqa: SIM115 (it stays open as long as the process runs)
        self._lock = threading.Lock()

    def note(self, kind: str, **values: Any) -> None:
        """Appends one line and flushes it."""
        line = json.dumps({"kind": kind, **values})
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()


def attach(
    file: str | Path, *, dynamodb: ModuleType, s3: ModuleType, stepfunctions: ModuleType, lambda_svc: Any, lambda_runtime: Any
) -> Ledger:
    """Records from now on what these modules of MiniStack do."""
    ledger = Ledger(file)
    _meter_dynamodb(ledger, dynamodb)
    _meter_optimized_integration(ledger, stepfunctions)
    _meter_s3(ledger, s3)
    _meter_states(ledger, stepfunctions)
    _meter_lambda(ledger, lambda_runtime.ProvidedWorker)
    tell_functions_their_names(lambda_svc)
    return ledger


def caller(headers: Mapping[str, str]) -> str:
    """Returns who makes a request, by its user agent; a request without one comes from Step Functions."""
    agent = _agent(headers)
    named = APP.search(agent)
    return named[1] if named else agent.split(" ")[0] or "states"


def _agent(headers: Mapping[str, str]) -> str:
    """Returns the user agent; the Rust SDK names the application in a header of its own."""
    return headers.get("x-amz-user-agent") or headers.get("user-agent", "")


def units(operation: str, answer: Mapping[str, Any]) -> tuple[float, float]:
    """Returns the read units and the write units of an answer's ConsumedCapacity, indexes and transactions included."""
    consumed = answer.get("ConsumedCapacity") or []
    total = sum(each.get("CapacityUnits", 0.0) for each in (consumed if isinstance(consumed, list) else [consumed]))
    return (total, 0.0) if operation in READS else (0.0, total)


def _meter_dynamodb(ledger: Ledger, dynamodb: Any) -> None:
    handle = dynamodb.handle_request

    @functools.wraps(handle)
    async def metered(method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation not in READS | WRITES or UNRECORDED in _agent(headers):
            return await handle(method, path, headers, body, query_params)
        status, answer_headers, answer = await handle(method, path, headers, _asking(body), query_params)
        _note_dynamodb(ledger, operation, caller(headers), status, answer)
        return status, answer_headers, answer

    dynamodb.handle_request = metered


def _meter_optimized_integration(ledger: Ledger, stepfunctions: Any) -> None:
    """Records `arn:aws:states:::dynamodb:updateItem` and the like, which do not pass through `handle_request`."""
    invoke = stepfunctions._invoke_dynamodb

    def metered(operation: str, parameters: dict[str, Any]) -> Any:
        pascal = operation[:1].upper() + operation[1:]
        try:
            answer = invoke(operation, {"ReturnConsumedCapacity": "TOTAL", **parameters})
        except Exception:
            _note_dynamodb(ledger, pascal, "states", 400, "{}")
            raise
        _note_dynamodb(ledger, pascal, "states", 200, json.dumps(answer))
        return answer

    stepfunctions._invoke_dynamodb = metered


def _asking(body: bytes) -> bytes:
    try:
        request = json.loads(body)
    except ValueError:
        return body
    if request.get("ReturnConsumedCapacity", "NONE") == "NONE":
        request["ReturnConsumedCapacity"] = "TOTAL"
    return json.dumps(request).encode("utf-8")


def _note_dynamodb(ledger: Ledger, operation: str, by: str, status: int, answer: str | bytes) -> None:
    try:
        parsed = json.loads(answer)
    except ValueError:
        parsed = {}
    read, write = units(operation, parsed)
    # AWS bills a refused write as well, and no answer says how much: it is counted separately instead of guessed.
    ledger.note("dynamodb", op=operation, by=by, read=read, write=write, refused=status >= 400)


def _meter_s3(ledger: Ledger, s3: Any) -> None:
    handle = s3.handle_request

    @functools.wraps(handle)
    async def metered(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        answer = await handle(method, path, headers, body, query_params, *args, **kwargs)
        if UNRECORDED not in _agent(headers):
            operation = "CopyObject" if "x-amz-copy-source" in headers else S3_VERBS.get(method, method)
            ledger.note("s3", op=operation, by=caller(headers), status=answer[0])
        return answer

    s3.handle_request = metered


def _meter_states(ledger: Ledger, stepfunctions: Any) -> None:
    add_event = stepfunctions._add_event
    scheduled = threading.local()

    def metered(execution: Mapping[str, Any], event_type: str, details: Any = None) -> Any:
        machine = execution["stateMachineArn"].rpartition(":")[2]
        if event_type.endswith("StateEntered"):
            scheduled.state, scheduled.count = details["stateEnteredEventDetails"]["name"], 0
            ledger.note("state", machine=machine, execution=execution["name"], state=scheduled.state)
        elif event_type == "TaskScheduled":
            # A retry is a transition of its own and is billed as one.
            if getattr(scheduled, "count", 0):
                ledger.note("state", machine=machine, execution=execution["name"], state=f"{scheduled.state} (retry)")
            scheduled.count = getattr(scheduled, "count", 0) + 1
        return add_event(execution, event_type, details)

    stepfunctions._add_event = metered


def _meter_lambda(ledger: Ledger, worker: Any) -> None:
    """Records each invocation with the time from the event to the function's answer.

    The time that MiniStack spends around that, such as 50 ms of waiting for log lines, does not belong to the function, and neither
    do the 40 ms for which Nagle's algorithm delays the bytes of the event.
    """
    invoke, record_result, build_handler_class = worker.invoke, worker._record_result, worker._build_handler_class

    @functools.wraps(invoke)
    def metered(self: Any, *args: Any, **kwargs: Any) -> Any:
        began, self.answered_at = time.perf_counter(), None
        answer = invoke(self, *args, **kwargs)
        ended = time.perf_counter() if self.answered_at is None else self.answered_at
        ledger.note(
            "lambda",
            function=self.func_name,
            memory=int(self.config.get("MemorySize", 128)),
            ms=(ended - began) * 1000,
            cold=bool(answer.get("cold_start")),
            error=answer.get("status") != "ok",
        )
        return answer

    def answered(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.answered_at = time.perf_counter()
        return record_result(self, *args, **kwargs)

    def without_nagle(self: Any, *args: Any, **kwargs: Any) -> Any:
        handler = build_handler_class(self, *args, **kwargs)
        handler.disable_nagle_algorithm = True
        return handler

    worker.invoke, worker._record_result, worker._build_handler_class = metered, answered, without_nagle


def tell_functions_their_names(lambda_svc: Any) -> None:
    """Makes each function put its name into the user agent of its SDK calls, so that a call can be attributed to it."""
    environment = lambda_svc._provided_worker_env

    def named(*args: Any, **kwargs: Any) -> dict[str, str]:
        variables = environment(*args, **kwargs)
        name = variables.get("AWS_LAMBDA_FUNCTION_NAME")
        return {**variables, "AWS_SDK_UA_APP_ID": name} if name else variables

    lambda_svc._provided_worker_env = named
