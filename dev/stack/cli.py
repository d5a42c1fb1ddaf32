"""The commands of the local stack. `make` calls them; `make help` says which there are."""

import argparse
import signal
import time
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from . import look
from .console import StackError, fail, say
from .demo import Demo
from .lifecycle import bring_up, running, stop_everything
from .processes import State
from .seed import read_env
from .settings import Settings
from .tour import print_tour

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Ctrl-C, or a polite request of the system to end."""


def up(settings, _arguments):
    state, was_running = bring_up(settings)
    env = read_env(settings)
    if was_running:
        say(f"The local stack is already running on port {settings.port} (started by make {'run' if state['foreground'] else 'up'}).")
    say(f"The API is at {env['QE_BASE_URL']}; its keys are in {settings.dev_dir_name}/env.")
    say("`make demo` shows it at work, `make down` stops it.")


def run(settings, _arguments):
    state, _ = bring_up(settings, foreground=True)
    try:
        env = read_env(settings)
        Demo(env, state["scripted"], state["model"]).run()
        print_tour(env, settings)
        _serve(settings, state)
    finally:
        stop_everything(settings)


def _serve(settings, state):
    try:
        while True:
            dead = [process.name for process in state["processes"] if not process.alive()]
            if dead and State(settings.dev_dir).load() is None:
                say("The stack was stopped from elsewhere (make down).")
                return
            if dead:
                raise StackError(f"{dead[0]} has ended by itself; the end of {settings.log(dead[0])} says why.")
            time.sleep(0.5)
    except Interrupted:
        say("\nStopping.")


def demo(settings, _arguments):
    _, state, env = _running(settings)
    Demo(env, state["scripted"], state["model"]).run()


def down(settings, _arguments):
    say("The local stack is stopped." if stop_everything(settings) else "The local stack was not running.")


def status(settings, _arguments):
    settings, state, env = _running(settings)
    say(f"The local stack is running: {env['QE_BASE_URL']}")
    for process in state["processes"]:
        say(f"  {process.name:<10} pid {process.pid:<8} log {settings.dev_dir_name}/{process.name}.log")
    say(f"  flows use the model at {state['model']}{' (scripted)' if state['scripted'] else ''}")


def rows(settings, arguments):
    settings, _, env = _running(settings)
    look.rows(settings, env, arguments.what)


def executions(settings, _arguments):
    settings, _, env = _running(settings)
    look.executions(settings, env)


def logs(settings, arguments):
    settings, _, _ = _running(settings)
    look.logs(settings, arguments.what)


def _running(settings):
    """(settings with the port that is really in use, state, env) of the running stack."""
    state = running(settings)
    if state is None:
        raise StackError("The local stack is not running: `make up` starts it.")
    return replace(settings, port=state["port"]), state, read_env(settings)


COMMANDS = {
    "up": (up, "start in the background, or bring what runs up to date"),
    "run": (run, "start, show the demo, serve until Ctrl-C"),
    "demo": (demo, "show the demo on the running stack"),
    "down": (down, "stop it"),
    "status": (status, "say what is running"),
    "rows": (rows, "the table's rows of a run (its id), or counts"),
    "executions": (executions, "the latest executions of the state machines"),
    "logs": (logs, "the latest log lines of the functions, or those with a text in them"),
}


def _interrupt(*_):
    # Once is enough: a terminal that closes sends more, and they would break the cleaning up.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted


def main():
    parser = argparse.ArgumentParser(prog="dev/stack", description="The local stack.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (_, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name in ("rows", "logs"):
            command.add_argument("what", nargs="?")
    arguments = parser.parse_args()
    for each in SIGNALS:
        signal.signal(each, _interrupt)
    try:
        settings = Settings.from_environment()
        COMMANDS[arguments.command][0](settings, arguments)
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
    return 0
