"""Every sample event is given to its function by `make test`: none lies in events/ unread."""

from samples import EVENTS, STORY


def test_the_story_tells_every_sample_once():
    told = [step.sample for step in STORY]
    assert sorted(told) == sorted(str(path.relative_to(EVENTS).with_suffix("")) for path in EVENTS.glob("*/*.json"))
