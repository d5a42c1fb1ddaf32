"""`make test-samples` leaves out none of the sample events in events/."""

from typing import Any

import pytest

from samples import DONE, EVENTS, LAST_STEPS, STEPS_IN_ORDER, WrongAnswer, steps, success


def test_each_sample_is_one_step() -> None:
    samples = [step.sample for step in steps()]
    assert sorted(samples) == sorted(str(path.relative_to(EVENTS).with_suffix("")) for path in EVENTS.glob("*/*.json"))


def test_a_sample_that_is_not_listed_comes_after_those_that_it_needs_and_succeeds_as_documented() -> None:
    found = steps()
    others = found[len(STEPS_IN_ORDER) : -len(LAST_STEPS)]
    assert (found[: len(STEPS_IN_ORDER)], found[-len(LAST_STEPS) :]) == ([*STEPS_IN_ORDER], [*LAST_STEPS])
    statuses = {step.sample: step.status for step in others}
    assert statuses["list-flows/second-page"] == 200 and statuses["tick-cron/tick"] is DONE


def test_a_route_with_two_success_statuses_must_be_listed() -> None:
    documented: dict[str, Any] = {"/api/service-connections": {"post": {"responses": {"200": {}, "201": {}, "400": {}}}}}
    with pytest.raises(WrongAnswer, match="list the sample"):
        success("put-connection/with-a-key", documented)
