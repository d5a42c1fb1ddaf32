"""A stream's batch of which a function reports failures comes again from the first record that failed, on MiniStack's own poller."""

from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import dynamodb, lambda_svc

from ministack_patches import stream_batch_failures

TABLE = "stream-failures-test"
FUNCTION = "stream-failures-test"
# The batches that the function was given so far, and the records that it is to report as failed.
Stream = tuple[list[list[str]], set[str]]


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    """A table with a stream, and a function that reads it."""
    dynamodb._delete_table({"TableName": TABLE})
    dynamodb._create_table(
        {
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        }
    )
    arn = dynamodb._tables.get(TABLE)["LatestStreamArn"]
    batches: list[list[str]] = []
    failing: set[str] = set()

    def function(_function: Any, event: dict[str, Any], *_args: Any) -> dict[str, Any]:
        names = [record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]]
        batches.append(names)
        failed = [r["dynamodb"]["SequenceNumber"] for r, name in zip(event["Records"], names, strict=True) if name in failing]
        return {"body": {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}}

    mapping = {
        "UUID": "stream-failures-test",
        "FunctionName": FUNCTION,
        "EventSourceArn": arn,
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 100,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    account, region = lambda_svc.get_account_id(), lambda_svc.get_region()
    monkeypatch.setattr(lambda_svc, "_execute_function", function)
    monkeypatch.setattr(lambda_svc, "_iter_all_esms", lambda: iter([(account, region, mapping)]))
    record = {"config": {"FunctionName": FUNCTION}}
    monkeypatch.setattr(lambda_svc, "_get_func_record_for_qualifier", lambda *_: (record, record["config"]))
    monkeypatch.setattr(lambda_svc, "_ESM_BACKOFF_SECONDS", -1)
    stream_batch_failures.apply()
    yield batches, failing
    lambda_svc._dynamodb_stream_positions.pop(mapping["UUID"], None)
    dynamodb._delete_table({"TableName": TABLE})


def put(*names: str) -> None:
    for name in names:
        dynamodb._put_item({"TableName": TABLE, "Item": {"pk": {"S": name}}})


def test_what_failed_comes_again_and_so_does_what_followed_it(stream: Stream) -> None:
    batches, failing = stream
    put("a", "b", "c", "d")
    failing.add("c")
    lambda_svc._poll_dynamodb_streams()
    lambda_svc._poll_dynamodb_streams()
    failing.clear()
    put("e")
    lambda_svc._poll_dynamodb_streams()
    assert batches == [["a", "b", "c", "d"], ["c", "d"], ["c", "d", "e"]]
    lambda_svc._poll_dynamodb_streams()
    assert len(batches) == 3


def test_what_did_not_fail_does_not_come_again(stream: Stream) -> None:
    batches, _failing = stream
    put("a", "b")
    for _ in range(3):
        lambda_svc._poll_dynamodb_streams()
    assert batches == [["a", "b"]]
