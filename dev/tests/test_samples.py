"""Every sample event is given to its function by `make test`: none lies in events/ unread."""

import pytest
from samples import DONE, ENDING, EVENTS, STORY, Wrong, steps, success


def test_every_sample_has_its_turn_once():
    told = [step.sample for step in steps()]
    assert sorted(told) == sorted(str(path.relative_to(EVENTS).with_suffix("")) for path in EVENTS.glob("*/*.json"))


def test_a_sample_that_is_not_listed_comes_after_what_it_needs_and_succeeds_as_documented():
    told = steps()
    others = told[len(STORY) : -len(ENDING)]
    assert (told[: len(STORY)], told[-len(ENDING) :]) == ([*STORY], [*ENDING])
    statuses = {step.sample: step.status for step in others}
    assert statuses["list-flows/second-page"] == 200 and statuses["tick-cron/tick"] is DONE


def test_a_route_with_two_statuses_of_success_must_be_listed():
    documented = {"/api/service-connections": {"post": {"responses": {"200": {}, "201": {}, "400": {}}}}}
    with pytest.raises(Wrong, match="say in STORY"):
        success("put-connection/with-a-key", documented)
