"""`python tests/contract/fuzz [--long]` runs schemathesis against the stack whose address and key are in the environment.

Several processes run at once, each with its own operations: the stack waits more than it works, and each process is deterministic.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
SEED = 20261125
# Schemathesis runs in another folder, so that it leaves no files here and each run begins with none.
HOOKS = {"PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "hooks"}
# The answers that the chains must have reached. (tests/contract/test_document.py checks every link on the recorded answers.)
CHAIN = [("createFlow", 201), ("executeFlow", 202), ("approveRun", 200)]
# The operations of the chains, with valid requests only: an invalid one ends a chain, and the other groups send those.
LIFE_OF_A_RUN = [
    "createFlow", "executeFlow", "listFlowRuns", "listApprovals", "listDecisions", "getRun", "getStepOutput", "approveRun", "rejectRun", "cancelRun", "retryRun",
    "purgeRunOutputs",
]  # fmt: skip
# The operations and the phases of each group, divided by the time they take. Operations that are in no group are in `others`.
GROUPS: dict[str, tuple[list[str], str]] = {
    "create": (["createFlow"], "coverage,fuzzing"),
    "update": (["updateFlow"], "coverage,fuzzing"),
    "put": (["updateFlowByPut"], "fuzzing"),  # the function is that of PATCH, whose phase "coverage" covers it
    "others": ([], "coverage,fuzzing"),
    "chains": (LIFE_OF_A_RUN, "stateful"),
}
# The number of examples for each set of phases: the usual one, and the one with --long.
EXAMPLES = {"coverage,fuzzing": (12, 400), "fuzzing": (12, 400), "stateful": (60, 600)}


def command(name: str, long: bool) -> list[str | Path]:
    """Returns the command line of schemathesis for a group."""
    operations, phases = GROUPS[name]
    if long and name == "put":
        phases = "coverage,fuzzing"
    examples = EXAMPLES[GROUPS[name][1]][long]
    # The group `others` excludes the operations of the groups before it.
    named = operations or [each for others in ("create", "update", "put") for each in GROUPS[others][0]]
    chosen = [word for each in named for word in (f"--{'include' if operations else 'exclude'}-operation-id", each)]
    if phases == "stateful":
        chosen += ["--mode", "positive"]
    seed = SEED if not long else int(time.time())
    return [
        SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml", "run", ROOT / "openapi.yaml", "--url", os.environ["QE_BASE_URL"],
        "--phases", phases, "--max-examples", str(examples), "--seed", str(seed), "--workers", "1", "--generation-database", "none",
        "--no-color", *chosen,
    ]  # fmt: skip


def not_reached(file: Path) -> list[tuple[str, int]]:
    """Returns the answers of CHAIN that the file with what was seen does not have."""
    seen = {(operation, status) for operation, status, _ in json.loads(file.read_text())}
    return [step for step in CHAIN if step not in seen]


def main() -> int:
    """Runs the groups and prints how each ended; returns the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--long", action="store_true", help="many more cases, with a seed of their own")
    arguments.add_argument("--only", choices=GROUPS)
    given = arguments.parse_args()
    started = time.monotonic()
    folder = ROOT / os.environ.get("DEV_DIR", ".dev") / "fuzz"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # SIGTERM then runs the `finally` below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    running: list[tuple[str, subprocess.Popen[bytes]]] = []
    try:
        start_groups([given.only] if given.only else list(GROUPS), folder, given.long, running)
        return int(report(folder, running, started))
    finally:
        for _, process in running:
            if process.poll() is None:
                process.terminate()


def start_groups(names: Sequence[str], folder: Path, long: bool, running: list[tuple[str, subprocess.Popen[bytes]]]) -> None:
    """Starts a process for each group and appends it to `running`."""
    for name in names:
        with (folder / f"{name}.log").open("w") as log:
            environment = {**os.environ, "FUZZ_GROUP": name, "FUZZ_SEEN": str(folder / f"{name}.json"), **HOOKS}
            process = subprocess.Popen(
                command(name, long), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
            running.append((name, process))


def report(folder: Path, running: Sequence[tuple[str, subprocess.Popen[bytes]]], started: float) -> bool:
    """Waits for each group and prints how it ended; returns whether one failed."""
    failed = False
    for name, process in running:
        code = process.wait()
        failed |= code != 0
        text = (folder / f"{name}.log").read_text(errors="replace")
        counted = next((line.strip() for line in text.splitlines() if " generated" in line), "no case was generated")
        print(f"{name:<8} {'passed' if code == 0 else 'FAILED'}  {counted}  ({time.monotonic() - started:.0f} s)", flush=True)
        if code != 0:
            print(text[text.find("====") :])
        elif name == "chains" and (missing := not_reached(folder / f"{name}.json")):
            failed = True
            print(f"The chains never reached: {missing}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
