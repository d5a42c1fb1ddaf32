"""Properties of the state machines that can be checked without running them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from definitions import RESUME, RUN, placeholders, resources, substituted

VALUES = {
    "AdvanceRunArn": "arn:aws:lambda:us-east-1:000000000000:function:advance-run",
    "TableName": "runs",
}
DEFINITIONS = pytest.mark.parametrize("path", [RUN, RESUME], ids=lambda path: path.stem)
VALIDATOR = "asl-validator@4.0.0"


def definition(path: Path) -> dict[str, Any]:
    """Returns a definition with values for its placeholders."""
    return substituted(path, **VALUES)


@DEFINITIONS
def test_the_validator_accepts_it(path: Path, tmp_path: Path) -> None:
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip(f"npx (Node.js) is not installed, so {VALIDATOR} did not check {path.name}")
    filled = tmp_path / path.name
    filled.write_text(json.dumps(definition(path)))
    command = [npx, "--yes", VALIDATOR, "--json-path", str(filled)]
    try:
        checked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npx did not bring {VALIDATOR} within two minutes, so it did not check {path.name}")
    said = checked.stdout + checked.stderr
    if "npm error" in said or "npm ERR!" in said:
        pytest.skip(f"npx could not bring {VALIDATOR} (no network?), so it did not check {path.name}")
    assert checked.returncode == 0, said


@DEFINITIONS
def test_the_template_substitutes_every_placeholder_and_no_other(path: Path) -> None:
    (machine,) = (
        each["Properties"]
        for each in resources("AWS::Serverless::StateMachine").values()
        if each["Properties"]["DefinitionUri"] == f"statemachine/{path.name}"
    )
    assert set(machine["DefinitionSubstitutions"]) == placeholders(path)


@DEFINITIONS
def test_every_state_is_reached_and_either_ends_or_goes_on(path: Path) -> None:
    machine = definition(path)
    reached: set[str] = set()
    ahead: list[str] = [machine["StartAt"]]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            state = machine["States"][name]
            assert ("Next" in state) != (state.get("End") is True), f"{name} must either end or go on"
            ahead += [state["Next"]] if "Next" in state else []
            ahead += [catcher["Next"] for catcher in state.get("Catch", [])]
    assert reached == set(machine["States"])


@DEFINITIONS
def test_states_all_stands_alone_and_last(path: Path) -> None:
    """Step Functions refuses other definitions; neither interpreter does."""
    for name, state in definition(path)["States"].items():
        for field in ("Retry", "Catch"):
            rules = [rule["ErrorEquals"] for rule in state.get(field, [])]
            assert all("States.ALL" not in errors for errors in rules[:-1]), f"{name}.{field}"
            assert all(len(errors) == 1 for errors in rules if "States.ALL" in errors), f"{name}.{field}"


@DEFINITIONS
def test_retries_stay_within_the_limits_of_step_functions(path: Path) -> None:
    for name, state in definition(path)["States"].items():
        for retrier in state.get("Retry", []):
            assert retrier["JitterStrategy"] == "FULL", name
            assert 1 <= retrier["IntervalSeconds"] < retrier["MaxDelaySeconds"] < 31_622_400, name
            assert retrier["BackoffRate"] >= 1, name


@DEFINITIONS
def test_every_task_has_a_timeout(path: Path) -> None:
    for name, state in definition(path)["States"].items():
        assert "TimeoutSeconds" in state or "TimeoutSecondsPath" in state, name


def test_both_machines_advance_in_the_same_way() -> None:
    assert definition(RUN)["States"]["Advance"] == definition(RESUME)["States"]["Advance"]


def test_park_does_not_retry_what_it_catches_by_name() -> None:
    """A failed condition or a passed deadline is an expected outcome: a retry would only keep the run waiting."""
    park = definition(RESUME)["States"]["Park"]
    retried = {error for retrier in park["Retry"] for error in retrier["ErrorEquals"]}
    assert retried.isdisjoint({"DynamoDb.ConditionalCheckFailedException", "States.Timeout", "States.ALL"})


def test_park_names_every_attribute_that_its_expressions_use() -> None:
    parameters = definition(RESUME)["States"]["Park"]["Parameters"]
    expressions = parameters["UpdateExpression"] + " " + parameters["ConditionExpression"]
    used = set(expressions.replace(",", " ").split())
    assert {word for word in used if word.startswith("#")} == set(parameters["ExpressionAttributeNames"])
    assert {word for word in used if word.startswith(":")} == set(parameters["ExpressionAttributeValues"])
