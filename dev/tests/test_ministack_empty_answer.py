"""A function may answer without a body, as a redirect does; every other answer is left alone."""

from typing import Any

import pytest
from ministack.services import apigateway_v1

from ministack_patches import empty_answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"statusCode": 302, "body": None}, {"statusCode": 302, "body": ""}),
        ({"statusCode": 204}, {"statusCode": 204, "body": ""}),
        ({"statusCode": 200, "body": "{}"}, {"statusCode": 200, "body": "{}"}),
        (None, None),
    ],
)
def test_null_is_an_empty_body(monkeypatch: pytest.MonkeyPatch, answer: Any, expected: Any) -> None:
    monkeypatch.setattr(apigateway_v1, "_lambda_proxy_response", lambda _: (answer, None))
    empty_answer.apply()
    assert apigateway_v1._lambda_proxy_response({}) == (expected, None)
