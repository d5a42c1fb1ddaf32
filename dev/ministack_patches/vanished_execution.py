"""An execution that is gone without a word.

AWS: an execution may be stopped while the event that says so is lost, and its task token is refused from then on.
MiniStack: emits the event every time, and accepts the token of an execution that was stopped.
Patched: only if STACK_REDELIVERY is set when the stack starts. StopExecution with the error `Chaos.Vanished` and a task token as its cause
stops the execution without an event, and the token does not exist any more. `make chaos` calls it.
"""

import os
from typing import Any

from ministack.services import stepfunctions

from .redelivery import VARIABLE
from .target import Function

MODULE = "ministack.services.stepfunctions"
TARGETS = (
    Function(MODULE, "_stop_execution", "44d2d84ccd5c9702"),
    Function(MODULE, "_send_task_success", "12eff48bce57f5ab"),
    Function(MODULE, "_run_execution", "996dff84e0e0605a"),
)
ERROR = "Chaos.Vanished"


def apply() -> None:
    """Replaces `_stop_execution` if the environment asks for it."""
    if not os.environ.get(VARIABLE):
        return
    stop_execution = stepfunctions._stop_execution

    def stopped(data: dict[str, Any]) -> Any:
        execution = stepfunctions._executions.get(data.get("executionArn"))
        if data.get("error") != ERROR or execution is None or execution["status"] != "RUNNING":
            return stop_execution(data)
        execution["status"] = "ABORTED"
        execution["stopDate"] = stepfunctions.now_iso()
        stepfunctions._task_tokens.pop(data.get("cause"), None)
        return stepfunctions.json_response({"stopDate": execution["stopDate"]})

    stepfunctions._stop_execution = stopped
