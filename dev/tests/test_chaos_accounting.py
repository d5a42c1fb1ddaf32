"""What the accounting of `make chaos` finds, and that it finds it also in records with thousands of entries."""

from dataclasses import replace

import pytest

from chaos.accounting import EVENTS, EVENTS_WITHOUT_APPROVAL, GIVEN_UP, EventSeen, Records, RunSeen, Sent, account
from chaos.sabotage import WAYS, unnoticed

NODES = ("charge", "notify", "settle")


def good(runs: int = 1, repeats: int = 0) -> Records:
    """Records of runs that all went well. Each request was sent so many times more under its key."""
    names = [f"run_{number}" for number in range(runs)]
    expected = {name: {node: f'{{"run":"{name}","node":"{node}"}}'.encode() for node in NODES} for name in names}
    sent = []
    for name in names:
        for node in NODES:
            request = Sent(name, node, f"{name}/{node}/1", expected[name][node], done=True, answered=True)
            sent += [replace(request, done=repeat % 2 == 0, answered=False) for repeat in range(repeats)] + [request]
    return Records(
        starts={f"start-{name}": frozenset({name}) for name in names},
        listed=frozenset(names),
        runs=tuple(RunSeen(name, "succeeded", "", expected[name]) for name in names),
        sent=tuple(sent),
        events=tuple(
            EventSeen(name, event, f"evt_{name}_{event}", b"{}", signed=True, accepted=True) for name in names for event in EVENTS
        ),
        due=("09:00", "09:01"),
        ticked=("09:00", "09:01"),
    )


def with_sent(records: Records, at: int, **changes: object) -> Records:
    changed = replace(records.sent[at], **changes)  # type: ignore[arg-type]  # the fields of Sent
    return replace(records, sent=(*records.sent[:at], changed, *records.sent[at + 1 :]))


def with_run(records: Records, status: str, error: str = "") -> Records:
    return replace(records, runs=(replace(records.runs[0], status=status, error=error), *records.runs[1:]))


def test_nothing_is_found_where_all_is_well() -> None:
    found = account(good(runs=3))
    assert found.is_clean
    assert (found.effects, found.repeated) == (9, 0)


def test_a_request_that_is_repeated_under_its_key_is_one_effect() -> None:
    found = account(good(runs=2, repeats=3))
    assert found.is_clean
    assert (found.effects, found.repeated) == (6, 18)


def test_an_effect_that_was_never_done_is_lost() -> None:
    records = good()
    assert account(replace(records, sent=records.sent[1:])).lost == ["run_0 succeeded, and the service never did charge"]
    assert account(with_sent(records, 0, done=False, answered=False)).lost == ["run_0 succeeded, and the service never did charge"]


def test_half_an_answer_does_not_count_as_one() -> None:
    assert account(with_sent(good(), 1, answered=False)).wrong == ["run_0 succeeded, and notify never had a whole answer"]


def test_an_effect_under_a_second_key_is_doubled() -> None:
    records = good()
    found = account(replace(records, sent=(*records.sent, replace(records.sent[0], key="another"))))
    assert found.doubled == ["run_0 sent charge under 2 keys: another, run_0/charge/1"]


def test_an_effect_that_nobody_asked_for_is_doubled() -> None:
    records = good()
    stray = Sent("run_9", "charge", "run_9/charge/1", b"{}", done=True, answered=True)
    assert account(replace(records, sent=(*records.sent, stray))).doubled == ["run_9 sent charge, which nobody had asked for"]


def test_two_steps_under_one_key_lose_one_of_them() -> None:
    assert account(with_sent(good(), 1, key="run_0/charge/1")).lost == ["the key run_0/charge/1 is that of 2 steps"]


def test_other_bytes_than_were_decided_are_wrong() -> None:
    assert account(with_sent(good(), 2, body=b"{}")).wrong == ["run_0 sent other bytes for settle than were decided"]


def test_the_bytes_of_every_repetition_count() -> None:
    found = account(with_sent(good(repeats=1), 0, body=b"{}"))
    assert "run_0 sent charge with different bytes" in found.wrong


def test_a_request_without_a_key_is_wrong() -> None:
    assert account(with_sent(good(), 0, key="")).wrong == ["run_0 sent charge without an Idempotency-Key"]


@pytest.mark.parametrize("status", ["running", "awaiting_approval"])
def test_a_run_that_does_not_end_is_stuck(status: str) -> None:
    found = account(with_run(good(), status))
    assert found.stuck == [f"run_0 is still {status}"]


