"""What was lost, doubled, stuck or wrong: a pure function of what the service, the endpoint and the caller have recorded."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ENDED = ("succeeded", "failed", "cancelled")
EVENTS = ("flow.run.started", "flow.run.awaiting_approval", "flow.run.succeeded")
# How the error of a run begins whose function was killed at every attempt of one execution.
GIVEN_UP = "the execution that drove the run ended as FAILED"
EVENTS_WITHOUT_APPROVAL = (EVENTS[0], EVENTS[2])


@dataclass(frozen=True)
class Sent:
    """One request that reached the service."""

    run: str
    node: str
    key: str  # the Idempotency-Key
    body: bytes
    done: bool  # whether the service did its work
    answered: bool  # whether its whole answer was sent


@dataclass(frozen=True)
class EventSeen:
    """One request that reached the webhook endpoint."""

    run: str
    name: str
    id: str
    body: bytes
    signed: bool  # whether the signature is that of the body
    accepted: bool  # whether the endpoint answered 200


@dataclass(frozen=True)
class RunSeen:
    """How a run ended, and what its steps must have sent."""

    id: str
    status: str
    error: str = ""
    expected: Mapping[str, bytes] = field(default_factory=dict)  # the body of each step that calls the service
    events: tuple[str, ...] = EVENTS  # the events of the run if it succeeds


@dataclass(frozen=True)
class Records:
    """Everything that was recorded."""

    starts: Mapping[str, frozenset[str]]  # for each Idempotency-Key of a start, the runs that the answers named
    listed: frozenset[str]  # the runs that the list of the flow has
    runs: tuple[RunSeen, ...]
    sent: tuple[Sent, ...]
    events: tuple[EventSeen, ...]
    due: tuple[str, ...] = ()  # the due times that the schedule had
    ticked: tuple[str, ...] = ()  # the due time of each run that the schedule started


@dataclass
class Account:
    """The findings, each a sentence; empty if all is well."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)  # no finding: an execution has five attempts, and killing it five times ends the run
    effects: int = 0
    repeated: int = 0  # requests under a key that had been sent before, which is what the key is for

    @property
    def is_clean(self) -> bool:
        """Whether there is no finding."""
        return not (self.lost or self.doubled or self.stuck or self.wrong or self.failed)


def account(records: Records) -> Account:
    """Holds what was recorded against what must have happened."""
    found = Account()
    _starts(records, found)
    _effects(records, found)
    _events(records, found)
    _due_times(records, found)
    for run in records.runs:
        if run.status not in ENDED:
            found.stuck.append(f"{run.id} is still {run.status}")
        elif run.error.startswith(GIVEN_UP):
            found.given_up.append(f"{run.id}: {run.error}")
        elif run.status != "succeeded":
            found.failed.append(f"{run.id} is {run.status}: {run.error or 'it does not say why'}")
    return found


def _starts(records: Records, found: Account) -> None:
    started: set[str] = set()
    for key, runs in records.starts.items():
        started |= runs
        if not runs:
            found.lost.append(f"the start {key} was never accepted")
        if len(runs) > 1:
            found.doubled.append(f"the start {key} made the runs {', '.join(sorted(runs))}")
    found.lost += [f"{run} was accepted and is not in the list of runs" for run in sorted(started - records.listed)]
    found.doubled += [f"{run} is in the list of runs, and no start was answered with it" for run in sorted(records.listed - started)]


def _effects(records: Records, found: Account) -> None:
    by_step: dict[tuple[str, str], list[Sent]] = defaultdict(list)
    for sent in records.sent:
        by_step[sent.run, sent.node].append(sent)
    found.effects = len({sent.key for sent in records.sent if sent.done})
    found.repeated = len(records.sent) - len({sent.key for sent in records.sent})
    wanted = {(run.id, node): body for run in records.runs for node, body in run.expected.items()}
    succeeded = {run.id for run in records.runs if run.status == "succeeded"}
    for (run, node), body in wanted.items():
        sent_here = by_step.get((run, node), [])
        if run in succeeded and not any(sent.done for sent in sent_here):
            found.lost.append(f"{run} succeeded, and the service never did {node}")
        elif run in succeeded and not any(sent.answered for sent in sent_here):
            found.wrong.append(f"{run} succeeded, and {node} never had a whole answer")
        if any(sent.body != body for sent in sent_here):
            found.wrong.append(f"{run} sent other bytes for {node} than were decided")
    for (run, node), sent_here in by_step.items():
        keys = {sent.key for sent in sent_here}
        if "" in keys:
            found.wrong.append(f"{run} sent {node} without an Idempotency-Key")
        if len(keys) > 1:
            found.doubled.append(f"{run} sent {node} under {len(keys)} keys: {', '.join(sorted(keys))}")
        if (run, node) not in wanted:
            found.doubled.append(f"{run} sent {node}, which nobody had asked for")
        if len({sent.body for sent in sent_here}) > 1:
            found.wrong.append(f"{run} sent {node} with different bytes")
    _shared_keys(records.sent, found)


def _shared_keys(sent: Iterable[Sent], found: Account) -> None:
    steps: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for each in sent:
        steps[each.key].add((each.run, each.node))
    # The service would do only one of them.
    found.lost += [f"the key {key} is that of {len(of)} steps" for key, of in steps.items() if len(of) > 1]


def _events(records: Records, found: Account) -> None:
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    bodies: dict[str, set[bytes]] = defaultdict(set)
    accepted: set[tuple[str, str]] = set()
    for event in records.events:
        ids[event.run, event.name].add(event.id)
        bodies[event.id].add(event.body)
        if event.accepted:
            accepted.add((event.run, event.name))
        if not event.signed:
            found.wrong.append(f"the event {event.id} ({event.name}) of {event.run} has a wrong signature")
    for run in records.runs:
        if run.status == "succeeded":
            found.lost += [
                f"{run.id} succeeded, and its event {name} never arrived" for name in run.events if (run.id, name) not in accepted
            ]
    known = {run.id for run in records.runs}
    found.doubled += [f"{name} of {run} came, which nobody had started" for run, name in ids if run not in known]
    found.doubled += [f"{name} of {run} came as {len(of)} events" for (run, name), of in ids.items() if len(of) > 1]
    found.wrong += [f"the event {event} came with different bytes" for event, of in bodies.items() if len(of) > 1]


def _due_times(records: Records, found: Account) -> None:
    found.lost += [f"the due time {due} started no run" for due in records.due if due not in records.ticked]
    for due in sorted(set(records.ticked)):
        if (times := records.ticked.count(due)) > 1:
            found.doubled.append(f"the due time {due} started {times} runs")
        if due not in records.due:
            found.doubled.append(f"the schedule started a run for {due}, which was not due")
