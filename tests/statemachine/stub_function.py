"""A function that answers with its own name and parameters: a client of Lambda's Runtime API that stands in for each binary.

A bootstrap script starts it, as it starts a Rust binary. It needs only the standard library, and fails for a run whose id ends in "fails".
"""

import json
import os
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

INVOCATION = "/2018-06-01/runtime/invocation"


def call(method: str, path: str, body: dict[str, Any] | None = None) -> tuple[str | None, dict[str, Any]]:
    """Sends a request to the Runtime API; returns the request id of the invocation and the event, if it is a GET."""
    connection = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, json.dumps(body) if body else None)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(answer) if method == "GET" else {}


def main(name: str, records: str) -> None:
    """Answers invocations for ever and appends each event to the file of this function in the folder `records`."""
    while True:
        request, event = call("GET", f"{INVOCATION}/next")
        with (Path(records) / f"{name}.jsonl").open("a", encoding="utf-8") as record:
            record.write(json.dumps({"event": event, "table": os.environ["TABLE_NAME"]}) + "\n")
        if event.get("runId", "").endswith("fails"):
            call(
                "POST", f"{INVOCATION}/{request}/error", {"errorType": "FailedOnPurpose", "errorMessage": "the id of the run ends in fails"}
            )
        else:
            said = {"function": name, "parameters": event.get("pathParameters")}
            answer = {"statusCode": 200, "body": json.dumps(said)} if "httpMethod" in event else {}
            call("POST", f"{INVOCATION}/{request}/response", answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
