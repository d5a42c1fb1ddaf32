"""A function that says what it was asked: enough of Lambda's runtime API to stand in for each of our binaries.

Started by a bootstrap script, as a Rust binary is. Needs nothing but Python itself. Told a run whose id ends in "fails", it fails.
"""

import json
import os
import sys
from http.client import HTTPConnection

INVOCATION = "/2018-06-01/runtime/invocation"


def call(method: str, path: str, body: dict | None = None) -> tuple[str | None, dict]:
    connection = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, body and json.dumps(body))
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(answer) if method == "GET" else {}


def main(name: str, records: str) -> None:
    while True:
        request, event = call("GET", f"{INVOCATION}/next")
        with open(os.path.join(records, f"{name}.jsonl"), "a", encoding="utf-8") as record:
            record.write(json.dumps({"event": event, "table": os.environ["TABLE_NAME"]}) + "\n")
        if event.get("runId", "").endswith("fails"):
            call("POST", f"{INVOCATION}/{request}/error", {"errorType": "Told", "errorMessage": "told to fail"})
        else:
            said = {"function": name, "parameters": event.get("pathParameters")}
            answer = {"statusCode": 200, "body": json.dumps(said)} if "httpMethod" in event else {}
            call("POST", f"{INVOCATION}/{request}/response", answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
