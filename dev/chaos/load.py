"""The caller: it starts runs and decides their approvals as any client does that repeats what was not answered."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stack.console import StackError
from stack.http_client import Unreachable, call

from .accounting import ENDED, EVENTS_WITHOUT_APPROVAL, RunSeen, Sent
from .flow import EFFECTS, SERVICE, SLUG, expected, flow, scheduled_flow

PAUSE_SECONDS = 0.3
API_PATIENCE_SECONDS = 120  # how long one call is repeated
SERVER_ERRORS = (500, 502, 503, 504)


@dataclass
class Started:
    """A run as the caller knows it."""

    key: str
    ticket: str
    amount: int
    runs: set[str] = field(default_factory=set)
    decided: Any = None
    ended_at: float | None = None  # on the monotonic clock


class Caller:
    """A client of the API. It repeats a call that failed, and now and then one that did not."""

    def __init__(self, env: dict[str, str], seed: int) -> None:
        """Takes the values of the env file and the seed of its choices."""
        self._base, self._key = env["QE_BASE_URL"], env["QE_API_KEY"]
        self._random = random.Random(seed)  # noqa: S311 (a repeatable choice, no secret)
        self._seed = seed
        self.stopped = threading.Event()
        self.repeated_calls = 0

    def api(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Calls the API until it answers anything but a server error. Fails with `StackError` if the time is up before."""
        deadline = time.monotonic() + API_PATIENCE_SECONDS
        problem = ""
        while time.monotonic() < deadline:
            try:
                status, answer = call(method, f"{self._base}{path}", body, key=self._key, headers=headers)
                if status not in SERVER_ERRORS:
                    return status, answer
                problem = f"{status} {str(answer)[:200]}"
            except Unreachable as unreachable:
                problem = str(unreachable)
            self.repeated_calls += 1
            if self.stopped.wait(PAUSE_SECONDS):
                break
        raise StackError(f"{method} {path} was not answered before the time was up; the last attempt: {problem}.")

    def _expect(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.api(method, path, body)
        if status not in (200, 201, 202):
            raise StackError(f"{method} {path} answered {status}: {str(answer)[:300]}")
        return answer["data"]

    def prepare(self, url: str) -> tuple[str, str]:
        """Makes the connection to the service, the webhook and both flows. Returns the secret of the webhook and the scheduled flow's id."""
        self._expect("POST", "/api/service-connections", {"serviceSlug": SERVICE, "baseUrl": url, "apiKey": "a-key-of-the-service"})
        hook = self._expect("POST", "/api/webhooks", {"url": f"{url}/events", "events": ["flow.run.*"], "description": "Chaos"})
        self._expect("POST", "/api/flows", flow())
        clock = self._expect("POST", "/api/flows", scheduled_flow())
        return str(hook["webhook"]["secret"]), str(clock["flow"]["id"])

    def plan(self, number: int) -> Started:
        """Returns what the run with this number is started with."""
        return Started(key=f"chaos-{self._seed}-{number}", ticket=f"T-{number}", amount=self._random.randint(1, 10_000))

    def live(self, run: Started) -> None:
        """Starts a run, sometimes twice, and decides its approval, sometimes twice and with an override; then waits for its end.

        Returns earlier if the time is up: the account says what has not ended.
        """
        twice = self._random.random() < 0.3
        for _ in range(2 if twice else 1):
            body = {"ticket": run.ticket, "amount": run.amount}
            status, answer = self.api("POST", f"/api/flows/{SLUG}/execute", body, {"Idempotency-Key": run.key})
            if status not in (200, 202):
                raise StackError(f"The start {run.key} was answered with {status}: {str(answer)[:300]}")
            run.runs.add(answer["data"]["run"]["id"])
        for name in sorted(run.runs):
            if self._until(name, lambda status: status == "awaiting_approval" or status in ENDED):
                self._decide(run, name)
        if all(self._until(name, lambda status: status in ENDED) for name in sorted(run.runs)):
            run.ended_at = time.monotonic()

    def _decide(self, run: Started, name: str) -> None:
        run.decided = {"action": "refund", "ticket": run.ticket, "amount": run.amount}
        body: dict[str, Any] = {"note": "chaos"}
        if self._random.random() < 0.5:
            run.decided = {"action": "refund", "ticket": run.ticket, "amount": run.amount + 1, "note": "corrected — ü"}
            body["proposedActionOverride"] = run.decided
        for _ in range(1 if self._random.random() < 0.7 else 2):
            # 409: the run has ended otherwise, which the account says.
            self.api("POST", f"/api/runs/{name}/approve", body)

    def _until(self, run: str, reached: Callable[[str], bool]) -> bool:
        """Waits until the status of a run is one of those. Returns whether that was before the time was up."""
        while not reached(self.status(run)):
            if self.stopped.wait(PAUSE_SECONDS):
                return False
        return True

    def status(self, run: str) -> str:
        """Returns the status of a run."""
        return str(self._expect("GET", f"/api/runs/{run}")["run"]["status"])

    def last_due(self, flow_id: str) -> str | None:
        """Returns the due time that the scheduled flow was last started for."""
        last: str | None = self._expect("GET", f"/api/flows/{flow_id}")["flow"].get("lastCronRunAt")
        return last

    def listed(self, flow_id: str) -> list[dict[str, Any]]:
        """Returns the rows of all runs of a flow."""
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            _, answer = self.api("GET", f"/api/flows/{flow_id}/runs?limit=100{cursor}")
            rows += answer["data"]
            following = answer["meta"].get("nextCursor")
            if not following:
                return rows
            cursor = f"&cursor={following}"

    def scheduled(self, flow_id: str) -> list[tuple[RunSeen, str]]:
        """Returns each run that the schedule has started, and the due time that it was started for."""
        runs = [self._expect("GET", f"/api/runs/{row['id']}")["run"] for row in self.listed(flow_id)]
        return [
            (
                RunSeen(run["id"], run["status"], str(run.get("error") or ""), events=EVENTS_WITHOUT_APPROVAL),
                str(run["input"]["scheduledAt"]),
            )
            for run in runs
        ]

    def seen(self, run: Started, sent: tuple[Sent, ...]) -> list[RunSeen]:
        """Returns how the runs of a start ended, and what their steps must have sent."""
        seen = []
        for name in sorted(run.runs):
            view = self._expect("GET", f"/api/runs/{name}")["run"]
            keys = {each.node: each.key for each in reversed(sent) if each.run == name}
            bodies = expected(name, run.ticket, run.decided, keys)
            wanted = bodies if view["status"] == "succeeded" else {node: bodies[node] for node in EFFECTS if node in keys}
            seen.append(RunSeen(name, view["status"], str(view.get("error") or ""), wanted))
        return seen


def in_thread(work: Callable[[], None], problems: list[str]) -> threading.Thread:
    """Runs the work in a thread. What it raises goes to the problems."""

    def run() -> None:
        try:
            work()
        except Exception as problem:  # noqa: BLE001 (whatever it is, it is reported)
            problems.append(f"{type(problem).__name__}: {problem}")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def wait_for(threads: list[threading.Thread], seconds: float) -> bool:
    """Waits for the threads, together for at most so many seconds. Returns whether all have ended."""
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
