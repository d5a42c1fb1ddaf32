"""Importing an OpenAPI document takes over the gateway responses that it declares."""

from typing import Any

import pytest
from ministack.services import apigateway_v1

from ministack_patches import gateway_responses

RESPONSE = {"statusCode": "404", "responseTemplates": {"application/json": '{"error": "there is no such path"}'}}
DOCUMENT: dict[str, Any] = {"openapi": "3.0.1", "info": {"title": "gateway-responses-test", "version": "1"}, "paths": {}}


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was put so far; the import itself is MiniStack's."""
    calls: list[tuple[Any, ...]] = []
    original = apigateway_v1._put_gateway_response

    def recorded(*arguments: Any) -> Any:
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(apigateway_v1, "_put_gateway_response", recorded)
    monkeypatch.setattr(apigateway_v1, "_import_rest_api", lambda *_args, **_kwargs: "an-api")
    gateway_responses.apply()
    return calls


def test_each_declared_response_is_put(put: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apigateway_v1, "_rest_apis", {"an-api": {"id": "an-api"}})
    document = {**DOCUMENT, gateway_responses.EXTENSION: {"MISSING_AUTHENTICATION_TOKEN": RESPONSE}}
    assert apigateway_v1._import_rest_api(document) == "an-api"
    assert put == [("an-api", "MISSING_AUTHENTICATION_TOKEN", RESPONSE)]


def test_a_document_without_responses_is_imported_as_before(put: list[tuple[Any, ...]]) -> None:
    assert apigateway_v1._import_rest_api(DOCUMENT) == "an-api"
    assert put == []


@pytest.mark.usefixtures("put")
def test_a_response_that_is_refused_fails_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apigateway_v1, "_put_gateway_response", lambda *_: (400, {}, b"no"))
    with pytest.raises(ValueError, match="MISSING_AUTHENTICATION_TOKEN"):
        apigateway_v1._import_rest_api({**DOCUMENT, gateway_responses.EXTENSION: {"MISSING_AUTHENTICATION_TOKEN": RESPONSE}})
