"""`x-amazon-apigateway-gateway-responses` of an imported REST API.

AWS: importing an OpenAPI document takes over the gateway responses that it declares
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.html). SAM writes them there.
MiniStack: ignores them, so an unknown path would answer without our error envelope.
Patched: each declared response is put as a client would put it.
"""

from typing import Any

from ministack.services import apigateway_v1

from .target import Function

MODULE = "ministack.services.apigateway_v1"
TARGETS = (Function(MODULE, "_import_rest_api", "ef72f9312702dbb3"), Function(MODULE, "_put_gateway_response", "93e727fc3806527a"))
EXTENSION = "x-amazon-apigateway-gateway-responses"


def apply() -> None:
    """Replaces `_import_rest_api`."""
    import_rest_api = apigateway_v1._import_rest_api

    def imported(document: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        api = import_rest_api(document, *args, **kwargs)
        for kind, response in document.get(EXTENSION, {}).items():
            status, _headers, body = apigateway_v1._put_gateway_response(api, kind, response)
            if status >= 400:
                raise ValueError(f"{EXTENSION}.{kind}: {body!r}")
        return api

    apigateway_v1._import_rest_api = imported
