"""Compares cold starts of get-run with those of a function that does nothing, in fresh processes one after the other."""

import json
import shutil
import statistics
import subprocess
from dataclasses import dataclass

from stack.console import StackError, Stage
from stack.deploy import STACK, client
from stack.settings import ROOT, Settings

from .flows import Check
from .runtime_api import ColdStart, cold_start
from .tls_front import TlsFront

TIMES = 20
CPU_BUDGET = 4
EVENT = ROOT / "events/get-run/awaiting-approval.json"


@dataclass(frozen=True)
class Cold:
    """The medians of one function in milliseconds."""

    name: str
    cpu_ms: float
    wall_ms: float


@dataclass(frozen=True)
class ColdStarts:
    """The cold starts of both functions, and whether they used TLS."""

    empty: Cold
    get_run: Cold
    tls: bool

    @property
    def check(self) -> Check:
        """The budget with the measured value."""
        return Check("CPU of a cold get-run, times an empty function's", self.get_run.cpu_ms / self.empty.cpu_ms, CPU_BUDGET)


def measure(settings: Settings, env: dict[str, str], run: str) -> ColdStarts:
    """Measures the cold starts; get-run reads `run`, a run of the organisation of the first key."""
    stage = Stage("Cold")
    event = json.loads(EVENT.read_text())
    event["pathParameters"]["runId"] = run
    event["path"] = event["requestContext"]["path"] = f"/api/runs/{run}"
    authorization = f"Bearer {env['QE_API_KEY']}"
    event["headers"]["Authorization"] = authorization
    event["multiValueHeaders"]["Authorization"] = [authorization]
    # The variables that the template sets for the function.
    deployed = client(settings, "lambda").get_function_configuration(FunctionName=f"{STACK}-get-run")
    environment = {**settings.child_environment(), **deployed["Environment"]["Variables"]}
    front = _front(settings)
    if front:
        environment |= {"AWS_ENDPOINT_URL": f"https://localhost:{front.port}", "SSL_CERT_FILE": str(front.roots)}
    starts: dict[str, list[ColdStart]] = {"empty-function": [], "get-run": []}
    for _ in range(TIMES):
        # In turns, so that what else the machine does falls on both.
        for name, found in starts.items():
            started = cold_start(settings.target_dir / "release" / name, environment, event)
            if started.answer.get("statusCode") != 200:
                raise StackError(f"{name} answered {str(started.answer)[:300]} to its first event")
            found.append(started)
    empty, get_run = (
        Cold(name, statistics.median(each.cpu_ms for each in found), statistics.median(each.wall_ms for each in found))
        for name, found in starts.items()
    )
    stage.done(f"{TIMES} fresh processes each")
    return ColdStarts(empty, get_run, front is not None)


def _front(settings: Settings) -> TlsFront | None:
    if shutil.which("openssl") is None:
        return None
    try:
        return TlsFront(settings.dev_dir, settings.port)
    except subprocess.CalledProcessError:
        return None


def report(cold: ColdStarts) -> list[str]:
    """Returns the section of the report as lines of Markdown."""
    over = (
        "TLS (a handshake, and the system's trusted roots, as on AWS)"
        if cold.tls
        else "plain HTTP: without openssl there is no TLS to measure"
    )
    lines = [
        f"Release builds, {TIMES} fresh processes of each in turns, driven by a stand-in for Lambda's Runtime API on loopback: from the",
        "start of the process to its first answer. get-run looks up the key, reads a run of three nodes with its steps, and answers 200;",
        f"it reaches the local stack over {over}.",
        "",
        "| function | CPU ms | wall ms |",
        "|---|---:|---:|",
    ]
    lines += [f"| {each.name} | {each.cpu_ms:.1f} | {each.wall_ms:.1f} |" for each in (cold.empty, cold.get_run)]
    check = cold.check
    lines += ["", "| budget | measured | at most | |", "|---|---:|---:|---|"]
    lines += [f"| {check.what} | {check.measured:.2f} | {check.budget:g} | {check.verdict} |"]
    return lines
