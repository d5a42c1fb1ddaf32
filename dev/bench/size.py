"""Release builds of the functions and their sizes."""

import subprocess
import time
from collections.abc import Iterable, Sequence

from stack.console import StackError, say
from stack.packaging import load_template
from stack.settings import ROOT, Settings

from .flows import Check, api_functions

MEGABYTE = 1_000_000
API_BUDGET = 7


def functions() -> dict[str, bool]:
    """Returns the binaries of template.yaml, and for each whether it answers API calls."""
    api = {name.split("-", 2)[2] for name in api_functions()}  # runs-local-get-run
    found: dict[str, bool] = {}
    for resource in load_template(ROOT / "template.yaml")["Resources"].values():
        if resource.get("Type") == "AWS::Serverless::Function":
            binary = resource["Metadata"]["BuildProperties"]["Binary"]
            found[binary] = binary in api
    return dict(sorted(found.items()))


def build_release(names: Sequence[str]) -> None:
    """Builds them one after the other and prints the progress: each link needs much memory and takes a minute."""
    for number, name in enumerate(names, 1):
        say(f"Release   building {name} ({number} of {len(names)}; about a minute each, the first one several)")
        start = time.monotonic()
        command = ["cargo", "build", "--release", "--quiet", "--package", name]
        if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode != 0:
            raise StackError(f"`{' '.join(command)}` failed; its messages are above.")
        say(f"Release   {name} is built ({time.monotonic() - start:.0f} s)")


def sizes(settings: Settings, names: Iterable[str]) -> dict[str, int]:
    """Returns the size of each release binary in bytes."""
    return {name: (settings.target_dir / "release" / name).stat().st_size for name in names}


def checks(measured: dict[str, int]) -> list[Check]:
    """Returns the budgets of the sizes with the measured values."""
    answers_calls = functions()
    return [Check(f"{name}, MB", size / MEGABYTE, API_BUDGET) for name, size in measured.items() if answers_calls.get(name)]


def report(measured: dict[str, int]) -> list[str]:
    """Returns the section of the report as lines of Markdown."""
    lines = [
        "Release build as it is deployed (stripped, one codegen unit, fat LTO), in megabytes of 1,000,000 bytes. The budget is for",
        "functions that answer API calls.",
        "",
        "| binary | MB | at most | |",
        "|---|---:|---:|---|",
    ]
    answers_calls = functions()
    for name, size in measured.items():
        if answers_calls.get(name):
            check = Check(name, size / MEGABYTE, API_BUDGET)
            lines.append(f"| {name} | {check.measured:.2f} | {API_BUDGET} | {check.verdict} |")
        else:
            lines.append(f"| {name} | {size / MEGABYTE:.2f} | | |")
    return lines
