"""What a function writes to its standard output and standard error.

AWS: all of it reaches the function's log stream, whenever it is written; the answer to an invocation never waits for it.
MiniStack: waits up to 50 ms after every invocation for a first line, and our functions write nothing when all is well. A line that
comes later is taken for a line of the next invocation, and is lost if there is none.
Patched: what was written before the answer is still in the pipe when the answer arrives, so it is read from there without waiting. A
line that comes later is written to a log stream of the function's environment, and to MiniStack's own log.
"""

import codecs
import contextvars
import os
import queue
import select
import threading
import time
from contextlib import suppress
from typing import Any, BinaryIO

from ministack.core import lambda_runtime
from ministack.core.responses import new_uuid
from ministack.services import cloudwatch_logs, lambda_svc

from .target import Function

MODULE = "ministack.core.lambda_runtime"
LOGS = "ministack.services.cloudwatch_logs"
TARGETS = (
    Function(MODULE, "ProvidedWorker._pump_output", "0ee89e67e92686b1"),
    Function(MODULE, "ProvidedWorker.invoke", "00d96a1a25c6146a"),
    Function(MODULE, "ProvidedWorker._spawn", "f34380f97fd03e7d"),
    Function(MODULE, "Worker._drain_stderr", "71498e9146cabc37"),
    Function(MODULE, "Worker._drain_stderr_bounded", "3fd7cc742872e604"),
    Function(LOGS, "_create_log_group", "ce6fd1931ae9eb64"),
    Function(LOGS, "_create_log_stream", "99fc231b967774aa"),
    Function(LOGS, "_put_log_events", "acd4fda33a3857d7"),
)
CHUNK_BYTES = 64 * 1024
# How long after a line it is checked whether an invocation has taken it.
LATE_SECONDS = 0.05


class Output:
    """The output of one execution environment, from its pipe to the queue of lines that MiniStack drains."""

    def __init__(self, worker: Any, pipe: BinaryIO, lines: "queue.Queue[str]") -> None:
        self._worker = worker
        self._pipe = pipe
        self._lines = lines
        self._lock = threading.Lock()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._is_open = True
        self._is_watched = False
        self._stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[$LATEST]{new_uuid().replace('-', '')}"
        os.set_blocking(pipe.fileno(), False)

    def pump(self) -> None:
        """Reads until every process has closed the pipe."""
        waiting = select.poll()
        waiting.register(self._pipe.fileno(), select.POLLIN)
        while self._is_open:
            waiting.poll()
            if self.take():
                self._watch_for_late_lines()
        self._pipe.close()

    def take(self) -> bool:
        """Moves what is in the pipe into the queue, without waiting. Returns whether it was a line at least."""
        with self._lock:
            text = self._rest
            try:
                while self._is_open:
                    chunk = os.read(self._pipe.fileno(), CHUNK_BYTES)
                    text += self._decoder.decode(chunk, final=not chunk)
                    self._is_open = bool(chunk)
            except BlockingIOError:
                pass  # the pipe is empty
            *lines, self._rest = text.split("\n")
            if not self._is_open and self._rest:
                lines.append(self._rest)
                self._rest = ""
            for line in lines:
                self._put(line.rstrip("\r"))
            return bool(lines)

    def _put(self, line: str) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            # As in MiniStack, the oldest line goes. Only this method adds lines, and only under the lock.
            with suppress(queue.Empty):
                self._lines.get_nowait()
            self._lines.put_nowait(line)

    def _watch_for_late_lines(self) -> None:
        with self._lock:
            if self._is_watched:
                return
            self._is_watched = True
        watch = threading.Timer(LATE_SECONDS, self._log_late_lines)
        watch.daemon = True
        watch.start()

    def _log_late_lines(self) -> None:
        # MiniStack holds this lock during an invocation, which takes the lines itself when it ends.
        with self._worker._lock:
            with self._lock:
                self._is_watched = False
            late = []
            while not self._lines.empty():
                late.append(self._lines.get_nowait())
        if late:
            contextvars.copy_context().run(log_late_lines, self._worker.config, self._stream, late)


def log_late_lines(config: dict[str, Any], stream: str, lines: list[str]) -> None:
    """Writes lines to the log group of the function with this configuration, and to MiniStack's log."""
    account, region = lambda_runtime._account_region_from_function_config(config)
    lambda_svc._request_account_id.set(account)
    lambda_svc._request_region.set(region)
    name = config.get("FunctionName", "unknown")
    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
    lambda_svc.logger.info("Lambda %s output after its invocation:\n%s", name, "\n".join(lines))
    # Both answer that it exists already when it does.
    cloudwatch_logs._create_log_group({"logGroupName": group})
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines]
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})


def apply() -> None:
    """Replaces how `ProvidedWorker` reads and drains the output of its process."""

    def pump_output(worker: Any, pipe: BinaryIO, lines: "queue.Queue[str]") -> None:
        output = Output(worker, pipe, lines)
        if worker._stderr_queue is lines:  # otherwise this environment has been replaced already
            worker.output = output
        output.pump()

    def drain_without_waiting(worker: Any, *_args: float, **_kwargs: float) -> str:
        output = getattr(worker, "output", None)
        if output is not None:
            output.take()
        drained: str = worker._drain_stderr()
        return drained

    lambda_runtime.ProvidedWorker._pump_output = pump_output
    lambda_runtime.ProvidedWorker._drain_stderr_bounded = drain_without_waiting
