"""Schedules are looked at every second."""

from types import ModuleType

import pytest
from ministack.services import eventbridge, scheduler

from ministack_patches import schedule_ticks


class Stop(BaseException):
    """Ends an endless loop, which holds every Exception."""


@pytest.mark.parametrize(
    ("module", "loop", "interval"),
    [(eventbridge, "_scheduler_loop", "_SCHEDULER_TICK_INTERVAL"), (scheduler, "_ticker_loop", "_SCHEDULE_TICK_INTERVAL")],
)
def test_both_loops_pause_for_a_second(monkeypatch: pytest.MonkeyPatch, module: ModuleType, loop: str, interval: str) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        raise Stop

    for each, name in ((eventbridge, "_SCHEDULER_TICK_INTERVAL"), (scheduler, "_SCHEDULE_TICK_INTERVAL")):
        monkeypatch.setattr(each, name, getattr(each, name))  # puts both back afterwards
    monkeypatch.setattr(module.time, "sleep", sleep)
    schedule_ticks.apply()
    with pytest.raises(Stop):
        getattr(module, loop)()
    assert slept == [getattr(module, interval)] == [1]
