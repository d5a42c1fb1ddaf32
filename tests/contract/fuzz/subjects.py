"""Resources for the requests of schemathesis: flows and runs that exist, so that a valid request is not answered with 404."""

import itertools
import json
import os
import time
import urllib.error
import urllib.request
from typing import Any

BASE = os.environ["QE_BASE_URL"]
KEY = os.environ["QE_API_KEY"]
ECHO = os.environ["QE_ECHO_URL"]
# The processes that share a stack must not use the same slugs.
GROUP = os.environ.get("FUZZ_GROUP", "all")
PATIENCE = 60
ENDED = ("succeeded", "failed", "cancelled")

# A flow that begins with an approval and has one step after it.
APPROVAL = {
    "startNodeId": "review",
    "nodes": [
        {
            "id": "review",
            "type": "human_approval",
            "actionLabel": "Do it",
            "proposedAction": {"amount": 7},
            "overrideSchema": {"type": "object"},
        },
        {"id": "after", "type": "transform", "output": "${step.review.output}"},
    ],
    "edges": [{"from": "review", "to": "after"}],
}
TRANSFORM = {"startNodeId": "only", "nodes": [{"id": "only", "type": "transform", "output": "${trigger}"}]}


def call(method: str, path: str, body: Any = None) -> Any:
    """Sends a request to the API and returns the data of the answer; raises RuntimeError if it is an error."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {path} answered {error.code}: {error.read()[:500]!r}") from error


class Subjects:
    """Creates resources when they are first needed."""

    def __init__(self) -> None:
        """Creates nothing yet."""
        self._numbers = itertools.count(1)
        self._stamp = f"{GROUP}-{int(time.time())}"
        self._flows: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, str] = {}
        self._webhook: str | None = None

    def slug(self) -> str:
        """Returns a slug that was not used before."""
        return f"fuzz-{self._stamp}-{next(self._numbers)}"

    def flow(self, purpose: str, spec: dict[str, Any], trigger: str = "api") -> dict[str, Any]:
        """Returns the flow for a purpose."""
        if purpose not in self._flows:
            body = {"slug": self.slug(), "name": purpose, "triggerType": trigger, "spec": spec}
            self._flows[purpose] = call("POST", "/api/flows", body)["flow"]
        return self._flows[purpose]

    def run(self, state: str) -> str:
        """Returns the id of a run that is `parked`, `ended` or `cancelled`."""
        if state not in self._runs:
            flow = self.flow("to be run to its end", TRANSFORM) if state == "ended" else self.flow("to be approved", APPROVAL)
            run: str = call("POST", f"/api/flows/{flow['id']}/execute", {"any": "input"})["run"]["id"]
            self._wait(run, "succeeded" if state == "ended" else "awaiting_approval")
            if state == "cancelled":
                call("POST", f"/api/runs/{run}/cancel", {})
            self._runs[state] = run
        return self._runs[state]

    def wait_for_its_gate(self, run: str) -> None:
        """Waits until the run awaits an approval, or ends without one."""
        try:
            self._wait(run, "awaiting_approval")
        except RuntimeError:
            return

    def used_up(self, run: str) -> None:
        """Forgets a run whose state was changed."""
        self._runs = {state: each for state, each in self._runs.items() if each != run}

    def key(self) -> str:
        """Creates a key that may be revoked and returns its id."""
        body = {"name": "To be revoked", "scopes": ["flows:read"], "actor": "usr_fuzz"}
        return str(call("POST", "/api/api-keys", body)["apiKey"]["id"])

    def webhook(self) -> str:
        """Returns the id of a webhook that gets no events but test events."""
        if self._webhook is None or not self._exists(f"/api/webhooks/{self._webhook}"):
            body = {"url": f"{ECHO}/fuzz", "events": ["nothing.*"]}
            self._webhook = str(call("POST", "/api/webhooks", body)["webhook"]["id"])
        return self._webhook

    def remove_webhook(self, webhook: str) -> None:
        """Deletes a webhook if it exists."""
        if self._exists(f"/api/webhooks/{webhook}"):
            call("DELETE", f"/api/webhooks/{webhook}")

    def delivery(self) -> str:
        """Creates a delivery of the webhook and returns its id."""
        return str(call("POST", f"/api/webhooks/{self.webhook()}/test")["delivery"]["id"])

    def connection(self) -> str:
        """Creates a connection that may be deleted and returns its slug."""
        body = {"serviceSlug": f"custom:{self.slug()}", "baseUrl": f"{ECHO}/fuzz", "apiKey": "not-a-real-key"}
        return str(call("POST", "/api/service-connections", body)["connection"]["serviceSlug"])

    @staticmethod
    def _exists(path: str) -> bool:
        try:
            return call("GET", path) is not None
        except RuntimeError:
            return False

    def _wait(self, run: str, status: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while (found := call("GET", f"/api/runs/{run}")["run"]["status"]) != status:
            if found in ENDED or time.monotonic() > deadline:
                raise RuntimeError(f"{run} is {found}, and not {status}")
            time.sleep(0.1)
