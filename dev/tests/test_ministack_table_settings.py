"""CloudFormation applies what a template says about the expiry and the recovery of a table, when it creates and when it changes it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

from ministack_patches import table_settings

TABLE = "table-settings-test"
PROPERTIES = {
    "TableName": TABLE,
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
}
# Parameters of CloudFormation arrive as text.
SETTINGS = {
    "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": "true"},
    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
}


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    patched = dict(provisioners._RESOURCE_HANDLERS[table_settings.TABLE])
    monkeypatch.setitem(provisioners._RESOURCE_HANDLERS, table_settings.TABLE, patched)
    table_settings.apply()
    yield patched
    dynamodb._delete_table({"TableName": TABLE})


def time_to_live() -> dict[str, Any]:
    _status, _headers, body = dynamodb._describe_ttl({"TableName": TABLE})
    return dict(json.loads(body)["TimeToLiveDescription"])


def recovery() -> str:
    _status, _headers, body = dynamodb._describe_continuous_backups({"TableName": TABLE})
    return str(json.loads(body)["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"])


def test_a_new_table_has_what_its_template_says(handlers: dict[str, Any]) -> None:
    handlers["create"]("Table", {**PROPERTIES, **SETTINGS}, "a-stack")
    assert time_to_live() == {"AttributeName": "expiresAt", "TimeToLiveStatus": "ENABLED"}
    assert recovery() == "ENABLED"


def test_a_changed_table_has_what_its_template_says_now(handlers: dict[str, Any]) -> None:
    handlers["create"]("Table", PROPERTIES, "a-stack")
    assert recovery() == "DISABLED"
    handlers["update"](TABLE, PROPERTIES, {**PROPERTIES, **SETTINGS}, "a-stack", "Table")
    assert time_to_live()["TimeToLiveStatus"] == "ENABLED"
    assert recovery() == "ENABLED"


def test_what_dynamodb_refuses_fails_the_stack(handlers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "_update_ttl", lambda _request: (400, {}, b"no"))
    with pytest.raises(ValueError, match="TimeToLiveSpecification"):
        handlers["create"]("Table", {**PROPERTIES, **SETTINGS}, "a-stack")
