"""A local stack for the duration of one command: on free ports, in a directory of its own, stopped whatever happens to the command.

The tests use it, so that they disturb no stack that `make up` started and leave nothing behind. The stack records what it is asked for:
the command finds the recorded exchanges of the end-to-end tests in RECORD_DIR and the calls of the functions to AWS in STACK_ACCESSES.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .console import StackError
from .lifecycle import bring_up, stop_everything
from .seed import read_env
from .settings import ROOT, Settings

# Set in the environment of the command, with the directory of the stack.
MARK = "TEMPORARY_STACK"
# The tests script the model; a real one in the user's environment would answer something else.
MODEL_VARIABLES = ("LLM_BASE_URL", "LLM_API_KEY", "LLM_MODELS", "LLM_OPTIONS")
FIRST_PORT, LAST_PORT = 14566, 16566
PORTS = 4
SECONDS_TO_END = 30


def run_on_temporary_stack(settings: Settings, command: Sequence[str]) -> int:
    """Starts a stack in the directory of the settings, runs the command with its environment and stops the stack.

    Returns the exit code of the command. A command that runs on a temporary stack already uses that one. Raises StackError if the
    stack does not start.
    """
    if MARK in os.environ:
        return _run(command, {})
    for name in MODEL_VARIABLES:
        os.environ.pop(name, None)
    settings = replace(settings, port=free_ports())
    stop_everything(settings)
    recordings = settings.dev_dir / "recordings"
    accesses = settings.dev_dir / "accesses.jsonl"
    shutil.rmtree(recordings, ignore_errors=True)
    accesses.unlink(missing_ok=True)
    # The processes of the stack inherit it.
    os.environ["STACK_ACCESSES"] = str(accesses)
    try:
        bring_up(settings)
        variables = {
            **(read_env(settings) or {}),
            MARK: str(settings.dev_dir),
            "DEV_DIR": settings.dev_dir_name,
            "PORT": str(settings.port),
            "RECORD_DIR": str(recordings),
        }
        return _run(command, variables)
    finally:
        stop_everything(settings)


def free_ports() -> int:
    """Returns the first of four free neighbouring ports, away from those that `make up` uses. Raises StackError if there are none."""
    for port in range(FIRST_PORT, LAST_PORT, 10):
        if all(map(_is_free, range(port, port + PORTS))):
            return port
    raise StackError(f"There are no four free neighbouring ports between {FIRST_PORT} and {LAST_PORT} for a temporary stack.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Runs the command from the root of the repository and returns its exit code; an interruption ends the command first."""
    try:
        child = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables}, stdin=subprocess.DEVNULL)
    except OSError as problem:
        raise StackError(f"{command[0]} cannot be run: {problem.strerror}.") from None
    try:
        return child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
