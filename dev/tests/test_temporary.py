"""A temporary stack: its command gets the environment, and the stack is stopped whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack import temporary
from stack.console import StackError
from stack.settings import ROOT, Settings
from stack.temporary import free_ports, run_on_temporary_stack


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Replaces the start and the stop of the stack, which then only record that they were called."""
    recorded: list[str] = []

    def bring_up(_settings: Settings) -> None:
        recorded.append("up")

    def stop(_settings: Settings) -> None:
        recorded.append("down")

    monkeypatch.setattr(temporary, "bring_up", bring_up)
    monkeypatch.setattr(temporary, "stop_everything", stop)
    monkeypatch.setattr(temporary, "read_env", lambda _settings: {"QE_BASE_URL": "http://stack"})
    before = dict(os.environ)
    os.environ.pop(temporary.MARK, None)
    yield recorded
    os.environ.clear()
    os.environ.update(before)


def settings(tmp_path: Path) -> Settings:
    return Settings(port=4566, dev_dir=tmp_path, target_dir=tmp_path / "target")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_command_has_the_environment_of_the_stack(tmp_path: Path, events: list[str]) -> None:
    os.environ["LLM_BASE_URL"] = "https://a-real-model"
    (tmp_path / "recordings").mkdir()
    (tmp_path / "accesses.jsonl").touch()
    names = ["QE_BASE_URL", "RECORD_DIR", "STACK_ACCESSES", "TEMPORARY_STACK", "LLM_BASE_URL"]
    code = f"import os; open({str(tmp_path / 'seen')!r}, 'w').write(repr([os.environ.get(name) for name in {names}] + [os.getcwd()]))"
    assert run_on_temporary_stack(settings(tmp_path), python(code)) == 0
    seen: list[Any] = [
        "http://stack",
        str(tmp_path / "recordings"),
        str(tmp_path / "accesses.jsonl"),
        str(tmp_path),
        None,
        str(ROOT),
    ]
    assert (tmp_path / "seen").read_text() == repr(seen)
    assert events == ["down", "up", "down"]
    assert not (tmp_path / "recordings").exists() and not (tmp_path / "accesses.jsonl").exists(), "recordings begin with none"


def test_the_exit_code_is_that_of_the_command(tmp_path: Path, events: list[str]) -> None:
    assert run_on_temporary_stack(settings(tmp_path), python("raise SystemExit(7)")) == 7
    with pytest.raises(StackError, match="cannot be run"):
        run_on_temporary_stack(settings(tmp_path), ["no-such-command"])
    assert events == ["down", "up", "down"] * 2


def test_a_stack_that_does_not_start_is_stopped(tmp_path: Path, events: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_settings: Settings) -> None:
        raise StackError("no")

    monkeypatch.setattr(temporary, "bring_up", refuse)
    with pytest.raises(StackError):
        run_on_temporary_stack(settings(tmp_path), python(""))
    assert events == ["down", "down"]


def test_a_command_on_a_temporary_stack_starts_no_second_one(tmp_path: Path, events: list[str]) -> None:
    os.environ[temporary.MARK] = "another"
    assert run_on_temporary_stack(settings(tmp_path), python("")) == 0
    assert events == []


def test_an_interruption_ends_the_command_and_stops_the_stack(tmp_path: Path, events: list[str]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_on_temporary_stack(settings(tmp_path), python("import time; time.sleep(60)"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert events == ["down", "up", "down"]
    assert time.monotonic() - started < 30


def test_the_ports_are_free() -> None:
    port = free_ports()
    for each in range(port, port + 4):
        with socket.socket() as server:
            server.bind(("127.0.0.1", each))
    with socket.socket() as server:
        server.bind(("127.0.0.1", port + 1))
        server.listen()
        assert free_ports() != port


def test_the_command_line_names_the_directory_and_the_command() -> None:
    """Within a temporary stack the command runs without another one."""
    command = [sys.executable, "dev/stack", "exec", "--dir", ".dev-x", "--", *python("import os; print(os.environ['PORT'])")]
    environment = {**os.environ, temporary.MARK: "x", "PORT": "24000"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "24000\n"), done.stderr
    assert not (ROOT / ".dev-x").exists()
