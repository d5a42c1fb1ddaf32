"""`python tests/contract/fuzz [--long]`: schemathesis against the stack whose address and key are in the environment.

Several processes at once, each with its own operations: the stack waits more than it works, and one process is deterministic.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
SEED = 20261125
# What the chains must have come to.
CHAIN = [("createFlow", 201), ("executeFlow", 202), ("getRun", 200), ("approveRun", 200)]
# By the time they take. What is in no group is in the last one.
GROUPS = {
    "create": (["createFlow"], "coverage,fuzzing"),
    "update": (["updateFlow"], "coverage,fuzzing"),
    "put": (["updateFlowByPut"], "fuzzing"),  # the same function as PATCH: its coverage is that one's
    "others": ([], "coverage,fuzzing"),
    "chains": (None, "stateful"),
}
EXAMPLES = {"coverage,fuzzing": (12, 400), "fuzzing": (12, 400), "stateful": (40, 500)}


def command(name, long):
    operations, phases = GROUPS[name]
    if long and name == "put":
        phases = "coverage,fuzzing"
    examples = EXAMPLES[GROUPS[name][1]][long]
    chosen = []
    if operations is not None:
        named = operations or [each for others, _ in GROUPS.values() for each in others or []]
        chosen = [word for each in named for word in (f"--{'include' if operations else 'exclude'}-operation-id", each)]
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
    folder.mkdir(parents=True, exist_ok=True)
    running = []
    for name in [given.only] if given.only else GROUPS:
        with (folder / f"{name}.log").open("w") as log:
            environment = {**os.environ, "FUZZ_GROUP": name, "FUZZ_SEEN": str(folder / f"{name}.json")}
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
            running.append((name, subprocess.Popen(command(name, given.long), cwd=HERE, env=environment, **streams)))
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
