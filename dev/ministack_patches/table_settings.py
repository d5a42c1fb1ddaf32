"""`TimeToLiveSpecification` and `PointInTimeRecoverySpecification` of a table in a template.

AWS: CloudFormation applies both when it creates or changes an `AWS::DynamoDB::Table`.
MiniStack: CloudFormation ignores both, so nothing would ever expire.
Patched: after CloudFormation has created or changed a table, both are applied with the calls that a client would make.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

from .target import Function

TARGETS = (
    Function("ministack.services.cloudformation.provisioners", "_ddb_create", "277586e016c693bd"),
    Function("ministack.services.cloudformation.provisioners", "_ddb_update", "0665980ffdd06491"),
    Function("ministack.services.dynamodb", "_update_ttl", "e8243a4fbbb8997d"),
    Function("ministack.services.dynamodb", "_update_continuous_backups", "4d306deca0a21e52"),
)
TABLE = "AWS::DynamoDB::Table"

Provision = Callable[..., tuple[str, dict[str, Any]]]


def apply() -> None:
    """Replaces the handlers that create and update a table."""
    handlers = provisioners._RESOURCE_HANDLERS[TABLE]
    handlers["create"] = _with_settings(handlers["create"], properties_at=1)  # (logical id, properties, stack)
    handlers["update"] = _with_settings(handlers["update"], properties_at=2)  # (physical id, old properties, new properties, …)


def _with_settings(provision: Provision, properties_at: int) -> Provision:
    def provisioned(*args: Any, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        name, attributes = provision(*args, **kwargs)
        properties = args[properties_at]
        for specification, update in (
            ("TimeToLiveSpecification", dynamodb._update_ttl),
            ("PointInTimeRecoverySpecification", dynamodb._update_continuous_backups),
        ):
            if specification in properties:
                status, _headers, body = update({"TableName": name, specification: _typed(properties[specification])})
                if status >= 400:
                    raise ValueError(f"{TABLE} {specification}: {body!r}")
        return name, attributes

    return provisioned


def _typed(specification: dict[str, Any]) -> dict[str, Any]:
    # CloudFormation's parameters arrive as text; only "true" is true.
    return {key: str(value).lower() == "true" if key.endswith("nabled") else value for key, value in specification.items()}
