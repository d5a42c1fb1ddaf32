"""How long a call and an approved run take on the local stack, and what a run costs in processor time.

The times of a run are those that the run records itself, so a client's polling does not count. A run is approved once it is parked,
that is, once Step Functions waits for its task token.
"""

import http.client
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from stack.demo import TICKET
from stack.http_client import call
from stack.processes import State
from stack.settings import Settings

from . import canonical
from .runs import PATIENCE, Runs

CALLS, RUNS, EVENTS, CLIENTS, RUNS_AT_ONCE = 300, 40, 15, 32, 96
WARM_UP_CALLS, WARM_UP_RUNS = 50, 8
POLL_SECONDS = 0.03
SLUG = "latency"
EVENTS_PATH = "/latency-events"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class RunTimes:
    """The times of one approved run, in milliseconds."""

    first_node: float  # from the creation of the run to the start of its first node
    next_node: float  # from the recorded decision to the start of the node after it
    without_reviewer: float  # from the creation to the gate, and from the decision to the end
    effect: float  # from the approving call, as the client sends it, to the arrival of the request at the called system


@dataclass(frozen=True)
class CpuTime:
    """The processor time that the emulator and the functions have used, in seconds."""

    emulator: float
    functions: float

    def since(self, before: "CpuTime") -> "CpuTime":
        """Returns the difference to an earlier reading."""
        return CpuTime(self.emulator - before.emulator, self.functions - before.functions)


def report(settings: Settings, env: dict[str, str]) -> list[str]:
    """Measures on a running stack, and returns the lines of the report."""
    runs = Runs(settings, env)
    runs.create(SLUG, canonical.draft_approve_execute())
    approved = ApprovedRuns(settings, env, runs)
    for _ in range(WARM_UP_RUNS):
        run = approved.run()
    calls = call_times(env, f"/api/runs/{run}")
    before = cpu_time(settings)
    times = [approved.times(approved.run()) for _ in range(RUNS)]
    used = cpu_time(settings).since(before)
    together, used_together = at_once(settings, approved)
    events = event_times(settings, approved, runs)
    rows = [
        row("a GET of a run, as a client sees it", calls),
        row("run created → first node begins", [each.first_node for each in times]),
        row("decision recorded → next node begins", [each.next_node for each in times]),
        row("the canonical run, without the reviewer", [each.without_reviewer for each in times]),
        row("approve is sent → the effect arrives", [each.effect for each in times]),
        row("the run has ended → its event arrives at a webhook", events),
    ]
    return [
        f"Debug binaries, warm. {CALLS} calls on one connection; {RUNS} runs of draft, approve, execute, one at a time; then",
        f"{RUNS_AT_ONCE} runs by {CLIENTS} clients at once; then {EVENTS} runs with a webhook. Processor time is that of the whole emulator and of all functions, and",
        "includes what the events of a run, the polling for its state and its approval cost.",
        "",
        "| milliseconds | p50 | p99 |",
        "|---|---:|---:|",
        *rows,
        "",
        "| | processor time of a run, functions | emulator | runs a second |",
        "|---|---:|---:|---:|",
        cpu_row("one at a time", used, RUNS),
        cpu_row(f"{CLIENTS} clients at once", used_together, RUNS_AT_ONCE, f"{RUNS_AT_ONCE / together:.1f}"),
    ]


class ApprovedRuns:
    """Runs the flow of three nodes, one run after the other."""

    def __init__(self, settings: Settings, env: dict[str, str], runs: Runs) -> None:
        self._runs = runs
        self._echo = settings.echo_url
        self._key = env["QE_API_KEY"]
        self.approved_at: dict[str, float] = {}

    def run(self, poll: float = POLL_SECONDS) -> str:
        """Starts a run, approves it once it is parked, and returns its id once it has succeeded."""
        run: str = self._runs.api("POST", f"/api/flows/{SLUG}/execute", TICKET)["data"]["run"]["id"]
        self._wait(run, lambda row: "token" in row and row["status"]["S"] == "awaiting_approval", poll)
        self.approved_at[run] = time.time()
        self._runs.api("POST", f"/api/runs/{run}/approve", {"note": "bench"})
        self._wait(run, lambda row: row["status"]["S"] == "succeeded", poll)
        return run

    def _wait(self, run: str, reached: Callable[[dict[str, Any]], bool], poll: float) -> None:
        deadline = time.monotonic() + PATIENCE
        while not reached(row := self._runs.row(run)):
            if row["status"]["S"] in ("failed", "cancelled") or time.monotonic() > deadline:
                raise TimeoutError(f"the run {run} is {row['status']['S']}; see ministack.log")
            time.sleep(poll)

    def times(self, run: str) -> RunTimes:
        """Returns the times of a finished run, from its record and from the echo service's."""
        record = self._runs.api("GET", f"/api/runs/{run}")["data"]["run"]
        created, finished = at(record["startedAt"]), at(record["finishedAt"])
        draft, gate, refund = record["steps"]
        decided = at(gate["decision"]["decidedAt"])
        _status, arrived = call("GET", f"{self._echo}/_requests?idempotencyKey={quote(refund['idempotencyKey'], safe='')}")
        return RunTimes(
            first_node=at(draft["startedAt"]) - created,
            next_node=at(refund["startedAt"]) - decided,
            without_reviewer=at(gate["startedAt"]) - created + finished - decided,
            effect=at(arrived[0]["receivedAt"]) - self.approved_at[run] * 1000,
        )


