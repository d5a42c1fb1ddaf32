"""The accesses of a request in the terms of IAM."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import accesses

KEY = {"pk": {"S": "RUN#run_1"}, "sk": {"S": "RUN"}}


def test_a_read_names_its_partition_and_its_index() -> None:
    assert accesses.of_dynamodb("GetItem", {"Key": KEY}) == [
        {
            "action": "dynamodb:GetItem",
            "resource": "table",
            "conditions": {"dynamodb:LeadingKeys": ["RUN#run_1"], "dynamodb:Attributes": ["(all)"]},
        }
    ]
    query = {
        "IndexName": "lists",
        "KeyConditionExpression": "#hash = :hash AND pk > :after",
        "ExpressionAttributeNames": {"#hash": "listPk"},
        "ExpressionAttributeValues": {":hash": {"S": "FLOW#1"}, ":after": {"S": "x"}},
    }
    (access,) = accesses.of_dynamodb("Query", query)
    assert (access["resource"], access["conditions"]) == (
        "table/index/lists",
        {"dynamodb:LeadingKeys": ["FLOW#1"], "dynamodb:Attributes": ["(all)"]},
    )


def test_an_update_names_the_attributes_that_it_uses_and_the_values_that_it_returns() -> None:
    update = {
        "Key": KEY,
        "UpdateExpression": "SET #s = if_not_exists(cursorSecret, :new), used = used + :one REMOVE gone",
        "ConditionExpression": "attribute_exists(pk) AND rev = :rev",
        "ExpressionAttributeNames": {"#s": "cursorSecret"},
        "ReturnValues": "UPDATED_NEW",
    }
    (access,) = accesses.of_dynamodb("UpdateItem", update)
    assert access["conditions"]["dynamodb:Attributes"] == ["cursorSecret", "gone", "pk", "rev", "sk", "used"]
    assert access["conditions"]["dynamodb:ReturnValues"] == ["UPDATED_NEW"]


def test_a_transaction_is_recorded_as_its_actions() -> None:
    items = [{"Put": {"Item": KEY}}, {"Update": {"Key": KEY, "UpdateExpression": "SET a = :a"}}, {"ConditionCheck": {"Key": KEY}}]
    found = accesses.of_dynamodb("TransactWriteItems", {"TransactItems": items})
    assert [access["action"] for access in found] == ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"]


def test_objects_are_named_by_their_keys() -> None:
    def of(
        method: str, path: str, query: dict[str, Any] | None = None, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> list[tuple[str, str]]:
        return [(access["action"], access["resource"]) for access in accesses.of_s3(method, path, headers or {}, body, query or {})]

    assert of("PUT", "/outputs/org_1/run_1/node/aa") == [("s3:PutObject", "bucket/org_1/run_1/node/aa")]
    copied = of("PUT", "/outputs/gates/b", headers={"x-amz-copy-source": "/outputs/org_1/a"})
    assert copied == [("s3:PutObject", "bucket/gates/b"), ("s3:GetObject", "bucket/org_1/a")]
    deleted = of(
        "POST", "/outputs", {"delete": ""}, body=b"<Delete><Object><Key>org_1/a</Key></Object><Object><Key>org_1/b</Key></Object></Delete>"
    )
    assert deleted == [("s3:DeleteObject", "bucket/org_1/a"), ("s3:DeleteObject", "bucket/org_1/b")]
    (listed,) = accesses.of_s3("GET", "/outputs", {}, b"", {"list-type": ["2"], "prefix": ["org_1/"]})
    assert (listed["action"], listed["conditions"]) == ("s3:ListBucket", {"s3:prefix": ["org_1/"]})


def test_state_machines_are_named_by_the_end_of_their_arn() -> None:
    arn = "arn:aws:states:us-east-1:000000000000:stateMachine:runs-local-run"
    assert accesses.of_states("StartExecution", {"stateMachineArn": arn})[0]["resource"] == "stateMachine:runs-local-run"
    assert accesses.of_states("SendTaskSuccess", {"taskToken": "x"})[0]["resource"] == "?"


def test_a_read_names_the_attributes_that_it_reads() -> None:
    key = {"Key": {"pk": {"S": "ORG#org_1"}, "sk": {"S": "ORG"}}}
    (some,) = accesses.of_dynamodb(
        "GetItem", {**key, "ProjectionExpression": "#ranges, pk", "ExpressionAttributeNames": {"#ranges": "privateRanges"}}
    )
    (everything,) = accesses.of_dynamodb("GetItem", key)
    assert some["conditions"]["dynamodb:Attributes"] == ["pk", "privateRanges"]
    assert everything["conditions"]["dynamodb:Attributes"] == ["(all)"]


def test_an_encryption_names_its_context_and_a_message_names_its_queue() -> None:
    (sealed,) = accesses.of_kms("Encrypt", {"KeyId": "k", "Plaintext": "x", "EncryptionContext": {"kind": "flow-webhook", "org": "org_1"}})
    assert sealed == {
        "action": "kms:Encrypt",
        "resource": "key",
        "conditions": {"kms:EncryptionContext:kind": ["flow-webhook"], "kms:EncryptionContext:org": ["org_1"]},
    }
    (sent,) = accesses.of_sqs("SendMessageBatch", {"QueueUrl": "http://127.0.0.1/000000000000/runs-local-Deliveries-1"})
    assert (sent["action"], sent["resource"]) == ("sqs:SendMessage", "queue/runs-local-Deliveries-1")


def test_a_mail_names_the_address_that_it_comes_from() -> None:
    body = json.dumps({"FromEmailAddress": "runs@example.org", "Destination": {"ToAddresses": ["ada@example.org"]}}).encode()
    (sent,) = accesses.of_ses("POST", "/v2/email/outbound-emails", body)
    assert (sent["action"], sent["resource"]) == ("ses:SendEmail", "identity/runs@example.org")
    assert accesses.of_ses("POST", "/v2/email/identities", b"{}") == []


def test_each_kind_of_access_is_recorded_once_for_each_caller(tmp_path: Path) -> None:
    async def handle(*_: object) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b"{}"

    modules = {name: SimpleNamespace(handle_request=handle) for name in ("dynamodb", "kms", "s3", "ses_v2", "sqs", "stepfunctions")}
    file = tmp_path / "accesses.jsonl"
    accesses.attach(file, **modules, lambda_svc=SimpleNamespace(_provided_worker_env=lambda *_: {}))
    for name, run in [("f", "01M888RN49YESS4D7F8HBW5P7X"), ("f", "01M888RN49YESS4D7F8HBW5P7Y"), ("g", "01M888RN49YESS4D7F8HBW5P7X")]:
        headers = {"x-amz-target": "DynamoDB_20120810.GetItem", "user-agent": f"aws-sdk-rust/1 app/{name}"}
        body = json.dumps({"Key": {"pk": {"S": f"RUN#run_{run}"}, "sk": {"S": "RUN"}}}).encode()
        asyncio.run(modules["dynamodb"].handle_request("POST", "/", headers, body, {}))
    asyncio.run(modules["dynamodb"].handle_request("POST", "/", {"x-amz-target": "x.GetItem"}, body, {}))  # Step Functions itself
    assert [json.loads(line)["by"] for line in file.read_text().splitlines()] == ["f", "g"]
