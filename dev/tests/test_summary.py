"""The summary of `make test`: how each suite ended, and the exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.settings import ROOT


@pytest.fixture
def report(tmp_path: Path) -> Path:
    (tmp_path / "skipped").touch()
    return tmp_path


def make(report: Path, *arguments: str) -> tuple[int, str]:
    """Runs make with two suites, of which one needs a stack."""
    command = ["make", "--no-print-directory", f"REPORT={report}", "SUITES=lint-a test-b", "STACK_SUITES=test-c", *arguments]
    # A make that runs these tests must not pass its own options on.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def passed(report: Path, *suites: str) -> None:
    for suite in suites:
        (report / suite).write_text("3\n")


def test_all_suites_that_passed_are_listed_with_their_time(report: Path) -> None:
    passed(report, "lint-a", "test-b", "test-c")
    code, text = make(report, "summary")
    assert code == 0
    assert "passed   test-b (3 s)" in text and "3 passed, 0 failed or not run, 0 skipped." in text


def test_a_suite_that_failed_is_named(report: Path) -> None:
    passed(report, "lint-a", "test-c")
    (report / "test-b.started").touch()
    code, text = make(report, "summary")
    assert code != 0
    assert "FAILED   test-b" in text and "2 passed, 1 failed or not run, 0 skipped." in text


def test_a_suite_that_never_began_is_a_failure(report: Path) -> None:
    passed(report, "lint-a", "test-b")
    code, text = make(report, "summary")
    assert code != 0
    assert "NOT RUN  test-c" in text


def test_a_suite_or_a_test_that_was_skipped_is_no_failure_and_has_its_reason(report: Path) -> None:
    passed(report, "lint-a", "test-b", "test-c")
    (report / "skipped").write_text("lint-a: Node.js is not installed\ntests/x.py::test_y: no /proc\n")
    code, text = make(report, "summary")
    assert code == 0
    assert "skipped  lint-a: Node.js is not installed" in text and "skipped  tests/x.py::test_y: no /proc" in text
    assert "passed   lint-a" not in text and "2 passed, 0 failed or not run, 2 skipped." in text


def test_a_skipped_test_is_listed_by_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "import pytest\n"
        "def test_passes(): pass\n"
        "@pytest.mark.skip(reason='not here')\n"
        "def test_skipped(): pass\n"
        "@pytest.mark.xfail(reason='known', strict=True)\n"
        "def test_fails_as_expected(): assert False\n"
    )
    (tmp_path / "test_module.py").write_text("import pytest\npytest.skip('the whole file', allow_module_level=True)\n")
    listed = tmp_path / "skipped"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "dev.skipped",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
        "-c",
        "/dev/null",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "SKIPPED": str(listed)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert sorted(line.partition("test_")[2] for line in listed.read_text().splitlines()) == [
        "module.py: the whole file",
        "x.py::test_skipped: not here",
    ]