def test_a_run_that_fails_is_reported_with_its_error_and_has_lost_nothing() -> None:
    records = with_run(good(), "failed", "too many attempts")
    found = account(replace(records, sent=records.sent[:1], events=()))
    assert found.failed == ["run_0 is failed: too many attempts"]
    assert not found.lost and not found.is_clean


def test_starts_are_held_against_the_list_of_runs() -> None:
    records = good(runs=2)
    assert account(replace(records, listed=frozenset({"run_0"}))).lost == ["run_1 was accepted and is not in the list of runs"]
    doubled = account(replace(records, listed=records.listed | {"run_7"})).doubled
    assert doubled == ["run_7 is in the list of runs, and no start was answered with it"]
    both = {"start": frozenset({"run_0", "run_1"})}
    assert account(replace(records, starts=both)).doubled == ["the start start made the runs run_0, run_1"]
    assert account(replace(records, starts={**records.starts, "late": frozenset()})).lost == ["the start late was never accepted"]


def test_an_event_that_was_never_accepted_is_lost() -> None:
    records = good()
    refused = (replace(records.events[0], accepted=False), *records.events[1:])
    expected = ["run_0 succeeded, and its event flow.run.started never arrived"]
    assert account(replace(records, events=refused)).lost == expected
    assert account(replace(records, events=records.events[1:])).lost == expected


def test_an_event_may_come_again_but_not_as_another_event_nor_with_other_bytes() -> None:
    records = good()
    first = records.events[0]
    assert account(replace(records, events=(*records.events, first))).is_clean
    other = replace(first, id="evt_other")
    assert account(replace(records, events=(*records.events, other))).doubled == ["flow.run.started of run_0 came as 2 events"]
    altered = account(replace(records, events=(*records.events, replace(first, body=b"[]"))))
    assert altered.wrong == [f"the event {first.id} came with different bytes"]
    unsigned = account(replace(records, events=(replace(first, signed=False), *records.events[1:])))
    assert unsigned.wrong == [f"the event {first.id} (flow.run.started) of run_0 has a wrong signature"]


def test_each_due_time_starts_one_run() -> None:
    records = good()
    assert account(replace(records, ticked=("09:00",))).lost == ["the due time 09:01 started no run"]
    assert account(replace(records, ticked=("09:00", "09:00", "09:01"))).doubled == ["the due time 09:00 started 2 runs"]
    assert account(replace(records, due=("09:00",))).doubled == ["the schedule started a run for 09:01, which was not due"]


@pytest.mark.parametrize("seed", range(50))
def test_every_way_to_spoil_the_records_is_noticed(seed: int) -> None:
    runs = seed % 8 * 6 + 1
    assert unnoticed(good(runs=runs, repeats=seed % 4), seed) == []


def test_an_accounting_that_notices_nothing_is_itself_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    blind = account(good())
    monkeypatch.setattr("chaos.sabotage.account", lambda _records: blind)
    assert unnoticed(good(), 1) == [f"{way}: the accounting did not notice" for way in WAYS]


def test_records_with_nothing_to_spoil_prove_nothing() -> None:
    empty = Records({}, frozenset(), (), (), ())
    assert unnoticed(empty, 1) == [f"{way}: there is nothing to spoil" for way in WAYS]


def test_an_event_of_a_run_that_nobody_started_is_doubled() -> None:
    records = good()
    stray = replace(records.events[0], run="run_9", id="evt_9")
    assert account(replace(records, events=(*records.events, stray))).doubled == [
        "flow.run.started of run_9 came, which nobody had started"
    ]


def test_a_run_without_an_approval_has_no_event_of_one() -> None:
    records = good()
    quiet = replace(records.runs[0], events=EVENTS_WITHOUT_APPROVAL)
    events = tuple(event for event in records.events if event.name in EVENTS_WITHOUT_APPROVAL)
    assert account(replace(records, runs=(quiet,), events=events)).is_clean


def test_a_run_whose_execution_was_killed_at_every_attempt_is_given_up_and_not_stuck() -> None:
    records = with_run(good(), "failed", f"{GIVEN_UP}: Runtime.ExitError")
    found = account(replace(records, sent=(), events=()))
    assert found.given_up == [f"run_0: {GIVEN_UP}: Runtime.ExitError"]
    assert found.is_clean
    assert account(replace(records, sent=(*records.sent, replace(records.sent[0], key="another")))).doubled
