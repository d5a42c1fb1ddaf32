"""The bodies of the wire tests of Amazon Bedrock satisfy AWS's model of the service, which botocore contains."""

import json
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

from definitions import ROOT

BODIES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "crates/nodes/tests/wire/bedrock/bodies").glob("*.json")}
SERVICE = botocore.session.Session().get_service_model("bedrock-runtime")
CONVERSE = SERVICE.operation_model("Converse")


def named(prefix: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", sorted(name for name in BODIES if name.startswith(prefix)))


def complaints(value: Any, shape: Any) -> str:
    return ParamValidator().validate(value, shape).generate_report()


def test_there_are_bodies_of_every_kind() -> None:
    assert {name.split("-")[0] for name in BODIES} == {"request", "response", "error"}


@named("request-")
def test_aws_would_take_the_request(name: str) -> None:
    """The validator reports unknown fields, missing ones and wrong types."""
    request = {"modelId": "anthropic.claude-3-5-sonnet-20240620-v1:0", **json.loads(BODIES[name])}
    assert complaints(request, CONVERSE.input_shape) == ""


@named("response-")
def test_aws_would_give_the_response(name: str) -> None:
    """Parsing drops fields that the model of the service does not have; the validator reports required ones that are missing."""
    parsed = create_parser("rest-json").parse({"status_code": 200, "headers": {}, "body": BODIES[name].encode()}, CONVERSE.output_shape)
    del parsed["ResponseMetadata"]
    assert parsed == json.loads(BODIES[name])
    assert complaints(parsed, CONVERSE.output_shape) == ""


@pytest.mark.parametrize(("name", "exception"), [("error-throttling", "ThrottlingException"), ("error-model", "ModelErrorException")])
def test_aws_would_give_the_error(name: str, exception: str) -> None:
    shape = next(shape for shape in CONVERSE.error_shapes if shape.name == exception)
    assert complaints(json.loads(BODIES[name]), shape) == ""


def test_the_statuses_of_the_wire_tests_are_those_of_the_exceptions() -> None:
    source = (ROOT / "crates/nodes/tests/wire/bedrock/failures.rs").read_text(encoding="utf-8")
    for shape in CONVERSE.error_shapes:
        assert f'({shape.metadata["error"]["httpStatusCode"]}, "{shape.name}", ' in source
