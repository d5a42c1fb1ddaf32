"""`TimeoutSecondsPath` of a Task state.

AWS: the path names a positive integer in the state's input, and the task times out after that many seconds
(https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html). A path that leads elsewhere fails the execution with
`States.Runtime`, which no Retry and no Catch can hold.
MiniStack: ignores the field, so a parked run would never meet its deadline.
Patched: the path is resolved into `TimeoutSeconds`, which MiniStack honours.
"""

from typing import Any

from ministack.services import stepfunctions

from .target import Function

MODULE = "ministack.services.stepfunctions"
TARGETS = (
    Function(MODULE, "_execute_task", "53c818d247dba62c"),
    Function(MODULE, "_apply_input_path", "65be3f02951797de"),
    Function(MODULE, "_resolve_path_or_ctx", "39841ce14aefd1c1"),
)


def apply() -> None:
    """Replaces `_execute_task`."""
    execute_task = stepfunctions._execute_task

    def with_timeout(state: dict[str, Any], raw_input: Any, execution: dict[str, Any], context: dict[str, Any]) -> Any:
        path = state.get("TimeoutSecondsPath")
        if path is not None:
            effective = stepfunctions._apply_input_path(state, raw_input, context)
            state = {**state, "TimeoutSeconds": _positive_integer(path, stepfunctions._resolve_path_or_ctx(path, effective, context))}
        return execute_task(state, raw_input, execution, context)

    stepfunctions._execute_task = with_timeout


def _positive_integer(path: str, seconds: Any) -> int:
    # A bool is an int to Python, and not a number to Step Functions.
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 1:
        raise stepfunctions._ExecutionError(
            "States.Runtime", f"TimeoutSecondsPath '{path}' must lead to a positive integer, not to {seconds!r}"
        )
    return seconds