def at_once(settings: Settings, approved: ApprovedRuns) -> tuple[float, CpuTime]:
    """Runs the flow by many clients at once. Returns the seconds that it took and the processor time that was used."""
    before, began = cpu_time(settings), time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as clients:
        for done in [clients.submit(approved.run, 0.1) for _ in range(RUNS_AT_ONCE)]:
            done.result()
    return time.monotonic() - began, cpu_time(settings).since(before)


def event_times(settings: Settings, approved: ApprovedRuns, runs: Runs) -> list[float]:
    """Returns how long the event of each of some runs took from the end of its run to a webhook, in milliseconds."""
    runs.api("POST", "/api/webhooks", {"url": f"{settings.echo_url}{EVENTS_PATH}", "events": ["flow.run.succeeded"]})
    taken = []
    for run in [approved.run() for _ in range(EVENTS + 1)]:
        finished = at(runs.api("GET", f"/api/runs/{run}")["data"]["run"]["finishedAt"])
        taken.append(event_arrival(settings, run) - finished)
    return taken[1:]  # the first one's delivery was a cold start


def event_arrival(settings: Settings, run: str) -> float:
    """Waits for the event of a run, and returns when it arrived, in milliseconds since 1970."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        _status, requests = call("GET", f"{settings.echo_url}/_requests?path={EVENTS_PATH}")
        for request in requests:
            if request["body"]["data"]["runId"] == run:
                return at(request["receivedAt"])
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"the event of the run {run} did not arrive; see ministack.log")


def call_times(env: dict[str, str], path: str) -> list[float]:
    """Returns how long each of many GETs took on one connection, in milliseconds."""
    base = urlsplit(env["QE_BASE_URL"])
    connection = http.client.HTTPConnection(base.netloc, timeout=30)
    taken = []
    for _ in range(WARM_UP_CALLS + CALLS):
        began = time.perf_counter()
        connection.request("GET", f"{base.path}{path}", headers={"Authorization": f"Bearer {env['QE_API_KEY']}"})
        answer = connection.getresponse()
        answer.read()
        taken.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise ConnectionError(f"GET {path} answered {answer.status}")
    connection.close()
    return taken[WARM_UP_CALLS:]


def at(text: str) -> float:
    """Returns a time of the API in milliseconds since 1970."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


def cpu_time(settings: Settings) -> CpuTime:
    """Reads what the emulator and the functions, which are its children, have used so far, ended functions included."""
    known = State(settings.dev_dir).load()
    emulator = next(process.pid for process in known["processes"] if process.name == "ministack") if known else 0
    own, functions = 0.0, 0.0
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        # After the command: state, parent, group …; 11 and 12 are the time in user and in system mode, 13 and 14 the ended children's.
        if pid == emulator:
            own = sum(map(int, fields[11:13])) / TICKS_PER_SECOND
            functions += sum(map(int, fields[13:15])) / TICKS_PER_SECOND
        elif fields[2] == str(emulator):
            functions += sum(map(int, fields[11:15])) / TICKS_PER_SECOND
    return CpuTime(own, functions)


def row(name: str, values: Sequence[float]) -> str:
    """Returns a row of the table with the median and the 99th percentile."""
    return f"| {name} | {statistics.median(values):.1f} | {percentile(values, 99):.1f} |"


def percentile(values: Iterable[float], percent: int) -> float:
    """Returns the smallest value that at least `percent` percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def cpu_row(name: str, used: CpuTime, runs: int, rate: str = "") -> str:
    """Returns a row with the processor time of one run in milliseconds."""
    return f"| {name} | {used.functions * 1000 / runs:.0f} ms | {used.emulator * 1000 / runs:.0f} ms | {rate} |"
