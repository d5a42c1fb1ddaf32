"""Runs flows through the API like any client, and waits for them without entries in the ledger."""

import time
from typing import Any

from stack.console import StackError
from stack.http_client import call
from stack.settings import Settings

from .canonical import Spec
from .plain import aws
from .usage import Reader

PATIENCE = 120
POLL = 0.02


class Runs:
    """The flows and runs of the benchmark."""

    def __init__(self, settings: Settings, env: dict[str, str]) -> None:
        self._base = env["QE_BASE_URL"]
        self._key = env["QE_API_KEY"]
        self._table = env["TABLE_NAME"]
        self._looking = aws(settings, "dynamodb", "bench-looks")

    def api(self, method: str, path: str, body: Any = None, expect: tuple[int, ...] = (200, 201, 202)) -> Any:
        """Calls the API with the key of the stack. Fails with `StackError` if the status is another one."""
        status, answer = call(method, f"{self._base}{path}", body, key=self._key)
        if status not in expect:
            raise StackError(f"{method} {path} answered {status}: {str(answer)[:300]}")
        return answer

    def create(self, slug: str, spec: Spec) -> str:
        """Creates an active flow, and returns its id."""
        body = {"slug": slug, "name": slug, "status": "active", "triggerType": "api", "spec": spec}
        return str(self.api("POST", "/api/flows", body)["data"]["flow"]["id"])

    def run(self, slug: str, body: dict[str, Any], reader: Reader) -> str:
        """Starts a run, approves it once it is parked, and returns when its last invocation has ended."""
        run: str = self.api("POST", f"/api/flows/{slug}/execute", body)["data"]["run"]["id"]
        approved: set[str] = set()
        deadline = time.monotonic() + PATIENCE
        while True:
            row = self.row(run)
            status = row["status"]["S"]
            if status in ("failed", "cancelled"):
                raise StackError(f"the run {run} of {slug} is {status}: {row.get('error', {}).get('S', 'it does not say why')}")
            if status == "succeeded" and _at_rest(reader, run):
                return run
            if status == "awaiting_approval" and "token" in row and row["segment"]["N"] not in approved:
                approved.add(row["segment"]["N"])
                self.api("POST", f"/api/runs/{run}/approve", {"note": "bench"})
            if time.monotonic() > deadline:
                raise StackError(f"the run {run} of {slug} is still {status} after {PATIENCE} s; see ministack.log")
            time.sleep(POLL)

    def row(self, run: str) -> dict[str, Any]:
        """Returns the stored item of a run, read past the API so that the ledger does not note it."""
        key = {"pk": {"S": f"RUN#{run}"}, "sk": {"S": "RUN"}}
        item: dict[str, Any] = self._looking.get_item(TableName=self._table, Key=key, ConsistentRead=True)["Item"]
        return item


def _at_rest(reader: Reader, run: str) -> bool:
    """Returns whether each invocation of an entered Advance has ended: it lasts longer than the last write of the run."""
    entries, _ = reader.peek()
    entered = sum(
        entry["kind"] == "state" and entry["execution"].startswith(run) and entry["state"].startswith("Advance") for entry in entries
    )
    invoked = sum(entry["kind"] == "lambda" and entry["function"].endswith("-advance-run") for entry in entries)
    return entered == invoked
