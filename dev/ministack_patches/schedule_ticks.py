"""The schedules of EventBridge rules and of EventBridge Scheduler.

AWS: a schedule fires within the second or the minute for which it is due.
MiniStack: checks every 10 seconds which schedules are due, so each fires up to 10 seconds late.
Patched: it checks every second, which costs microseconds.
"""

from ministack.services import eventbridge, scheduler

from .target import Constant, Function

TARGETS = (
    Function("ministack.services.eventbridge", "_scheduler_loop", "7795e8e084fff1b2"),
    Function("ministack.services.scheduler", "_ticker_loop", "51e1b1334023fb4a"),
    Constant("ministack.services.eventbridge", "_SCHEDULER_TICK_INTERVAL", 10),
    Constant("ministack.services.scheduler", "_SCHEDULE_TICK_INTERVAL", 10),
)
TICK_SECONDS = 1


def apply() -> None:
    """Replaces the intervals, which both loops read before each pause."""
    eventbridge._SCHEDULER_TICK_INTERVAL = TICK_SECONDS
    scheduler._SCHEDULE_TICK_INTERVAL = TICK_SECONDS
