"""The calls of the local stack's functions to AWS in the terms of IAM: the action, the resource and the condition keys.

`dev/ministack_patches` attaches it when STACK_ACCESSES names a file. Each kind of access is recorded once for each function, as one JSON
object on a line, with the first example of its keys; `tests/contract/test_policies.py` compares them with the policies:

    {"by": "runs-local-approve-run", "action": "dynamodb:UpdateItem", "resource": "table", "conditions": {"dynamodb:LeadingKeys": ["KEY#…"], …}}

Resources are `table`, `table/index/<name>`, `bucket`, `bucket/<key>`, `key`, `queue/<name>`, `identity/<address>`, and the ends of ARNs of Step Functions.
"""

import functools
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ledger import UNRECORDED, caller, tell_functions_their_names

Access = dict[str, Any]

# A transaction is authorised as the actions that it consists of (Amazon DynamoDB developer guide, "Using IAM with DynamoDB transactions").
IN_TRANSACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}
EQUALS = re.compile(r"([#\w]+)\s*=\s*(:\w+)")
NAME = re.compile(r"[#:]?[A-Za-z_]\w*")
WORDS = {"SET", "REMOVE", "ADD", "DELETE", "IF_NOT_EXISTS", "LIST_APPEND"}
KEYS_OF_OBJECTS = re.compile(r"<Key>([^<]+)</Key>")
# The parts that differ from one organisation, run or object to the next.
VARYING = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{64}|\d+")


class Accesses:
    """A file with one line for each kind of access of each function."""

    def __init__(self, file: str | Path) -> None:
        """Opens the file to append to it."""
        self._file = Path(file).open("a", encoding="utf-8")  # noqa: SIM115 (it stays open as long as the process runs)
        self._lock = threading.Lock()
        self._noted: set[str] = set()

    def note(self, by: str, found: Iterable[Access]) -> None:
        """Appends the accesses of a function that are of a new kind."""
        with self._lock:
            for access in found:
                line = json.dumps({"by": by, **access}, sort_keys=True)
                kind = VARYING.sub("", line)
                if kind not in self._noted:
                    self._noted.add(kind)
                    self._file.write(line + "\n")
                    self._file.flush()


def attach(file: str | Path, *, dynamodb: Any, kms: Any, s3: Any, ses_v2: Any, sqs: Any, stepfunctions: Any, lambda_svc: Any) -> Accesses:
    """Records from now on what functions ask of these modules of MiniStack."""
    accesses = Accesses(file)
    _watch(accesses, dynamodb, lambda _method, _path, headers, body, _query: of_dynamodb(_operation(headers), _json(body)))
    _watch(accesses, kms, lambda _method, _path, headers, body, _query: of_kms(_operation(headers), _json(body)))
    _watch(accesses, sqs, lambda _method, _path, headers, body, _query: of_sqs(_operation(headers), _json(body)))
    _watch(accesses, stepfunctions, lambda _method, _path, headers, body, _query: of_states(_operation(headers), _json(body)))
    _watch(accesses, s3, of_s3)
    _watch(accesses, ses_v2, lambda method, path, _headers, body, _query: of_ses(method, path, body))
    tell_functions_their_names(lambda_svc)
    return accesses


