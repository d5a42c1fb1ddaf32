"""Invokes each function with its sample events from `events/` on a running stack, as `sam local invoke` would.

The samples are in an order in which they can succeed: a flow is created before it is read, a run waits before it is approved. A new
sample has to be listed here only if its place in the order or its status matters (see `steps`). The ids and the key in them are replaced
by those of an organisation of their own; nothing else is changed.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from stack.console import StackError, fail
from stack.http_client import Unreachable, call
from stack.seed import organisations, require_env
from stack.settings import REGION, ROOT, Settings

EVENTS = ROOT / "events"
ENDED = ("failed", "cancelled", "succeeded")
WAITS = ("awaiting_approval",)
# The answer of a function without a route does not matter, as long as it is no error.
DONE = None
# The name of a created resource in an answer, and the prefix of its id.
CREATED = {"flow": "flw", "run": "run", "apiKey": "key", "webhook": "whe", "delivery": "whd"}


@dataclass(frozen=True)
class Step:
    """A sample, the status that its answer must have, and the status that its run must have before."""

    sample: str
    status: int | None
    # A run is started for this step.
    new_run: bool = False
    run_is: tuple[str, ...] = ()


STEPS_IN_ORDER = (
    Step("create-flow/draft-approve-execute", 201),
    Step("update-flow/new-version", 200),
    Step("execute-flow/with-idempotency-key", 202),
    Step("execute-flow/in-base64", 202),
    Step("get-run/awaiting-approval", 200, run_is=WAITS),
    Step("list-approvals/mine", 200),
    Step("get-approval/open", 200),
    Step("list-decisions/approved-of-a-flow", 200),
    Step("get-step-output/of-a-draft", 200),
    Step("get-step-output/input-of-a-draft", 200),
    Step("advance-run/first-segment", DONE),
    Step("advance-run/after-a-pause", DONE),
    # The service that the flow calls is not registered, so that there is a failed run to retry.
    Step("approve-run/with-override", 200),
    Step("retry-run/from-the-failed-step", 202, run_is=ENDED),
    Step("retry-run/from-a-node-on-the-latest-version", 202, run_is=ENDED),
    Step("approve-run/as-proposed", 200, new_run=True, run_is=WAITS),
    Step("reject-run/with-note", 200, new_run=True, run_is=WAITS),
    Step("reassign-approval/to-a-role", 200, new_run=True, run_is=WAITS),
    # The flow of the samples does not say what is revised.
    Step("request-changes/with-note", 409, new_run=True, run_is=WAITS),
    Step("cancel-run/with-reason", 200, new_run=True, run_is=WAITS),
    Step("settle-run/execution-failed", DONE),
    Step("settle-run/execution-timed-out", DONE),
    Step("settle-run/execution-aborted", DONE),
    Step("purge-outputs/a-step-expired", DONE, run_is=ENDED),
    Step("purge-outputs/a-run-ended-after-four-days", DONE),
    Step("purge-run-outputs/an-ended-run", 200),
    Step("set-retention/on", 200),
    Step("put-connection/with-a-key", 201),
    Step("check-connection/custom", 200),
    Step("create-webhook/for-runs-and-orders", 201),
    Step("rotate-endpoint-secret/by-id", 200),
    Step("test-webhook/by-id", 202),
    Step("publish-events/a-run-emits-and-is-cancelled", DONE),
    Step("deliver-webhook/one-delivery", DONE),
    Step("redeliver-event/a-dead-one", 202),
    Step("create-api-key/for-a-service", 201),
    Step("create-flow/with-a-webhook", 201),
    Step("rotate-trigger-secret/by-slug", 200),
    # The samples are signed with another secret than the one that the flow was given, so they are refused.
    Step("receive-trigger/signed", 401),
    Step("receive-trigger/signed-in-base64", 401),
    # The organisation has no identity provider, and there is none at the name in the sample.
    Step("set-identity-provider/not-reachable", 422),
    Step("get-identity-provider/none", 404),
    Step("delete-identity-provider/none", 404),
    Step("begin-login/of-an-organisation", 404),
    Step("complete-login/not-begun", 400),
    Step("end-session/by-id", 404),
)
# These remove resources that other samples need.
LAST_STEPS = (
    # The console is a page: openapi.yaml does not have its routes.
    Step("get-console/the-page", 200),
    Step("get-console/an-approval", 200),
    Step("delete-connection/custom", 200),
    Step("delete-webhook/by-id", 200),
    Step("revoke-api-key/by-id", 200),
    Step("update-flow/pause", 200),
)


def steps() -> list[Step]:
    """Returns a step for every sample event, in an order in which they can succeed.

    A sample that is in neither list needs only resources that STEPS_IN_ORDER creates. Its place is between the two, and its answer must
    have the status that openapi.yaml documents as the success of its route.
    """
    listed = {step.sample for step in (*STEPS_IN_ORDER, *LAST_STEPS)}
    documented = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))["paths"]
    samples = sorted(str(path.relative_to(EVENTS).with_suffix("")) for path in EVENTS.glob("*/*.json"))
    others = [Step(sample, success(sample, documented)) for sample in samples if sample not in listed]
    return [*STEPS_IN_ORDER, *others, *LAST_STEPS]


def success(sample: str, documented: Mapping[str, Any]) -> int | None:
    """Returns the only success status of the route that the sample comes from; DONE if it has no route.

    `documented` are the paths of openapi.yaml. Raises WrongAnswer if the route has several success statuses.
    """
    event = json.loads((EVENTS / f"{sample}.json").read_text(encoding="utf-8"))
    if "httpMethod" not in event:
        return DONE
    responses = documented[event["resource"]][event["httpMethod"].lower()]["responses"]
    found = [int(status) for status in responses if int(status) < 300]
    if len(found) != 1:
        raise WrongAnswer(f"events/{sample}.json: openapi.yaml documents {found}; list the sample in STEPS_IN_ORDER with its status")
    return found[0]


class WrongAnswer(Exception):
    """A sample was not answered as it should be."""


def check(settings: Settings) -> bool:
    """Invokes the functions of the stack with all samples; prints the first problem, and returns whether there was none."""
    try:
        env = require_env(settings)
        env |= organisations(settings, {"TableName": env["TABLE_NAME"], "BucketName": env["BUCKET_NAME"]})
        invoker = SampleInvoker(settings, env)
        all_steps = steps()
        for step in all_steps:
            invoker.invoke(step)
    except (WrongAnswer, StackError, Unreachable, BotoCoreError, ClientError) as problem:
        print(problem, flush=True)
        return False
    print(f"  {len(all_steps)} sample events", flush=True)
    return True


class SampleInvoker:
    """Invokes functions with samples, and keeps the ids of what they have created so far."""

    def __init__(self, settings: Settings, env: Mapping[str, str]) -> None:
        """Takes the settings and the env file of the stack."""
        self._env = env
        credentials = {"aws_access_key_id": env["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"]}
        self._lambda = boto3.client("lambda", region_name=REGION, endpoint_url=settings.endpoint, **credentials)
        pages = self._lambda.get_paginator("list_functions").paginate()
        self._functions = [each["FunctionName"] for page in pages for each in page["Functions"]]
        self._ids = {"org": env["QE_ORG"]}

    def invoke(self, step: Step) -> None:
        """Invokes the function of the step; raises WrongAnswer if it fails or answers with another status."""
        if step.new_run:
            url = f"{self._env['QE_BASE_URL']}/api/flows/refund-with-approval/execute"
            _, body = call("POST", url, {"message": "The hinge is broken."}, self._env["QE_API_KEY"])
            self._learn(body)
        if step.run_is:
            self._wait(step)
        text = (EVENTS / f"{step.sample}.json").read_text(encoding="utf-8")
        answered = self._lambda.invoke(FunctionName=self._named(step.sample.partition("/")[0]), Payload=self._of_now(text).encode())
        payload = json.loads(answered["Payload"].read() or "null")
        if "FunctionError" in answered:
            raise WrongAnswer(f"events/{step.sample}.json: the function failed: {payload}")
        if step.status is not DONE:
            if payload["statusCode"] != step.status:
                raise WrongAnswer(
                    f"events/{step.sample}.json: answered {payload['statusCode']} instead of {step.status}: {payload['body']}"
                )
            if step.status in (201, 202):
                self._learn(json.loads(payload["body"]))

    def _named(self, binary: str) -> str:
        # The name of a function is <stack>-<binary>.
        return min((name for name in self._functions if name.endswith(f"-{binary}")), key=len)

    def _learn(self, body: dict[str, Any]) -> None:
        """Keeps the ids of the resources that the answer says were created."""
        created = body["data"]
        self._ids |= {prefix: created[kind]["id"] for kind, prefix in CREATED.items() if kind in created}

    def _of_now(self, text: str) -> str:
        """Returns the sample with the ids and the key that exist on this stack."""
        for prefix, current in self._ids.items():
            text = re.sub(rf"\b{prefix}_[0-9A-Z]{{26}}", current, text)
        return re.sub(r"qe_sk_[a-z0-9_]+", self._env["QE_API_KEY"], text)

    def _wait(self, step: Step) -> None:
        deadline = time.monotonic() + 180
        status = None
        while time.monotonic() < deadline:
            _, body = call("GET", f"{self._env['QE_BASE_URL']}/api/runs/{self._ids['run']}", key=self._env["QE_API_KEY"])
            status = body["data"]["run"]["status"]
            if status in step.run_is:
                for each in body["data"]["run"]["steps"]:
                    if each["status"] in WAITS:
                        self._ids["apr"] = each["approvalId"]
                return
            time.sleep(0.1)
        wanted = " or ".join(step.run_is)
        raise WrongAnswer(f"events/{step.sample}.json: the run should have become {wanted} before it, and is {status}")


def main() -> int:
    """Checks the samples on the stack that DEV_DIR and PORT name; returns the exit code."""
    try:
        return 0 if check(Settings.from_environment()) else 1
    except StackError as problem:
        fail(str(problem))
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
