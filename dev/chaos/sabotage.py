"""Proves that the accounting notices what it is there for: the records of a run are spoilt in one place, and each time it must say so.

An accounting that finds nothing proves nothing until it has been seen to find something, on records as large and as tangled as these.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from .accounting import Account, Records, account

Finding = Callable[[Account], list[str]]


def unnoticed(records: Records, seed: int) -> list[str]:
    """Spoils the records in every way in turn. Returns the ways that the accounting did not notice, or could not be tried."""
    chance = random.Random(seed)  # noqa: S311 (a repeatable choice, no secret)
    before = account(records)
    missed = []
    for name, (spoil, finding) in WAYS.items():
        spoilt = spoil(records, chance)
        if spoilt is None:
            missed.append(f"{name}: there is nothing to spoil")
        elif len(finding(account(spoilt))) <= len(finding(before)):
            missed.append(f"{name}: the accounting did not notice")
    return missed


def _lose_an_effect(records: Records, chance: random.Random) -> Records | None:
    """Removes every request of one step of a run that succeeded."""
    steps = _finished_steps(records)
    if not steps:
        return None
    run, node = chance.choice(steps)
    return replace(records, sent=tuple(sent for sent in records.sent if (sent.run, sent.node) != (run, node)))


def _double_an_effect(records: Records, chance: random.Random) -> Records | None:
    """Adds a request of a step under another key."""
    if not records.sent:
        return None
    sent = chance.choice(records.sent)
    return replace(records, sent=(*records.sent, replace(sent, key=f"{sent.key}-again", done=True)))


def _alter_an_effect(records: Records, chance: random.Random) -> Records | None:
    """Changes one byte of one request."""
    steps = _finished_steps(records)
    places = [at for at, sent in enumerate(records.sent) if sent.body and (sent.run, sent.node) in steps]
    if not places:
        return None
    at = chance.choice(places)
    sent = records.sent[at]
    place = chance.randrange(len(sent.body))
    body = sent.body[:place] + bytes([sent.body[place] ^ 1]) + sent.body[place + 1 :]
    return replace(records, sent=(*records.sent[:at], replace(sent, body=body), *records.sent[at + 1 :]))


def _stop_a_run(records: Records, chance: random.Random) -> Records | None:
    """Lets one run never end."""
    ended = [at for at, run in enumerate(records.runs) if run.status == "succeeded"]
    if not ended:
        return None
    at = chance.choice(ended)
    stuck = replace(records.runs[at], status="running")
    return replace(records, runs=(*records.runs[:at], stuck, *records.runs[at + 1 :]))


def _lose_an_event(records: Records, chance: random.Random) -> Records | None:
    """Removes every delivery of one event."""
    ids = sorted({event.id for event in records.events if event.run in {run.id for run in records.runs if run.status == "succeeded"}})
    if not ids:
        return None
    lost = chance.choice(ids)
    return replace(records, events=tuple(event for event in records.events if event.id != lost))


def _finished_steps(records: Records) -> list[tuple[str, str]]:
    return [(run.id, node) for run in records.runs if run.status == "succeeded" for node in run.expected]


WAYS: dict[str, tuple[Callable[[Records, random.Random], Records | None], Finding]] = {
    "an effect is lost": (_lose_an_effect, lambda found: found.lost),
    "an effect is doubled": (_double_an_effect, lambda found: found.doubled),
    "an effect is altered": (_alter_an_effect, lambda found: found.wrong),
    "a run is stuck": (_stop_a_run, lambda found: found.stuck),
    "an event is lost": (_lose_an_event, lambda found: found.lost),
}
