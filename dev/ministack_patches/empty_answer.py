"""The answer of a function that has no body.

AWS: a proxy integration may answer with `"body": null`, or with none: the HTTP response is empty. `lambda_http` answers so to a redirect
and to 204.
MiniStack: fails on null, and the caller gets 500.
Patched: null is an empty body.
"""

from typing import Any

from ministack.services import apigateway_v1

from .target import Function

MODULE = "ministack.services.apigateway_v1"
TARGETS = (Function(MODULE, "_lambda_proxy_response", "3a5b91b76870782b"),)


def apply() -> None:
    """Replaces `_lambda_proxy_response`."""
    shaped = apigateway_v1._lambda_proxy_response

    def with_body(result: Any) -> tuple[dict[str, Any] | None, str | None]:
        response, problem = shaped(result)
        if isinstance(response, dict) and response.get("body") is None:
            response = {**response, "body": ""}
        return response, problem

    apigateway_v1._lambda_proxy_response = with_body
