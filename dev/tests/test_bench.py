"""The arithmetic and the report of `make bench`; only a run of it measures anything."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ministack.services import stepfunctions

from bench import canonical, flows, prices, report, size, usage
from bench.flows import Check
from bench.runtime_api import cold_start
from stack.console import StackError

API = {"s-execute-flow"}


def test_usage_adds_up_what_aws_bills() -> None:
    entries: list[dict[str, Any]] = [
        {"kind": "state", "machine": "m", "execution": "e", "state": "Advance"},
        {"kind": "lambda", "function": "s-execute-flow", "memory": 256, "ms": 5.0},
        {"kind": "lambda", "function": "s-advance-run", "memory": 512, "ms": 10.2},
        {"kind": "dynamodb", "op": "PutItem", "by": "s-execute-flow", "read": 0, "write": 2.0, "refused": False},
        {"kind": "dynamodb", "op": "PutItem", "by": "s-advance-run", "read": 0, "write": 0, "refused": True},
        {"kind": "dynamodb", "op": "Query", "by": "s-reconcile-runs", "read": 0.5, "write": 0, "refused": False},
        {"kind": "s3", "op": "PutObject", "by": "s-advance-run", "status": 200},
        {"kind": "s3", "op": "GetObject", "by": "s-advance-run", "status": 200},
        {"kind": "s3", "op": "DeleteObject", "by": "s-advance-run", "status": 204},
    ]
    used = usage.of(entries, API, ignored={"s-reconcile-runs"})
    assert used == usage.Usage(1, 1, 11, 11 / 1000 * 0.5, 2.0, 0, 1, 1, 1)


def test_a_million_runs_cost_the_list_prices() -> None:
    assert prices.dollars(usage.Usage(states=1)) * 1e6 == pytest.approx(25)
    assert prices.dollars(usage.Usage(write_units=2, read_units=1)) * 1e6 == pytest.approx(1.375)
    assert prices.dollars(usage.Usage(invocations=1, gb_seconds=1)) * 1e6 == pytest.approx(0.2 + 16.6667)
    assert prices.dollars(usage.Usage(s3_writes=1, s3_reads=1)) * 1e6 == pytest.approx(5.4)


def test_the_typical_run_is_the_median_and_what_differs_is_said() -> None:
    runs = [usage.Usage(states=1, write_units=units, billed_ms=ms) for units, ms in ((20, 9), (21, 5), (21, 7))]
    assert usage.typical(runs) == usage.Usage(states=1, write_units=21, billed_ms=7)
    assert usage.spread(runs) == ["write_units 20 to 21"]


def test_a_reader_takes_whole_lines_once(tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    file.write_text('{"kind": "state"}\n{"kind": "la')
    reader = usage.Reader(file)
    assert reader.take() == [{"kind": "state"}]
    with file.open("a") as more:
        more.write('mbda"}\n')
    assert reader.take() == [{"kind": "lambda"}] and reader.take() == []


def test_a_budget_is_met_up_to_and_including_its_limit() -> None:
    assert [Check("x", measured, 3).verdict for measured in (2.9, 3, 3.1)] == ["met", "met", "NOT MET"]


def test_every_flow_is_held_against_the_budgets_of_the_design() -> None:
    ours, plain = usage.Usage(states=1, invocations=1, write_units=20), usage.Usage(states=10, invocations=10, write_units=22)
    results = [flows.Result(case, ours, plain if case.has_plain else None, (), {"states": 2.0}) for case in flows.CASES]
    checks = flows.checks(results, [flows.Listing("no filter", 50, 11.0)])
    assert len(checks) == 5 * 2 + 3 + 1 + 3 + 1
    assert checks[-1].verdict == "NOT MET"
    text = "\n".join(flows.report(results, []))
    assert "| (c) chain of 100 | runs | 1 |" in text and "- (c) Park 2" in text and "NOT MET" in text


def test_figures_go_between_their_markers_and_nothing_else_changes() -> None:
    page = "by hand\n<!-- bench:size -->\nold\n<!-- /bench:size -->\nalso by hand\n"
    assert report.put(page, "size", ["new"]) == "by hand\n<!-- bench:size -->\n\nnew\n\n<!-- /bench:size -->\nalso by hand\n"
    with pytest.raises(StackError, match="must hold"):
        report.put("no markers", "size", ["new"])


def test_the_page_has_a_place_for_every_part() -> None:
    page = report.FILE.read_text(encoding="utf-8")
    for section in ("flows", "cold", "size"):
        report.put(page, section, ["x"])


def test_a_plain_workflow_has_one_state_for_each_node_and_a_way_to_fail() -> None:
    machine = canonical.plain_chain(10)
    nodes = [state for state in machine["States"].values() if "lambda:invoke" in state.get("Resource", "")]
    assert len(nodes) == 10 and len(machine["States"]) == 12
    gate = canonical.plain_draft_approve_execute()["States"]["review"]
    assert gate["Resource"] == "arn:aws:states:::lambda:invoke.waitForTaskToken"


def test_the_prompt_of_the_plain_workflow_is_that_of_the_flow() -> None:
    draft = canonical.plain_draft_approve_execute()["States"]["draft"]["Parameters"]["Payload"]["work"]
    values = {"customer": "M", "paid": 1, "currency": "EUR", "orderId": "A", "message": "hi"}
    filled = stepfunctions._apply_parameters({"Parameters": {"prompt.$": draft["userPrompt.$"]}}, {"input": values}, {"Execution": {}})[
        "prompt"
    ]
    expected = canonical.PROMPT_WITH_SCRIPT
    for name, value in values.items():
        expected = expected.replace(f"${{trigger.{name}}}", str(value))
    assert filled == expected
    assert json.loads(filled.partition("SCRIPTED: ")[2])["orderId"] == "A"


def test_the_functions_behind_the_api_are_those_with_a_route() -> None:
    names = flows.api_functions()
    assert "runs-local-get-run" in names and "runs-local-advance-run" not in names
    assert size.functions()["get-run"] and not size.functions()["advance-run"]


def test_a_cold_start_gives_the_first_answer_and_ends_the_process(tmp_path: Path) -> None:
    function = tmp_path / "function"
    function.write_text(
        f"#!{sys.executable}\n"
        "import os, urllib.request as http\n"
        "api = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/invocation/'\n"
        "event = http.urlopen(api + 'next')\n"
        "http.urlopen(api + event.headers['Lambda-Runtime-Aws-Request-Id'] + '/response', b'{\"got\": ' + event.read() + b'}')\n"
        "http.urlopen(api + 'next')\n"
    )
    function.chmod(0o755)
    started = cold_start(function, {}, {"x": 1})
    assert started.answer == {"got": {"x": 1}}
    assert started.cpu_ms > 0 and started.wall_ms > 0
