"""The list of what was not run: `make test` names its file in SKIPPED, and prints it in the summary.

As a plugin of pytest (`-p dev.skipped`) this module lists every test that pytest skips, with the reason.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def note_skipped(name: str, reason: str) -> None:
    """Appends one line to the file that SKIPPED names; without that variable there is no list."""
    if file := os.environ.get("SKIPPED"):
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(f"{name}: {' '.join(reason.split())}\n")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Lists a test that was skipped. A test that failed as expected counts as skipped too, but was run."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Lists a file that skips all of its tests."""
    if report.skipped:
        _note(report)


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    note_skipped(report.nodeid, reason.removeprefix("Skipped: "))
