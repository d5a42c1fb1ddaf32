"""The runner of the documents: what it reads, what counts as a difference, and at which line a command failed."""

import json
from pathlib import Path
from typing import Any

import pytest

from documents import excerpt, session
from documents.examples import flow, spec_around
from documents.expected import difference, json_difference, text_matches
from documents.markdown import blocks

DOCUMENT = """# A document

<!-- not run: needs an AWS account -->

```sh
sam deploy
```

Words.

```sh
echo one
```

```text
one
```

- in a list:

  ```json
  {"type": "wait"}
  ```
"""


def test_blocks_know_their_line_what_they_follow_and_why_they_are_not_run() -> None:
    found = [(block.line, block.language, block.text, block.not_run, block.follows) for block in blocks(DOCUMENT)]
    assert found == [
        (5, "sh", "sam deploy", "needs an AWS account", False),
        (11, "sh", "echo one", None, False),
        (15, "text", "one", None, True),
        (21, "json", '{"type": "wait"}', None, False),
    ]


def test_a_fence_that_is_never_closed_is_an_error_at_its_line() -> None:
    with pytest.raises(ValueError, match="line 2"):
        blocks("\n```sh\necho\n")


def test_a_reason_counts_for_the_next_block_only() -> None:
    document = "<!-- not run: x -->\nWords.\n```sh\na\n```\n```sh\nb\n```\n"
    assert [block.not_run for block in blocks(document)] == [None, None]


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [("a…c", "abc", True), ("a…c", "ac", True), ("a…c", "a\nb\nc", True), ("a…", "b", False), ("a.c", "abc", False), ("", "x", False)],
)
def test_an_ellipsis_stands_for_anything(expected: Any, actual: Any, same: bool) -> None:
    assert text_matches(expected, actual) is same


@pytest.mark.parametrize(
    ("expected", "actual", "where"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": 2}, "$.a"),
        ({"a": 1}, {"a": True}, "$.a"),
        ({"a": 1}, {}, "`a` is missing"),
        ({"a": 1}, {"a": 1, "b": 2}, "`b` is not expected"),
        ({"a": 1, "…": "…"}, {"a": 1, "b": 2}, None),
        ({"a": "…"}, {"a": [1]}, None),
        ({"a": "run_…"}, {"a": "run_7"}, None),
        ({"a": "run_…"}, {"a": "flw_7"}, "$.a"),
        ([1, 2], [1], "$: 2 items"),
        ([1], [1, 2], "$: 1 items"),
        ([1, "…"], [1, 2], None),
        ([{"a": [1]}], [{"a": [2]}], "$[0].a[0]"),
        (None, 0, "$"),
    ],
)
def test_json_is_compared_place_by_place(expected: Any, actual: Any, where: str | None) -> None:
    found = json_difference(expected, actual)
    assert (found is None) if where is None else (found is not None and where in found)


def test_what_is_printed_must_be_json_if_json_is_expected() -> None:
    assert "not JSON" in (difference("json", "{}", "curl: (7) refused") or "")
    assert difference("json", '{"a": "…"}', '{"a": 1}\n') is None
    assert difference("text", "one\n", "one\n\n") is None


def run(tmp_path: Path, document: str, seconds: float = 20) -> session.SessionResult:
    return session.run("docs/x.md", [block for block in blocks(document) if block.language == "sh"], tmp_path, {"QE": "7"}, seconds)


def test_blocks_share_one_shell_and_each_has_its_own_output(tmp_path: Path) -> None:
    ran = run(tmp_path, '```sh\nname=Ada; f() { echo "hello $name"; }\n```\n\n```sh\nf; pwd; echo $QE\necho no >&2\n```\n')
    assert (ran.failed_at, ran.printed) == (None, {1: "", 5: f"hello Ada\n{tmp_path}\n7\nno\n"})


@pytest.mark.parametrize(
    ("commands", "line"),
    [
        ("true\nfalse\necho", 6),
        ("true | false | true", 5),
        ("f() {\n  false\n}\nf", 6),
        ("echo $UNSET", 4),
        ("exit 0", 4),
        ("if", 4),
    ],
)
def test_a_command_that_fails_is_named_by_its_line_and_nothing_runs_after_it(tmp_path: Path, commands: str, line: int) -> None:
    ran = run(tmp_path, f"```sh\necho before\n```\n```sh\n{commands}\n```\n```sh\ntouch after\n```\n")
    assert (ran.failed_at, ran.printed[1]) == (line, "before\n")
    assert not (tmp_path / "after").exists()


def test_a_document_that_hangs_is_stopped(tmp_path: Path) -> None:
    ran = run(tmp_path, "```sh\nsleep 600\n```\n", seconds=0.2)
    assert (ran.failed_at, ran.why) == (1, "the shell was stopped after 0.2 s")


def test_a_node_is_saved_with_all_nodes_that_it_names() -> None:
    node = {
        "id": "n",
        "type": "human_approval",
        "proposedAction": ["${step.b.output.x}", "${step.a.output}"],
        "onReject": "route_to:no",
        "onError": "fail",
    }
    spec = spec_around(node)
    assert spec["startNodeId"] == "a"
    assert [each["id"] for each in spec["nodes"]] == ["n", "a", "b", "no"]
    assert spec["edges"] == [{"from": "a", "to": "b"}, {"from": "b", "to": "n"}]


def test_a_decision_is_saved_with_its_branches() -> None:
    spec = spec_around({"id": "d", "type": "decision", "expression": "step.a.output", "cases": {"1": {"next": "x"}, "2": {"next": "x"}}})
    assert [each["id"] for each in spec["nodes"]] == ["d", "a", "x"]
    assert {"from": "d", "to": "x", "case": "2"} in spec["edges"]


def test_an_example_of_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="none of them"):
        flow(json.loads('{"a": 1}'), "x")


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ("# x.yaml\na: 1\n  b: 2", None),
        ("# x.yaml\na: 1\n# …\nc: 3", None),
        ("# x.yaml\nc: 3\n# …\na: 1", "does not have"),
        ("# x.yaml\na: 1\nc: 3", "does not have"),
        ("# y.yaml\na: 1", "there is no file y.yaml"),
        ("a: 1", "must name the file"),
    ],
)
def test_an_excerpt_is_what_the_file_says(tmp_path: Path, lines: str, wrong: str | None) -> None:
    (tmp_path / "x.yaml").write_text("a: 1\nb: 2\n\nc: 3\n")
    [block] = blocks(f"```yaml\n{lines}\n```\n")
    found = excerpt.check(block, tmp_path)
    assert (found is None) if wrong is None else (found is not None and wrong in found)
