"""An item that has expired is deleted, and the stream shows that DynamoDB itself did it."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import dynamodb

from ministack_patches import time_to_live

TABLE = "time-to-live-test"
NOW = 1_800_000_000.0


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A table with a stream whose items expire at `expiresAt`; no thread deletes them by itself."""
    monkeypatch.setattr(dynamodb, "_remove_item", dynamodb._remove_item)
    monkeypatch.setattr(dynamodb, "_build_change_record", dynamodb._build_change_record)
    monkeypatch.setattr(time_to_live, "_keep_sweeping", lambda: None)
    dynamodb._create_table(
        {
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        }
    )
    dynamodb._update_ttl({"TableName": TABLE, "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": True}})
    time_to_live.apply()
    yield
    dynamodb._delete_table({"TableName": TABLE})


def put(name: str, **attributes: dict[str, str]) -> None:
    dynamodb._put_item({"TableName": TABLE, "Item": {"pk": {"S": name}, **attributes}})


def sweep() -> None:
    """As the thread does it: what it deletes is recognised by the thread's name."""
    sweeper = threading.Thread(target=time_to_live.sweep, args=(NOW,), name=time_to_live.SWEEPER)
    sweeper.start()
    sweeper.join()


def removals() -> list[dict[str, Any]]:
    return [record for record in dynamodb._stream_records.get(TABLE, []) if record["eventName"] == "REMOVE"]


def names() -> set[str]:
    return set(dynamodb._tables.get(TABLE)["items"])


@pytest.mark.usefixtures("table")
def test_only_what_has_expired_goes() -> None:
    put("expired", expiresAt={"N": str(int(NOW) - 1)})
    put("later", expiresAt={"N": str(int(NOW) + 1)})
    put("never")
    put("no number", expiresAt={"S": "soon"})
    sweep()
    assert names() == {"later", "never", "no number"}


@pytest.mark.usefixtures("table")
def test_the_stream_shows_that_the_service_did_it() -> None:
    put("expired", expiresAt={"N": str(int(NOW))})
    sweep()
    (record,) = removals()
    assert record["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert record["dynamodb"]["OldImage"]["pk"] == {"S": "expired"}


@pytest.mark.usefixtures("table")
def test_what_a_client_deletes_is_shown_once_and_without_the_service() -> None:
    put("deleted")
    dynamodb._delete_item({"TableName": TABLE, "Key": {"pk": {"S": "deleted"}}})
    (record,) = removals()
    assert "userIdentity" not in record


class Stop(Exception):
    """Ends the endless loop of the thread."""


def test_it_is_looked_for_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[float | str] = []

    def sleep(seconds: float) -> None:
        done.append(seconds)
        if len(done) > 2:
            raise Stop

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time_to_live, "sweep", lambda _now: done.append("sweep"))
    with pytest.raises(Stop):
        time_to_live._keep_sweeping()
    assert done == [1.0, "sweep", 1.0]
