"""Every test there is, each suite by its own means; at the end, what passed, what failed and what was skipped and why.

The end-to-end tests get a stack of their own (dev/suites.py). They and what needs it alone depend on it, so a stack that does not
start fails them and nothing else.
"""

import re
import shutil
import sys

import contract
import documents
import hygiene
import samples
from suites import ROOT, STACK, fail, installed, own_stack, run_pytest, skip, stop_with_the_stack, suite, summary

DEV_DIR = ".dev-test"
HAS_NEXTEST = shutil.which("cargo-nextest") is not None
FENCE = re.compile(r"^\s*//[/!]\s?```(.*)$")
IGNORED = re.compile(r'#\[ignore(?:\s*=\s*"([^"]*)")?\]\s*(?:#\[[^\]]*\]\s*)*(?:pub )?(?:async )?fn (\w+)')
RUST_FENCES = ("", "rust", "no_run", "should_panic", "compile_fail")


def rust():
    if HAS_NEXTEST:
        # A filter instead of --exclude: the dependencies are then built once, with one set of features, for all suites.
        suite("Rust, without the end-to-end tests", ["cargo", "nextest", "run", "--workspace", "-E", "not package(e2e)"])
    else:
        print("cargo-nextest is not installed; using cargo test.")
        suite("Rust, without the end-to-end tests", ["cargo", "test", "--workspace", "--exclude", "e2e", "--lib", "--bins", "--tests"])
    documented = crates_with_examples()
    if documented:
        packages = [word for name in documented for word in ("-p", name)]
        suite("Rust, examples in doc comments", ["cargo", "test", "--doc", *packages])

    for source in sorted(path for folder in ("clients", "crates", "functions", "tools", "tests") for path in (ROOT / folder).rglob("*.rs")):
        for ignored in IGNORED.finditer(source.read_text(encoding="utf-8")):
            skip(f"{source.relative_to(ROOT)}: {ignored[2]}", ignored[1] or "ignored without a reason")


def crates_with_examples():
    """Crates whose doc comments hold code that rustdoc would run; the others would only cost time."""
    found = set()
    for manifest in [*ROOT.glob("clients/*/Cargo.toml"), *ROOT.glob("crates/*/Cargo.toml"), *ROOT.glob("functions/*/Cargo.toml"), *ROOT.glob("tools/*/Cargo.toml")]:
        if any(has_example(source) for source in manifest.parent.glob("src/**/*.rs")):
            named = re.search(r'^name\s*=\s*"([^"]+)"', manifest.read_text(), re.MULTILINE)
            found.add(named[1] if named else manifest.parent.name)
    return sorted(found)


def has_example(source):
    inside = False
    for line in source.read_text(encoding="utf-8").splitlines():
        fence = FENCE.match(line)
        if fence:
            if not inside and fence[1].strip().split(",")[0] in RUST_FENCES:
                return True
            inside = not inside
    return False


def python():
    suite("Python, the local stack's services", lambda: run_pytest("dev/tests"))
    if any((ROOT / "tests/statemachine").glob("test_*.py")):
        suite("Python, the state machines on two interpreters", lambda: run_pytest("tests/statemachine"))
    else:
        skip("Python, the state machines", "tests/statemachine holds no test_*.py")


def end_to_end():
    name = "End to end, on a local stack of its own"
    with own_stack(DEV_DIR, **contract.notes(DEV_DIR)) as stack:
        if stack is None:
            fail(name, "not run: the stack did not start")
            return
        # The tests wait for the stack more than they work, so more of them than there are cores.
        nextest = ["cargo", "nextest", "run", "--workspace", "-E", "package(e2e)", "--test-threads", "6", "--no-fail-fast"]
        tests = nextest if HAS_NEXTEST else ["cargo", "test", "-p", "e2e", "--", "--test-threads", "6"]
        suite("The demo", [*STACK, "demo"], env=stack)
        suite("The documents: every command and example", lambda: documents.check(stack, skip))
        suite("The sample events, given to their functions", lambda: samples.check(stack))
        if suite(name, tests, env=stack):
            contract.answers_and_policies(stack)
        else:
            skip("The contract, every answer of the end-to-end tests", "they failed, so some answers are missing")
        contract.fuzz(stack)


def template():
    name = "template.yaml, sam validate --lint"
    if installed(".venv-sam", "dev/requirements-sam.txt"):
        suite(name, [ROOT / ".venv-sam/bin/sam", "validate", "--lint"], env={"AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"})
    else:
        skip(name, "the SAM CLI could not be installed (no network?)")


def main():
    missing = [tool for tool in ("cargo", "cc") if shutil.which(tool) is None]
    if missing:
        print(f"{missing[0]} is missing; `make up` says how to install it.", file=sys.stderr)
        return 1
    hygiene.check(suite, skip)
    rust()
    python()
    contract.document()
    end_to_end()
    template()
    return summary()


if __name__ == "__main__":
    stop_with_the_stack()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.")
        sys.exit(130)