def _watch(accesses: Accesses, module: Any, found: Callable[..., list[Access]]) -> None:
    handle = module.handle_request

    @functools.wraps(handle)
    async def watched(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        by = caller(headers)
        if by != "states" and UNRECORDED not in by:
            accesses.note(by, found(method, path, headers, body, query_params))
        return await handle(method, path, headers, body, query_params, *args, **kwargs)

    module.handle_request = watched


def of_dynamodb(operation: str, request: dict[str, Any]) -> list[Access]:
    """Returns the accesses of a request to DynamoDB."""
    if operation in ("TransactWriteItems", "TransactGetItems"):
        return [
            access
            for item in request["TransactItems"]
            for kind, inner in item.items()
            for access in of_dynamodb(IN_TRANSACTIONS[kind], inner)
        ]
    if operation in ("BatchGetItem", "BatchWriteItem"):
        keys = [key for table in request["RequestItems"].values() for key in table["Keys"]] if operation == "BatchGetItem" else []
        return [_access(f"dynamodb:{operation}", "table", {"dynamodb:LeadingKeys": [key["pk"]["S"] for key in keys]})]
    resource = f"table/index/{request['IndexName']}" if "IndexName" in request else "table"
    conditions = {"dynamodb:LeadingKeys": _leading_keys(request)}
    if operation in ("GetItem", "Query"):
        # Without a projection all attributes are read, which no list of names allows.
        conditions["dynamodb:Attributes"] = sorted({*_names(request, "ProjectionExpression")}) or ["(all)"]
    if operation == "UpdateItem":
        conditions["dynamodb:Attributes"] = sorted(
            {*request["Key"], *_names(request, "UpdateExpression"), *_names(request, "ConditionExpression")}
        )
        conditions["dynamodb:ReturnValues"] = [request.get("ReturnValues", "NONE")]
    return [_access(f"dynamodb:{operation}", resource, conditions)]


def _leading_keys(request: dict[str, Any]) -> list[str]:
    for holder in ("Key", "Item"):
        if holder in request:
            return [request[holder]["pk"]["S"]]
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    # In a key condition the only equation of a partition is that of its hash key, whose name is pk or ends so.
    return [
        values[value]["S"]
        for name, value in EQUALS.findall(request.get("KeyConditionExpression", ""))
        if names.get(name, name).lower().endswith("pk")
    ]


def _names(request: dict[str, Any], expression: str) -> list[str]:
    names = request.get("ExpressionAttributeNames", {})
    text = request.get(expression, "")
    # A name before a bracket is the name of a function, and a name after a dot is within the attribute before it, which IAM does not see.
    words = [
        word.group()
        for word in NAME.finditer(text)
        if (not text[word.end() :].lstrip().startswith("(") or word.group().upper() in WORDS) and not text[: word.start()].endswith(".")
    ]
    keywords = WORDS | {"AND", "OR", "NOT", "BETWEEN", "IN"}
    return [names.get(word, word) for word in words if not word.startswith(":") and word.upper() not in keywords]


def of_kms(operation: str, request: dict[str, Any]) -> list[Access]:
    """Returns the access of a request to KMS."""
    context = {f"kms:EncryptionContext:{name}": [value] for name, value in request.get("EncryptionContext", {}).items()}
    return [_access(f"kms:{operation}", "key", context)]


def of_sqs(operation: str, request: dict[str, Any]) -> list[Access]:
    """Returns the access of a request to SQS."""
    # Sending a batch is authorised as sending (Amazon SQS developer guide, "Amazon SQS API permissions").
    action = operation.removesuffix("Batch")
    return [_access(f"sqs:{action}", f"queue/{request.get('QueueUrl', '').rpartition('/')[2]}", {})]


def of_ses(method: str, path: str, body: bytes) -> list[Access]:
    """Returns the access of a request to send a mail; SES authorises it for the identity that the mail comes from."""
    if method != "POST" or not path.endswith("/outbound-emails"):
        return []
    return [_access("ses:SendEmail", f"identity/{_json(body)['FromEmailAddress']}", {})]


def of_states(operation: str, request: dict[str, Any]) -> list[Access]:
    """Returns the access of a request to Step Functions."""
    arn = request.get("stateMachineArn") or request.get("executionArn")
    # A task token does not contain the state machine that issued it.
    resource = arn.split(":states:")[1].split(":", 2)[2] if arn else "?"
    return [_access(f"states:{operation}", resource, {})]


def of_s3(method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]) -> list[Access]:
    """Returns the accesses of a request to S3; a copy also reads its source."""
    _, _, key = path.lstrip("/").partition("/")
    if method == "GET" and not key:
        prefix = query_params.get("prefix", "")
        return [_access("s3:ListBucket", "bucket", {"s3:prefix": [prefix[0] if isinstance(prefix, list) else prefix]})]
    if method == "POST" and "delete" in query_params:
        return [_access("s3:DeleteObject", f"bucket/{each}", {}) for each in KEYS_OF_OBJECTS.findall(body.decode("utf-8"))]
    found = [
        _access(
            {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "DELETE": "s3:DeleteObject"}.get(method, "s3:PutObject"), f"bucket/{key}", {}
        )
    ]
    if source := headers.get("x-amz-copy-source"):
        found.append(_access("s3:GetObject", f"bucket/{source.lstrip('/').partition('/')[2]}", {}))
    return found


def _access(action: str, resource: str, conditions: dict[str, list[str]]) -> Access:
    return {"action": action, "resource": resource, "conditions": conditions}


def _operation(headers: Mapping[str, str]) -> str:
    return headers.get("x-amz-target", "").rpartition(".")[2]


def _json(body: bytes) -> dict[str, Any]:
    try:
        return json.loads(body)
    except ValueError:
        return {}
