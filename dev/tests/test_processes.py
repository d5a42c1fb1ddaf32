import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from stack.processes import Process, State, start, stop

# The child ends with this process only if the signal is sent to the whole group.
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
print('up', flush=True)
time.sleep(60)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the test looks into /proc for processes that are left")


def started(tmp_path: Path, code: str, env: Mapping[str, str] | None = None) -> Process:
    log = tmp_path / "log"
    process = start("x", [sys.executable, "-c", code], env or {}, log, tmp_path)
    deadline = time.monotonic() + 10
    while "up" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def alive_in_group(group: int) -> list[int]:
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[2] == str(group) and fields[0] not in "ZX":
                members.append(int(entry.name))
    return members


def test_stopping_a_process_stops_its_children(tmp_path: Path) -> None:
    process = started(tmp_path, PARENT)
    assert process.alive()
    assert len(alive_in_group(process.pid)) == 2
    stop([process], tmp_path)
    assert not process.alive()
    assert alive_in_group(process.pid) == []


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = started(tmp_path, STUBBORN)
    stop([process], tmp_path)
    assert not process.alive()


def test_a_process_that_only_has_the_same_id_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        claimed = Process("x", stranger.pid, "12345")
        assert not claimed.alive()
        stop([claimed], tmp_path)
        time.sleep(0.1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_children_of_a_dead_process_are_found_by_their_mark(tmp_path: Path) -> None:
    process = started(tmp_path, PARENT)
    subprocess.run(["kill", "-9", str(process.pid)], check=True)
    deadline = time.monotonic() + 5
    while process.alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(alive_in_group(process.pid)) == 1
    stop([], tmp_path / "another stack")
    assert len(alive_in_group(process.pid)) == 1
    stop([], tmp_path)
    assert alive_in_group(process.pid) == []


def test_a_stack_runs_only_if_it_was_ready_and_all_of_its_processes_run(tmp_path: Path) -> None:
    state = State(tmp_path)
    assert state.running() is None
    process = started(tmp_path, STUBBORN)
    try:
        state.save(ready=False, processes=[process])
        assert state.running() is None
        state.save(ready=True, processes=[process])
        assert (state.running() or {})["processes"] == [process]
        state.save(ready=True, processes=[process, replace(process, pid=2**22 + 1)])
        assert state.running() is None
        (tmp_path / "stack.json").write_text("{ not json")
        assert state.load() is None
    finally:
        stop([process], tmp_path)
