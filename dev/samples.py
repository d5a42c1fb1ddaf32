"""Gives every sample event in `events/` to the function it is for, on a running stack, as `sam local invoke` would.

The samples stand in an order in which they can succeed: a flow is created before it is read, a run waits before it is approved. A new
sample has to be listed here only if its turn or its status matters (see `steps`). Ids and the key in them are replaced by those of an
organisation of their own; nothing else is changed.
"""

import json
import os
import re
import time
from dataclasses import dataclass, replace

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError
from stack.console import StackError
from stack.http_client import Unreachable, call
from stack.seed import organisations, read_env
from stack.settings import REGION, ROOT, Settings

EVENTS = ROOT / "events"
ENDED = ("failed", "cancelled", "succeeded")
WAITS = ("awaiting_approval",)
# What a worker answers: nothing that matters, as long as it is no error.
DONE = None
# What an answer calls a thing that was made, and what the ids of such things begin with.
MADE = {"flow": "flw", "run": "run", "apiKey": "key", "webhook": "whe", "delivery": "whd"}


@dataclass(frozen=True)
class Step:
    """A sample, the status that its answer must have, and what must have happened to the run that it is about."""

    sample: str
    status: int | None
    # The run is one that began just now for this step.
    new_run: bool = False
    run_is: tuple = ()


STORY = (
    Step("create-flow/draft-approve-execute", 201),
    Step("update-flow/new-version", 200),
    Step("execute-flow/with-idempotency-key", 202),
    Step("execute-flow/in-base64", 202),
    Step("get-run/awaiting-approval", 200, run_is=WAITS),
    Step("list-approvals/mine", 200),
    Step("get-step-output/of-a-draft", 200),
    Step("get-step-output/input-of-a-draft", 200),
    Step("advance-run/first-segment", DONE),
    Step("advance-run/after-a-pause", DONE),
    # Nobody has registered the service that the flow calls, so that there is a failed run to go on from.
    Step("approve-run/with-override", 200),
    Step("retry-run/from-the-failed-step", 202, run_is=ENDED),
    Step("retry-run/from-a-node-on-the-latest-version", 202, run_is=ENDED),
    Step("approve-run/as-proposed", 200, new_run=True, run_is=WAITS),
    Step("reject-run/with-note", 200, new_run=True, run_is=WAITS),
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
    # Nobody knows the secret beforehand: what is signed with another one is refused, and tells no more.
    Step("receive-trigger/signed", 401),
    Step("receive-trigger/signed-in-base64", 401),
)
# These take away what the samples before them need.
ENDING = (
    Step("delete-connection/custom", 200),
    Step("delete-webhook/by-id", 200),
    Step("revoke-api-key/by-id", 200),
    Step("update-flow/pause", 200),
)


def steps():
    """Every sample event, in an order in which it can succeed.

    A sample that is in neither list needs only what STORY has made. Its turn is between the two, and its answer must have the status that
    openapi.yaml documents as the success of its route.
    """
    listed = {step.sample for step in (*STORY, *ENDING)}
    documented = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))["paths"]
    samples = sorted(str(path.relative_to(EVENTS).with_suffix("")) for path in EVENTS.glob("*/*.json"))
    others = [Step(sample, success(sample, documented)) for sample in samples if sample not in listed]
    return [*STORY, *others, *ENDING]


def success(sample, documented):
    """The only status of success of the route that the sample comes from; DONE if it comes over no route."""
    event = json.loads((EVENTS / f"{sample}.json").read_text(encoding="utf-8"))
    if "httpMethod" not in event:
        return DONE
    responses = documented[event["resource"]][event["httpMethod"].lower()]["responses"]
    found = [int(status) for status in responses if int(status) < 300]
    if len(found) != 1:
        raise Wrong(f"events/{sample}.json: openapi.yaml documents {found}; say in STORY which status it must be")
    return found[0]


class Wrong(Exception):
    """A sample was not answered as it should be."""


def check(stack):
    """Give all samples to their functions on the stack that the variables in `stack` (DEV_DIR, PORT) name. True if all is well."""
    settings = replace(Settings.from_environment(), port=int(stack["PORT"]), dev_dir=(ROOT / stack["DEV_DIR"]).resolve())
    try:
        env = read_env(settings)
        if env is None:
            raise Wrong(f"No stack is running in {settings.dev_dir_name}; `make up` starts one.")
        env |= organisations(settings, {"TableName": env["TABLE_NAME"], "BucketName": env["BUCKET_NAME"]})
        teller = Teller(settings, env)
        told = steps()
        for step in told:
            teller.tell(step)
    except (Wrong, StackError, Unreachable, BotoCoreError, ClientError) as problem:
        print(problem, flush=True)
        return False
    print(f"  {len(told)} sample events", flush=True)
    return True


class Teller:
    """Knows which run and which key the story has come to."""

    def __init__(self, settings, env):
        self._env = env
        credentials = {"aws_access_key_id": env["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"]}
        self._lambda = boto3.client("lambda", region_name=REGION, endpoint_url=settings.endpoint, **credentials)
        pages = self._lambda.get_paginator("list_functions").paginate()
        self._functions = [each["FunctionName"] for page in pages for each in page["Functions"]]
        self._ids = {"org": env["QE_ORG"]}

    def tell(self, step):
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
            raise Wrong(f"events/{step.sample}.json: the function failed: {payload}")
        if step.status is not DONE:
            if payload["statusCode"] != step.status:
                raise Wrong(f"events/{step.sample}.json: answered {payload['statusCode']} instead of {step.status}: {payload['body']}")
            if step.status in (201, 202):
                self._learn(json.loads(payload["body"]))

    def _named(self, binary):
        # Functions are called <stack>-<binary>.
        return min((name for name in self._functions if name.endswith(f"-{binary}")), key=len)

    def _learn(self, body):
        """Keeps the ids of what was made."""
        made = body["data"]
        self._ids |= {prefix: made[kind]["id"] for kind, prefix in MADE.items() if kind in made}

    def _of_now(self, text):
        """The sample with the ids and the key that are there."""
        for prefix, current in self._ids.items():
            text = re.sub(rf"\b{prefix}_[0-9A-Z]{{26}}", current, text)
        return re.sub(r"qe_sk_[a-z0-9_]+", self._env["QE_API_KEY"], text)

    def _wait(self, step):
        deadline = time.monotonic() + 180
        status = None
        while time.monotonic() < deadline:
            _, body = call("GET", f"{self._env['QE_BASE_URL']}/api/runs/{self._ids['run']}", key=self._env["QE_API_KEY"])
            status = body["data"]["run"]["status"]
            if status in step.run_is:
                return
            time.sleep(0.1)
        raise Wrong(f"events/{step.sample}.json: the run should have become {' or '.join(step.run_is)} before it, and is {status}")


def main():
    """By itself, on the stack that DEV_DIR and PORT name."""
    return 0 if check({"DEV_DIR": os.environ.get("DEV_DIR") or ".dev", "PORT": os.environ.get("PORT") or "4566"}) else 1


if __name__ == "__main__":
    raise SystemExit(main())
