"""The beginning of an execution.

AWS: the first state is entered as soon as StartExecution is accepted, within milliseconds.
MiniStack: every execution begins with a sleep of 150 ms.
Patched: the sleep is struck out of the function's source; everything else stays as it is written there.
"""

from ministack.services import stepfunctions

from .target import Function, source

MODULE, NAME = "ministack.services.stepfunctions", "_run_execution"
TARGETS = (Function(MODULE, NAME, "996dff84e0e0605a"),)
SLEEP = "    time.sleep(0.15)\n"


def apply() -> None:
    """Replaces `_run_execution` by itself without the sleep."""
    text = source(MODULE, NAME)
    if text.count(SLEEP) != 1:
        raise AssertionError(f"{MODULE}.{NAME} was verified, so it holds the sleep once")
    exec(compile(text.replace(SLEEP, ""), f"{stepfunctions.__file__} (patched)", "exec"), vars(stepfunctions))  # noqa: S102
