"""`ReportBatchItemFailures` of an event source mapping on a table's stream.

AWS: the mapping comes back to the first record that the function reports as failed, until it is processed or too old
(https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html).
MiniStack: reads the report for queues only. A batch of a stream counts as done, so what failed would never come again.
Patched: the position goes back to the first record that failed, and the batch counts as failed, so that it comes again after a second.
"""

import json
from collections.abc import Iterator
from typing import Any

from ministack.services import dynamodb, lambda_svc

from .target import Constant, Function

MODULE = "ministack.services.lambda_svc"
TARGETS = (
    Function(MODULE, "_execute_function", "3ceb16d6480a2161"),
    Function(MODULE, "_iter_all_esms", "7db06c0627a59696"),
    Function(MODULE, "_poll_dynamodb_streams", "2b2460e933a9f3c3"),
    Function("ministack.services.dynamodb", "stream_records_since", "aed31a353fda9770"),
    Constant(MODULE, "_ESM_BACKOFF_SECONDS", 1.0),
)


def apply() -> None:
    """Replaces `_execute_function`."""
    execute_function = lambda_svc._execute_function

    def executed(function: dict[str, Any], event: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        result: dict[str, Any] = execute_function(function, event, *args, **kwargs)
        records = event.get("Records") if isinstance(event, dict) else None
        if not records or records[0].get("eventSource") != "aws:dynamodb" or result.get("error"):
            return result
        stream = records[0].get("eventSourceARN")
        for mapping in _mappings(function, stream):
            if failed := _failures(result):
                _go_back_to_failed(mapping, stream, failed)
                # MiniStack does not go past what it takes for an error.
                message = f"{len(failed)} records of the batch failed"
                return {**result, "error": True, "body": {"errorType": "BatchItemFailures", "errorMessage": message}}
        return result

    lambda_svc._execute_function = executed


def _failures(result: dict[str, Any]) -> set[str]:
    """Returns the sequence numbers of the records that a function's answer reports as failed."""
    body = result.get("body")
    try:
        body = json.loads(body) if isinstance(body, str) else body
        return {failure["itemIdentifier"] for failure in body["batchItemFailures"]}  # type: ignore[index]  # not a mapping: TypeError
    except (TypeError, ValueError, KeyError):
        return set()


def _mappings(function: dict[str, Any], stream: str) -> Iterator[dict[str, Any]]:
    """The mappings of a stream to a function that asked for reports."""
    for _account, _region, mapping in lambda_svc._iter_all_esms():
        is_mapped = mapping["FunctionName"] == function["config"]["FunctionName"] and mapping.get("EventSourceArn") == stream
        if is_mapped and "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", []):
            yield mapping


def _go_back_to_failed(mapping: dict[str, Any], stream: str, failed: set[str]) -> None:
    table = stream.partition("/stream/")[0].rpartition("/")[2]
    with lambda_svc._dynamodb_stream_positions_lock:
        position = lambda_svc._dynamodb_stream_positions[mapping["UUID"]]
        batch = dynamodb.stream_records_since(table, position, mapping.get("BatchSize", 100))
        first = next((at for at, record in enumerate(batch) if record["dynamodb"]["SequenceNumber"] in failed), 0)
        lambda_svc._dynamodb_stream_positions[mapping["UUID"]] = position + first
