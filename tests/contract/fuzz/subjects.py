"""What the requests of schemathesis are about: flows and runs that are there, so that a good request reaches more than a 404."""

import itertools
import json
import os
import time
import urllib.error
import urllib.request

BASE = os.environ["QE_BASE_URL"]
KEY = os.environ["QE_API_KEY"]
ECHO = os.environ["QE_ECHO_URL"]
# Two processes at the same stack must not take each other's slugs.
GROUP = os.environ.get("FUZZ_GROUP", "all")
PATIENCE_SECONDS = 60
ENDED = ("succeeded", "failed", "cancelled")

# A gate at once, and a step that runs after it.
APPROVAL = {
    "startNodeId": "review",
    "nodes": [
        {"id": "review", "type": "human_approval", "actionLabel": "Do it", "proposedAction": {"amount": 7}, "overrideSchema": {"type": "object"}},
        {"id": "after", "type": "transform", "output": "${step.review.output}"},
    ],
    "edges": [{"from": "review", "to": "after"}],
}
TRANSFORM = {"startNodeId": "only", "nodes": [{"id": "only", "type": "transform", "output": "${trigger}"}]}


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {path} answered {error.code}: {error.read()[:500]}") from error


class Subjects:
    def __init__(self):
        self._numbers = itertools.count(1)
        self._stamp = f"{GROUP}-{int(time.time())}"
        self._flows, self._runs, self._webhook = {}, {}, None

    def slug(self):
        return f"fuzz-{self._stamp}-{next(self._numbers)}"

    def flow(self, purpose, spec, trigger="api"):
        if purpose not in self._flows:
            body = {"slug": self.slug(), "name": purpose, "triggerType": trigger, "spec": spec}
            self._flows[purpose] = call("POST", "/api/flows", body)["flow"]
        return self._flows[purpose]

    def run(self, state):
        """A run that is `parked`, `ended` or `cancelled`."""
        if state not in self._runs:
            flow = self.flow("to be run to its end", TRANSFORM) if state == "ended" else self.flow("to be approved", APPROVAL)
            run = call("POST", f"/api/flows/{flow['id']}/execute", {"any": "input"})["run"]["id"]
            self._wait(run, "succeeded" if state == "ended" else "awaiting_approval")
            if state == "cancelled":
                call("POST", f"/api/runs/{run}/cancel", {})
            self._runs[state] = run
        return self._runs[state]

    def wait_for_its_gate(self, run):
        """If it has one ahead: it is asked to be decided as soon as it is there, and not before."""
        try:
            self._wait(run, "awaiting_approval")
        except RuntimeError:
            return

    def used_up(self, run):
        """The run is no longer what it was."""
        self._runs = {state: each for state, each in self._runs.items() if each != run}

    def key(self):
        """A key that nobody needs."""
        body = {"name": "Nobody's", "scopes": ["flows:read"], "actor": "usr_nobody"}
        return call("POST", "/api/api-keys", body)["apiKey"]["id"]

    def webhook(self):
        """One that hears of nothing but tests."""
        if self._webhook is None or not self._is_there(f"/api/webhooks/{self._webhook}"):
            body = {"url": f"{ECHO}/fuzz", "events": ["nothing.*"]}
            self._webhook = call("POST", "/api/webhooks", body)["webhook"]["id"]
        return self._webhook

    def no_webhook(self, webhook):
        if self._is_there(f"/api/webhooks/{webhook}"):
            call("DELETE", f"/api/webhooks/{webhook}")

    def delivery(self):
        return call("POST", f"/api/webhooks/{self.webhook()}/test")["delivery"]["id"]

    def connection(self):
        """One that nobody needs."""
        body = {"serviceSlug": f"custom:{self.slug()}", "baseUrl": f"{ECHO}/fuzz", "apiKey": "not-a-real-key"}
        return call("POST", "/api/service-connections", body)["connection"]["serviceSlug"]

    @staticmethod
    def _is_there(path):
        try:
            return call("GET", path) is not None
        except RuntimeError:
            return False

    def _wait(self, run, status):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := call("GET", f"/api/runs/{run}")["run"]["status"]) != status:
            if found in ENDED or time.monotonic() > deadline:
                raise RuntimeError(f"{run} is {found}, and not {status}")
            time.sleep(0.1)
