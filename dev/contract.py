"""The suites of the contract: openapi.yaml itself, what the end-to-end tests saw of it, and what schemathesis finds.

`python dev/contract.py fuzz` asks for longer, `python dev/contract.py examples` takes the document's examples anew; both start a stack
of their own.
"""

import shutil
import sys

from hygiene import node_tools
from suites import PYTHON, ROOT, fail, installed, own_stack, run_pytest, skip, stop_with_the_stack, suite, summary

# Reasons of pytest to skip that are none here: what they miss comes later, in `answers_and_policies`.
LATER = ("RECORD_DIR names no recordings", "STACK_ACCESSES names no file", "it comes over no route")


def notes(folder):
    """Where a stack notes what its functions asked of AWS, and the end-to-end tests what was answered; both begin anew."""
    shutil.rmtree(ROOT / folder / "recordings", ignore_errors=True)
    (ROOT / folder / "accesses.jsonl").unlink(missing_ok=True)
    return {"RECORD_DIR": f"{folder}/recordings", "STACK_ACCESSES": str(ROOT / folder / "accesses.jsonl")}


def document():
    suite("The contract, openapi.yaml and what must agree with it", lambda: run_pytest("tests/contract", expected=LATER))
    name = "The contract, Redocly lint"
    if shutil.which("npm") is None:
        skip(name, "npm is missing; install Node.js 20 or newer")
    elif not node_tools():
        skip(name, "Redocly CLI could not be installed (no network?)")
    else:
        quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
        suite(name, [ROOT / "dev/node/node_modules/.bin/redocly", "lint", "openapi.yaml"], env=quiet)


def answers_and_policies(stack):
    checks = ("tests/contract/test_answers.py", "tests/contract/test_policies.py")
    suite("The contract, every answer of the end-to-end tests, and every policy", lambda: run_pytest(*checks, env=stack))


def fuzz(stack, *more):
    name = "The contract, schemathesis on the same stack"
    if sys.version_info < (3, 11):
        skip(name, "schemathesis needs Python 3.11 or newer: make PYTHON=python3.12 test")
    elif installed(".venv-contract", "tests/contract/fuzz/requirements.txt"):
        suite(name, [ROOT / ".venv-contract/bin/python", "tests/contract/fuzz", *more], env=stack)
    else:
        skip(name, "schemathesis could not be installed (no network?)")


def main(what):
    folder = f".dev-{what}"
    with own_stack(folder, **notes(folder)) as stack:
        if stack is None:
            fail(what, "the stack did not start")
        elif what == "fuzz":
            fuzz(stack, "--long")
        else:
            # All of them: what is not in the story, such as a limit that was reached, is in another test.
            tests = ["cargo", "test", "-p", "e2e", "--", "--test-threads", "6"]
            suite("Examples", tests, [PYTHON, "tests/contract/examples.py"], env=stack)
    return summary()


if __name__ == "__main__":
    stop_with_the_stack()
    if sys.argv[1:] not in (["fuzz"], ["examples"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
