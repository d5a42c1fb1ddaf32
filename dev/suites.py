"""What the suites of `make test` share: running commands, remembering how it went, and a stack of their own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv/bin/python"
STACK = [PYTHON, "dev/stack"]
PYTEST_SKIP = re.compile(r"^SKIPPED \[\d+\] (\S+?):? (.*)$")

results = []


def run(command, env=None):
    print(f"  $ {' '.join(str(part) for part in command)}", flush=True)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, check=False).returncode == 0


def run_pytest(*paths, env=None, expected=()):
    """Like `run`, and what pytest skipped goes into the summary with its reason, but for reasons that are expected here."""
    command = [PYTHON, "-m", "pytest", "-q", "-rs", *paths]
    print(f"  $ {' '.join(str(part) for part in command)}", flush=True)
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(env or {})}, **streams) as pytest:
        for line in pytest.stdout:
            print(line, end="", flush=True)
            skipped = PYTEST_SKIP.match(line)
            if skipped and not any(reason in skipped[2] for reason in expected):
                skip(skipped[1], skipped[2])
    return pytest.returncode == 0


def suite(name, *commands, env=None):
    """Run the commands (or functions) until one fails; remember how it went."""
    print(f"\n== {name}", flush=True)
    start = time.monotonic()
    passed = all(command() if callable(command) else run(command, env) for command in commands)
    results.append(("passed" if passed else "FAILED", name, f"{time.monotonic() - start:.0f} s"))
    return passed


def skip(name, why):
    results.append(("skipped", name, why))


def fail(name, why):
    results.append(("FAILED", name, why))


def summary():
    print("\n== Summary")
    for outcome, name, remark in results:
        print(f"  {outcome:<8} {name} ({remark})")
    failed = [name for outcome, name, _ in results if outcome == "FAILED"]
    skipped = [name for outcome, name, _ in results if outcome == "skipped"]
    print(f"  {len(results) - len(failed) - len(skipped)} passed, {len(failed)} failed, {len(skipped)} skipped.", flush=True)
    return 1 if failed else 0


@contextlib.contextmanager
def own_stack(folder, **more):
    """A local stack on free ports and in a folder of its own, so that one that `make up` started is not disturbed. Gives what its
    environment is to whoever calls it; nothing, if it did not start."""
    # The tests script the model; a real one in the user's environment would answer something else.
    for name in ("LLM_BASE_URL", "LLM_API_KEY", "LLM_MODELS"):
        os.environ.pop(name, None)
    settings = {"DEV_DIR": folder, "PORT": str(free_port()), **more}
    try:
        run([*STACK, "down"], settings)
        started = suite("The local stack starts", [*STACK, "up"], env=settings)
        yield {**settings, **read_env(ROOT / folder / "env")} if started else None
    finally:
        run([*STACK, "down"], settings)


def free_port():
    """The first of three free neighbours, away from where `make up` goes."""
    for port in range(14566, 16566, 10):
        if all(map(is_free, range(port, port + 3))):
            return port
    sys.exit("No three free ports between 14566 and 16566 for the stack of the tests.")


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def read_env(file):
    # All values are plain words: addresses, names, keys.
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)


def installed(venv, requirements):
    """Whether a virtual environment of its own is there, made by these requirements; makes it if not."""
    stamp, wanted = ROOT / venv / ".installed", ROOT / requirements
    if stamp.exists() and stamp.stat().st_mtime >= wanted.stat().st_mtime:
        return True
    print(f"\n== Installing {requirements} into {venv}", flush=True)
    if not run(["sh", "dev/setup.sh", venv, requirements]):
        return False
    stamp.touch()
    return True


def stop_with_the_stack():
    """A polite request to end is one to stop the stack first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` runs
