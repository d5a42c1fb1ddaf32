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
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

PROC = Path("/proc/self/stat")
MARK = "LOCAL_STACK_DIR"  # in the environment of every process of a stack, with the directory of that stack
PATIENCE = 3.0


@dataclass(frozen=True)
class Process:
    name: str
    pid: int
    started: str

    def alive(self):
        return _started(self.pid) == self.started


def start(name, argv, env, log, mark):
    """Start a process of the stack whose directory is `mark`; its output goes to the file `log`."""
    with open(log, "wb") as output:
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


def stop(processes, mark):
    """End the processes, their groups, and whatever else still carries this stack's mark."""
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
    """What is known about the running stack, kept in `<dev dir>/stack.json`."""

    def __init__(self, dev_dir):
        self._dir = dev_dir
        self._file = dev_dir / "stack.json"

    def save(self, **values):
        values["processes"] = [asdict(process) for process in values["processes"]]
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(values, indent=2) + "\n")
        fresh.replace(self._file)

    def load(self):
        """The saved values, with `processes` as a list of Process; None if there is nothing (readable)."""
        try:
            values = json.loads(self._file.read_text())
            values["processes"] = [Process(**process) for process in values["processes"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return values

    def clear(self):
        self._file.unlink(missing_ok=True)

    def running(self):
        """The saved values if every process of the stack lives and it was ready once, else None."""
        values = self.load()
        if values and values.get("ready") and all(process.alive() for process in values["processes"]):
            return values
        return None


def _send(deliver, target, kind):
    with suppress(ProcessLookupError, PermissionError):
        deliver(target, kind)


def _started(pid):
    """When a living process started, in whatever unit the system has; None if there is none (a zombie is none)."""
    if PROC.exists():
        fields = _stat(pid)
        return fields[19] if fields and fields[0] not in "ZX" else None
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True)
    state, _, started = answer.stdout.strip().partition(" ")
    return started.strip() if state and not state.startswith("Z") else None


def _stat(pid):
    """The fields of /proc/<pid>/stat after the command, which may itself hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _pids():
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()] if PROC.exists() else []


def _group_lives(group):
    if PROC.exists():
        # Zombies keep a group alive for killpg(0), and where no init reaps them they stay for good.
        stats = filter(None, map(_stat, _pids()))
        return any(fields[2] == str(group) and fields[0] not in "ZX" for fields in stats)
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _marked(mark):
    """Processes of this stack that no state file knows of any more, such as functions of a MiniStack that was killed."""
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
