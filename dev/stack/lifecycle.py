"""Starts the stack, brings a running one up to date, and stops it."""

import fcntl
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .build import build, check_tools
from .console import StackError, Stage, say
from .deploy import deploy
from .http_client import Unreachable, call
from .people import provider_command, register_provider
from .processes import Process, State, start, stop
from .seed import base_url, read_env, seed, write_env
from .settings import ROOT, Model, Settings

DEV = ROOT / "dev"


def running(settings: Settings) -> dict[str, Any] | None:
    """Returns the saved state of the running stack; None if it does not run."""
    state = State(settings.dev_dir).running()
    return state if state and read_env(settings) else None


def bring_up(settings: Settings, foreground: bool = False) -> tuple[dict[str, Any], bool]:
    """Starts the stack, or brings the running one up to date. Returns its state and whether it was running already.

    In the foreground a running stack is refused with StackError: this terminal could not stop what it did not start.
    """
    model = Model.from_environment(settings)
    check_tools()
    settings.dev_dir.mkdir(parents=True, exist_ok=True)
    with _alone(settings):
        state = running(settings)
        if state and foreground:
            raise StackError(
                "The local stack is already running, in the background or in another terminal. "
                "`make demo` shows the demo on it; `make down` stops it, so that `make run` can start it here."
            )
        if state and state["port"] != settings.port:
            raise StackError(f"The local stack is running on port {state['port']}; `make down` stops it, then use PORT={settings.port}.")
        if state is None:
            # What a crash left behind would hold the ports.
            stop_everything(settings)
            _check_ports(settings)
        build()
        if state is not None:
            return _refresh(settings, model, state), True
        try:
            return _start(settings, model, foreground), False
        except BaseException:
            stop_everything(settings)
            raise


def stop_everything(settings: Settings) -> bool:
    """Stops the stack, also one that started only in part. Returns whether there was any."""
    with _uninterrupted():
        state = State(settings.dev_dir)
        known = state.load()
        stop(known["processes"] if known else [], settings.dev_dir)
        state.clear()
        settings.env_file.unlink(missing_ok=True)
        settings.env_file.with_suffix(".new").unlink(missing_ok=True)
        shutil.rmtree(settings.dev_dir / "tmp", ignore_errors=True)
        return known is not None


def _refresh(settings: Settings, model: Model, state: dict[str, Any]) -> dict[str, Any]:
    outputs, changed = deploy(settings, model)
    if changed:
        _wait_for_api(settings, outputs)
        _save(settings, model, state["processes"], state["foreground"], ready=True)
    return _state(settings)


def _state(settings: Settings) -> dict[str, Any]:
    state = State(settings.dev_dir).load()
    if state is None:
        raise StackError(f"The state of the stack in {settings.dev_dir_name} was removed while it started; start it again.")
    return state


def _start(settings: Settings, model: Model, foreground: bool) -> dict[str, Any]:
    stage = Stage("Start")
    scratch = settings.dev_dir / "tmp"
    scratch.mkdir(exist_ok=True)
    environment = {
        **settings.child_environment(),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(settings.port),
        "TMPDIR": str(scratch),
    }
    commands: dict[str, list[str | Path]] = {
        "ministack": [sys.executable, DEV / "ministack_patches"],
        "model": [sys.executable, DEV / "scripted_model.py", "--port", str(settings.port + 1)],
        "echo": [sys.executable, DEV / "echo_service.py", "--port", str(settings.port + 2)],
        "login": provider_command(settings),
    }
    processes = []
    for name, command in commands.items():
        processes.append(start(name, command, environment, settings.log(name), settings.dev_dir))
        # Written after each process, so that `down` knows what to stop, whatever happens next.
        _save(settings, model, processes, foreground, ready=False)
    discovery = f"{settings.login_url}/.well-known/openid-configuration"
    urls = (f"{settings.endpoint}/_ministack/health", settings.model_url, settings.echo_url, discovery)
    for process, url in zip(processes, urls, strict=True):
        _wait_for(settings, process, url)
    ports = (("MiniStack", 0), ("scripted model", 1), ("echo service", 2), ("identity provider", 3))
    stage.done(", ".join(f"{name} on 127.0.0.1:{settings.port + offset}" for name, offset in ports))

    outputs, _ = deploy(settings, model)
    env = seed(settings, outputs)
    write_env(settings, env)
    _wait_for_api(settings, outputs)
    register_provider(settings, outputs, env)
    _save(settings, model, processes, foreground, ready=True)
    return _state(settings)


def _save(settings: Settings, model: Model, processes: list[Process], foreground: bool, ready: bool) -> None:
    State(settings.dev_dir).save(
        port=settings.port,
        ready=ready,
        foreground=foreground,
        model=model.base_url,
        scripted=model.scripted,
        processes=processes,
    )


def _check_ports(settings: Settings) -> None:
    names = ("MiniStack", "the scripted model", "the echo service", "the identity provider")
    uses = {settings.port + offset: name for offset, name in enumerate(names)}
    for port, use in uses.items():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise StackError(
                    f"Port {port} (for {use}) is in use by another program: "
                    f"stop that, or choose four free ports, as in `make run PORT={settings.port + 100}`."
                ) from None


def _wait_for(settings: Settings, process: Process, url: str) -> None:
    deadline = time.monotonic() + 60
    log = settings.log(process.name)
    while time.monotonic() < deadline:
        if not process.alive():
            said = log.read_text(errors="replace").strip().splitlines()[-3:] or ["(nothing)"]
            raise StackError(f"{process.name} stopped while starting. The end of {log}:\n  " + "\n  ".join(said))
        try:
            if call("GET", url, timeout=2)[0] == 200:
                return
        except Unreachable:
            pass
        time.sleep(0.05)
    raise StackError(f"{process.name} does not answer at {url} after 60 s; see {log}.")


def _wait_for_api(settings: Settings, outputs: Mapping[str, str]) -> None:
    stage = Stage("API")
    url = f"{base_url(settings, outputs)}/api/flows"
    key = (read_env(settings) or {}).get("QE_API_KEY")
    deadline = time.monotonic() + 30
    answer = "no answer"
    while time.monotonic() < deadline:
        try:
            status, body = call("GET", url, key=key)
            if status == 200:
                stage.done("it answers")
                return
            answer = f"{status} {body}"
        except Unreachable as problem:
            answer = str(problem)
        time.sleep(0.2)
    raise StackError(f"The API does not answer as it should: GET /api/flows gives {answer}. See {settings.log('ministack')}.")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignores signals, so that a second Ctrl-C does not leave half of the stack behind."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Holds a lock, so that two terminals do not start the same stack at once."""
    with (settings.dev_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is starting this stack; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
