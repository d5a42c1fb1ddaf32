"""The commands of the local stack, which `make` calls."""

import argparse
import signal
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from . import look
from .console import StackError, fail, say
from .demo import Demo
from .lifecycle import bring_up, running, stop_everything
from .processes import State
from .seed import require_env
from .settings import ROOT, Settings
from .temporary import run_on_temporary_stack
from .tour import print_tour

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Ctrl-C, or a signal of the system that asks the process to end."""


def up(settings: Settings, _arguments: Namespace) -> None:
    """Starts the stack in the background, or brings the running one up to date."""
    state, was_running = bring_up(settings)
    env = require_env(settings)
    if was_running:
        say(f"The local stack is already running on port {settings.port} (started by make {'run' if state['foreground'] else 'up'}).")
    say(f"The API is at {env['QE_BASE_URL']}; its keys are in {settings.dev_dir_name}/env.")
    say(f"The console is at {env['QE_BASE_URL']}/console/")
    say("`make demo` shows it at work, `make down` stops it.")


def run(settings: Settings, _arguments: Namespace) -> None:
    """Starts the stack, shows the demo and serves until it is interrupted; then the stack is stopped."""
    state, _ = bring_up(settings, foreground=True)
    try:
        env = require_env(settings)
        Demo(env, state["scripted"], state["model"]).run()
        print_tour(env, settings)
        _serve(settings, state)
    finally:
        stop_everything(settings)


def _serve(settings: Settings, state: dict[str, Any]) -> None:
    try:
        while True:
            dead = [process.name for process in state["processes"] if not process.alive()]
            if dead and State(settings.dev_dir).load() is None:
                say("The stack was stopped from elsewhere (make down).")
                return
            if dead:
                raise StackError(f"The process {dead[0]} ended by itself; the end of {settings.log(dead[0])} says why.")
            time.sleep(0.5)
    except Interrupted:
        say("\nStopping.")


def demo(settings: Settings, _arguments: Namespace) -> None:
    """Shows the demo on the running stack."""
    _, state, env = _running(settings)
    Demo(env, state["scripted"], state["model"]).run()


def execute(settings: Settings, arguments: Namespace) -> int:
    """Runs a command on a temporary stack and returns its exit code."""
    command = arguments.what[1:] if arguments.what[:1] == ["--"] else arguments.what
    if not command:
        raise StackError("Name the command to run: dev/stack exec [--dir DIRECTORY] -- COMMAND …")
    return run_on_temporary_stack(replace(settings, dev_dir=(ROOT / arguments.dir).resolve()), command)


def down(settings: Settings, _arguments: Namespace) -> None:
    """Stops the stack."""
    say("The local stack is stopped." if stop_everything(settings) else "The local stack was not running.")


def status(settings: Settings, _arguments: Namespace) -> None:
    """Prints where the running stack is and which processes it consists of."""
    settings, state, env = _running(settings)
    say(f"The local stack is running: {env['QE_BASE_URL']}")
    say(f"The console: {env['QE_BASE_URL']}/console/")
    for process in state["processes"]:
        say(f"  {process.name:<10} pid {process.pid:<8} log {settings.dev_dir_name}/{process.name}.log")
    say(f"  flows use the model at {state['model']}{' (scripted)' if state['scripted'] else ''}")


def rows(settings: Settings, arguments: Namespace) -> None:
    """Prints the items of the table that belong to a run, or how many items of each kind there are."""
    settings, _, env = _running(settings)
    look.rows(settings, env, arguments.what)


def executions(settings: Settings, _arguments: Namespace) -> None:
    """Prints the latest executions of the state machines."""
    settings, _, env = _running(settings)
    look.executions(settings, env)


def logs(settings: Settings, arguments: Namespace) -> None:
    """Prints the latest log lines of the functions."""
    settings, _, _ = _running(settings)
    look.logs(settings, arguments.what)


def _running(settings: Settings) -> tuple[Settings, dict[str, Any], dict[str, str]]:
    """Returns the settings with the port that is in use, the state and the env file of the running stack."""
    state = running(settings)
    if state is None:
        raise StackError("The local stack is not running: `make up` starts it.")
    return replace(settings, port=state["port"]), state, require_env(settings)


COMMANDS: dict[str, tuple[Callable[[Settings, Namespace], int | None], str]] = {
    "up": (up, "start in the background, or bring what runs up to date"),
    "run": (run, "start, show the demo, serve until Ctrl-C"),
    "demo": (demo, "show the demo on the running stack"),
    "exec": (execute, "run a command on a stack of its own, on free ports, and stop that stack"),
    "down": (down, "stop it"),
    "status": (status, "say what is running"),
    "rows": (rows, "the table's rows of a run (its id), or counts"),
    "executions": (executions, "the latest executions of the state machines"),
    "logs": (logs, "the latest log lines of the functions, or those with a text in them"),
}


def _interrupt(*_: object) -> NoReturn:
    # Further signals are ignored: a terminal that closes sends several, and they would interrupt the cleaning up.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted


def main() -> int:
    """Runs the command that the arguments name and returns the exit code of this process."""
    parser = argparse.ArgumentParser(prog="dev/stack", description="The local stack.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (_, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name in ("rows", "logs"):
            command.add_argument("what", nargs="?")
        if name == "exec":
            command.add_argument("--dir", default=".dev-test", help="the directory of the stack, from the root of the repository")
            command.add_argument("what", nargs=argparse.REMAINDER, metavar="command")
    arguments = parser.parse_args()
    for each in SIGNALS:
        signal.signal(each, _interrupt)
    try:
        settings = Settings.from_environment()
        return COMMANDS[arguments.command][0](settings, arguments) or 0
    except StackError as problem:
        fail(str(problem))
        return 1
    except (Interrupted, KeyboardInterrupt):
        say("\nStopped.")
        return 130
    except (BotoCoreError, ClientError) as problem:
        fail(f"MiniStack refused a call: {problem}. Its log says more: {settings.dev_dir_name}/ministack.log")
        return 1
    except BrokenPipeError:
        return 1
