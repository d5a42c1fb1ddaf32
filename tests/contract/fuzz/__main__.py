"""`python tests/contract/fuzz [--long]`: schemathesis against the stack whose address and key are in the environment.

Several processes at once, each with its own operations: the stack waits more than it works, and one process is deterministic.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
SEED = 20261125
# It runs elsewhere, so that what it leaves behind is not found here; and each run begins with nothing.
HOOKS = {"PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "hooks"}
# What the chains must have come to. (That every link leads somewhere is seen on the recorded answers: tests/contract/test_document.py.)
CHAIN = [("createFlow", 201), ("executeFlow", 202), ("approveRun", 200)]
# What links lead through. Only good requests: a wrong one ends a chain, and the other groups send those.
LIFE_OF_A_RUN = [
    "createFlow", "executeFlow", "listFlowRuns", "listApprovals", "getRun", "getStepOutput", "approveRun", "rejectRun", "cancelRun", "retryRun",
    "purgeRunOutputs",
]  # fmt: skip
# By the time they take. What is in no group is in the last one.
GROUPS = {
    "create": (["createFlow"], "coverage,fuzzing"),
    "update": (["updateFlow"], "coverage,fuzzing"),
    "put": (["updateFlowByPut"], "fuzzing"),  # the same function as PATCH: its coverage is that one's
    "others": ([], "coverage,fuzzing"),
    "chains": (LIFE_OF_A_RUN, "stateful"),
}
EXAMPLES = {"coverage,fuzzing": (12, 400), "fuzzing": (12, 400), "stateful": (60, 600)}


def command(name, long):
    operations, phases = GROUPS[name]
    if long and name == "put":
        phases = "coverage,fuzzing"
    examples = EXAMPLES[GROUPS[name][1]][long]
    # The last group of operations is what the groups before it have left.
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


def not_reached(file):
    seen = {(operation, status) for operation, status, _ in json.loads(file.read_text())}
    return [step for step in CHAIN if step not in seen]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--long", action="store_true", help="many more cases, with a seed of their own")
    arguments.add_argument("--only", choices=GROUPS)
    given = arguments.parse_args()
    started = time.monotonic()
    folder = ROOT / os.environ.get("DEV_DIR", ".dev") / "fuzz"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    running = []
    for name in [given.only] if given.only else GROUPS:
        with (folder / f"{name}.log").open("w") as log:
            environment = {**os.environ, "FUZZ_GROUP": name, "FUZZ_SEEN": str(folder / f"{name}.json"), **HOOKS}
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
            running.append((name, subprocess.Popen(command(name, given.long), cwd=folder, env=environment, **streams)))
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
            print(f"The chains never came to: {missing}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
