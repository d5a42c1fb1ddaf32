"""The checks of the answers find wrong ones: a check that finds nothing proves nothing."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from document import operation, problems, validator

RUN = "run_01M888RN49YESS4D7F8HBW5P7X"
FLOW = "flw_01M888RN49YESS4D7F8HBW5P7X"
AT = "2026-11-25T02:30:00.000Z"
STEP = {
    "id": "stp_01M888RN49YESS4D7F8HBW5P7X",
    "nodeId": "draft",
    "type": "llm_step",
    "status": "succeeded",
    "attempts": 1,
    "output": {
        "text": "{}",
        "parsed": {"anything": ["goes"]},
        "model": "scripted",
        "inferenceMs": 3,
        "tokens": {"prompt": 1, "completion": None, "total": 1},
        "toolCalls": [],
    },
}
ANSWER: dict[str, Any] = {
    "data": {
        "flow": {
            "id": FLOW,
            "slug": "refunds",
            "name": "Refunds",
            "version": 1,
            "spec": {"startNodeId": "draft", "nodes": [{"id": "draft", "type": "llm_step", "userPrompt": "x", "retry": None}]},
        },
        "run": {
            "id": RUN,
            "flowId": FLOW,
            "flowVersion": 1,
            "status": "succeeded",
            "trigger": "manual",
            "traceId": 32 * "a",
            "startedBy": "usr_ada",
            "startedAt": AT,
            "input": {"any": "thing"},
            "steps": [STEP],
        },
    }
}
DEEP = ("data", "run", "steps", 0)


def wrong(value: Any, strict: bool = True) -> list[str]:
    return problems(validator({"$ref": "#/components/schemas/RunDetailEnvelope"}, strict), value)


def changed(path: Sequence[str | int], change: Callable[[Any], object]) -> Any:
    answer = copy.deepcopy(ANSWER)
    part: Any = answer
    for key in path:
        part = part[key]
    change(part)
    return answer


def test_a_good_answer_is_good() -> None:
    assert wrong(ANSWER) == []


@pytest.mark.parametrize(
    "path", [(), ("data",), ("data", "flow"), ("data", "run"), DEEP, (*DEEP, "output"), (*DEEP, "output", "tokens")], ids=str
)
def test_a_field_that_the_document_does_not_name_is_found_at_every_depth(path: Sequence[str | int]) -> None:
    answer = changed(path, lambda part: part.update(surprise=1))
    assert any("surprise" in problem for problem in wrong(answer))
    assert wrong(answer, strict=False) == [], "a client must accept it"


@pytest.mark.parametrize("path", [("data",), ("data", "flow"), ("data", "run"), DEEP, (*DEEP, "output")], ids=str)
def test_a_field_that_is_missing_is_found(path: Sequence[str | int]) -> None:
    def without_the_first(part: Any) -> None:
        del part[next(iter(part))]

    assert wrong(changed(path, without_the_first))


@pytest.mark.parametrize(
    "change",
    [
        lambda step: step.update(type="wait"),  # another branch of the union
        lambda step: step.update(type="unheard_of"),
        lambda step: step.update(attempts="1"),
        lambda step: step.update(startedAt="yesterday"),
        lambda step: step.update(id="stp_1"),
        lambda step: step.update(output="text"),
    ],
)
def test_a_value_of_another_shape_is_found(change: Callable[[Any], object]) -> None:
    assert wrong(changed(DEEP, change))


def test_a_node_with_a_field_of_another_type_of_node_is_found() -> None:
    assert wrong(changed(("data", "flow", "spec", "nodes", 0), lambda node: node.update(url="http://x")))


def test_a_path_belongs_to_the_operation_whose_parameters_it_fills() -> None:
    (output, run) = (operation("GET", f"/api/runs/{RUN}{rest}") for rest in ("/steps/draft/output", ""))
    assert output is not None and output.id == "getStepOutput"
    assert run is not None and run.id == "getRun"
    assert operation("GET", "/api/runs") is None
    assert operation("DELETE", f"/api/runs/{RUN}") is None
