"""The time to live of items.

AWS: DynamoDB deletes an expired item within days, and the table's stream shows a REMOVE by `dynamodb.amazonaws.com`
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html).
MiniStack: deletes once a minute, and the stream shows nothing, so what follows an expiry would never run.
Patched: the stream shows the removal as AWS does, and expired items are deleted every second.
"""

import threading
import time
from typing import Any

from ministack.services import dynamodb

from .target import Function

MODULE = "ministack.services.dynamodb"
TARGETS = (
    Function(MODULE, "_ttl_reaper", "66841bfd60279dd7"),
    Function(MODULE, "_remove_item", "5cce50c99688dab8"),
    Function(MODULE, "_build_change_record", "45f604ee477218c3"),
    Function(MODULE, "_emit_stream_event", "8568d0446f26eaba"),
    Function(MODULE, "_extract_key_val", "faaaf17a7c3923b4"),
)
SWEEP_SECONDS = 1.0
SERVICE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
SWEEPER = "dynamodb-ttl-reaper"  # the name of MiniStack's own thread as well


def apply() -> None:
    """Replaces `_remove_item` and `_build_change_record`, and starts a thread that deletes expired items."""
    remove_item, build_change_record = dynamodb._remove_item, dynamodb._build_change_record

    def removed(table: dict[str, Any], partition: str, sort: str) -> Any:
        item = remove_item(table, partition, sort)
        if item is not None and _is_sweeper():
            dynamodb._emit_stream_event(table["TableName"], "REMOVE", item, None)
        return item

    def built(*args: Any, **kwargs: Any) -> dict[str, Any]:
        record: dict[str, Any] = build_change_record(*args, **kwargs)
        return {**record, "userIdentity": SERVICE} if _is_sweeper() else record

    dynamodb._remove_item, dynamodb._build_change_record = removed, built
    threading.Thread(target=_keep_sweeping, daemon=True, name=SWEEPER).start()


def sweep(now: float) -> None:
    """Deletes the items of all tables that have expired by `now` (Unix seconds)."""
    for (account, region, name), setting in list(dynamodb._ttl_settings.all_items()):
        table = dynamodb._tables.get_scoped(account, region, name)
        if table and setting.get("TimeToLiveStatus") == "ENABLED":
            attribute = setting.get("AttributeName", "")
            for partition, items in list(table["items"].items()):
                for sort in [sort for sort, item in items.items() if _has_expired(item.get(attribute), now)]:
                    dynamodb._remove_item(table, partition, sort)


def _has_expired(value: Any, now: float) -> bool:
    if value is None:
        return False
    try:
        return float(dynamodb._extract_key_val(value)) <= now
    except (TypeError, ValueError):
        return False


def _is_sweeper() -> bool:
    return threading.current_thread().name == SWEEPER


def _keep_sweeping() -> None:
    while True:
        time.sleep(SWEEP_SECONDS)
        with dynamodb._lock:
            sweep(time.time())
