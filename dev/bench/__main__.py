"""`python dev/bench [flows] [cold] [cron] [size] [latency]`: measures, prints, and writes into docs/benchmarks.md; all parts by default."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from botocore.exceptions import BotoCoreError, ClientError

from bench import canonical, cold, cron, flows, latency, report, size
from bench.runs import Runs
from bench.usage import Reader
from stack.console import StackError, bold, fail, say
from stack.demo import TICKET
from stack.lifecycle import bring_up, stop_everything
from stack.seed import require_env
from stack.settings import ROOT, Model, Settings

PARTS = ("flows", "cold", "cron", "size", "latency")
# What is billed by the millisecond is measured as it is deployed; what only answers calls of the bench may be a debug build.
RELEASED = ("advance-run",)


def main() -> int:
    """Measures the parts that the arguments name and returns the exit code."""
    parser = argparse.ArgumentParser(prog="dev/bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"{', '.join(PARTS)}; all if none is named")
    parts = parser.parse_args().parts or PARTS
    # Its own stack, whatever model and stack the user has: figures must not depend on them.
    for name in ("LLM_BASE_URL", "LLM_API_KEY", "LLM_MODELS", "LLM_OPTIONS"):
        os.environ.pop(name, None)
    sections: dict[str, list[str]] = {}
    try:
        settings = replace(Settings.from_environment(), released=frozenset(RELEASED))
        if "size" in parts:
            names = list(size.functions())
            size.build_release(names)
            sections["size"] = size.report(size.sizes(settings, names))
        if "cron" in parts:
            sections["cron"] = cron.report(settings)
        if "latency" in parts:
            sections["latency"] = _latency(replace(settings, released=frozenset()))
        if "flows" in parts or "cold" in parts:
            sections |= _on_a_stack(settings, parts)
    except StackError as problem:
        fail(str(problem))
        return 1
    except (BotoCoreError, ClientError, TimeoutError) as problem:
        fail(f"{problem}. The log of MiniStack may say more: {settings.dev_dir_name}/ministack.log")
        return 1
    for section, lines in sections.items():
        say()
        say(bold(f"== {section}"))
        for line in lines:
            say(line)
    report.write(sections)
    say(f"\nWritten to {report.FILE.relative_to(ROOT)}.")
    return 0


def _latency(settings: Settings) -> list[str]:
    """Measures the stack as developers use it: with debug binaries and without a ledger."""
    try:
        bring_up(settings)
        return latency.report(settings, require_env(settings))
    finally:
        stop_everything(settings)


def _on_a_stack(settings: Settings, parts: Sequence[str]) -> dict[str, list[str]]:
    size.build_release([*RELEASED, "plain-step"] if "flows" in parts else list(RELEASED))
    if "cold" in parts:
        size.build_release(["empty-function", "get-run"])
    settings.dev_dir.mkdir(parents=True, exist_ok=True)
    ledger = settings.dev_dir / "ledger.jsonl"
    ledger.unlink(missing_ok=True)
    os.environ["STACK_LEDGER"] = str(ledger)  # the stack's processes inherit it
    sections: dict[str, list[str]] = {}
    try:
        bring_up(settings)
        env, reader = require_env(settings), Reader(ledger)
        runs = Runs(settings, env)
        if "flows" in parts:
            bench = flows.Bench(settings, Model.from_environment(settings), env, runs, reader)
            results = bench.flows()
            sections["flows"] = flows.report(results, bench.lists())
        if "cold" in parts:
            runs.create("cold", canonical.draft_approve_execute())
            reader.skip()
            run = runs.run("cold", TICKET, reader)
            sections["cold"] = cold.report(cold.measure(settings, env, run))
    finally:
        stop_everything(settings)
    return sections


if __name__ == "__main__":
    sys.exit(main())
