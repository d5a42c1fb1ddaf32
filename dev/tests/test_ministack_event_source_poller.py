"""A wake of the poller that finds nothing does not hold up what comes next."""

import threading

import pytest
from ministack.services import lambda_svc

from ministack_patches import event_source_poller


class Stop(Exception):
    """Ends the poller's endless loop."""


def test_an_empty_wake_is_followed_by_a_short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        raise Stop

    monkeypatch.setattr(lambda_svc, "_ESM_IDLE_WAKE_GAP_SECONDS", lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS)
    monkeypatch.setattr(lambda_svc.time, "sleep", sleep)
    woken = threading.Event()
    monkeypatch.setattr(lambda_svc, "_esm_wake", woken)

    def nothing() -> bool:
        woken.set()
        return False

    for poll in ("_poll_sqs", "_poll_kinesis", "_poll_dynamodb_streams"):
        monkeypatch.setattr(lambda_svc, poll, nothing)
    event_source_poller.apply()
    with pytest.raises(Stop):
        lambda_svc._poll_loop()
    assert slept == [event_source_poller.GAP_SECONDS]
