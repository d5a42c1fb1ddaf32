"""The processes of the stack: started in sessions of their own, remembered in a file, stopped with all their children.

MiniStack starts the function binaries as its children and in its process group, so ending the group ends them too. A
process id alone proves nothing, since the system hands it out again: a process is ours if it also started when we
say it did.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc/self/stat")
MARK = "LOCAL_STACK_DIR"  # a variable of every process of a stack, with the directory of that stack
PATIENCE = 3.0


@dataclass(frozen=True)
class Process:
    """One process of the stack; `started` is the time at which it started, in a unit of the system."""

    name: str
    pid: int
    started: str

    def alive(self) -> bool:
        """Returns whether this very process runs, and not another one that was given its id."""
        return _started(self.pid) == self.started


def start(name: str, argv: Sequence[str | Path], env: Mapping[str, str], log: Path, mark: Path) -> Process:
    """Starts a process of the stack whose directory is `mark`; its output goes to the file `log`."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            argv,
            env={**env, MARK: str(mark)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # Nothing waits for the child here. Unreaped it stays visible as a zombie, which counts as dead.
    child.returncode = 0
    return Process(name, child.pid, _started(child.pid) or "")


def stop(processes: Sequence[Process], mark: Path) -> None:
    """Ends the processes, their groups, and all others that carry the mark of this stack."""
    groups = [process.pid for process in processes if process.alive()]
    loose = _marked(mark)
    for kind in (signal.SIGTERM, signal.SIGKILL):
        for group in groups:
            _send(os.killpg, group, kind)
        for pid in loose:
            _send(os.kill, pid, kind)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if not any(map(_group_lives, groups)) and not any(map(_started, loose)):
                return
            time.sleep(0.05)


class State:
    """The state of the running stack, kept in `<dev dir>/stack.json`."""

    def __init__(self, dev_dir: Path) -> None:
        """Takes the directory of the stack."""
        self._file = dev_dir / "stack.json"

    def save(self, **values: Any) -> None:
        """Replaces the file by these values, of which `processes` is a list of Process."""
        values["processes"] = [asdict(process) for process in values["processes"]]
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(values, indent=2) + "\n")
        fresh.replace(self._file)

    def load(self) -> dict[str, Any] | None:
        """Returns the saved values, with `processes` as a list of Process; None if there is no file that can be read."""
        try:
            values: dict[str, Any] = json.loads(self._file.read_text())
            values["processes"] = [Process(**process) for process in values["processes"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return values

    def clear(self) -> None:
        """Removes the file."""
        self._file.unlink(missing_ok=True)

    def running(self) -> dict[str, Any] | None:
        """Returns the saved values if the stack was ready once and each of its processes runs, otherwise None."""
        values = self.load()
        if values and values.get("ready") and all(process.alive() for process in values["processes"]):
            return values
        return None


def _send(deliver: Callable[[int, int], None], target: int, kind: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        deliver(target, kind)


def _started(pid: int) -> str | None:
    """Returns when a running process started, in a unit of the system; None if there is none (a zombie does not run)."""
    if PROC.exists():
        fields = _stat(pid)
        return fields[19] if fields and fields[0] not in "ZX" else None
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = answer.stdout.strip().partition(" ")
    return started.strip() if state and not state.startswith("Z") else None


def _stat(pid: int) -> list[str] | None:
    """Returns the fields of /proc/<pid>/stat after the command, which may itself contain spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()] if PROC.exists() else []


def _group_lives(group: int) -> bool:
    if PROC.exists():
        # Zombies keep a group alive for killpg(0), and where no init reaps them they stay for good.
        stats = filter(None, map(_stat, _pids()))
        return any(fields[2] == str(group) and fields[0] not in "ZX" for fields in stats)
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _marked(mark: Path) -> list[int]:
    """Returns processes of this stack that the state file no longer names, such as functions of a MiniStack that was killed."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for pid in _pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0") and pid != os.getpid():
            found.append(pid)
    return found
