"""Every test there is, each suite by its own means; at the end, what passed, what failed and what was skipped and why.

The end-to-end tests get a stack of their own, on free ports and in a directory of its own: one that `make up` started
is not disturbed. They alone depend on it, so a stack that does not start fails them and nothing else.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import documents
import hygiene
import samples

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv/bin/python"
SAM_VENV = ROOT / ".venv-sam"
DEV_DIR = ".dev-test"
HAS_NEXTEST = shutil.which("cargo-nextest") is not None
FENCE = re.compile(r"^\s*//[/!]\s?```(.*)$")
PYTEST_SKIP = re.compile(r"^SKIPPED \[\d+\] (\S+?):? (.*)$")
IGNORED = re.compile(r'#\[ignore(?:\s*=\s*"([^"]*)")?\]\s*(?:#\[[^\]]*\]\s*)*(?:pub )?(?:async )?fn (\w+)')
RUST_FENCES = ("", "rust", "no_run", "should_panic", "compile_fail")

results = []


def run(command, env=None):
    print(f"  $ {' '.join(str(part) for part in command)}", flush=True)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, check=False).returncode == 0


def run_pytest(folder):
    """Like `run`, and what pytest skipped goes into the summary with its reason."""
    command = [PYTHON, "-m", "pytest", "-q", "-rs", folder]
    print(f"  $ {' '.join(str(part) for part in command)}", flush=True)
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as pytest:
        for line in pytest.stdout:
            print(line, end="", flush=True)
            skipped = PYTEST_SKIP.match(line)
            if skipped:
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

    for source in sorted(path for folder in ("crates", "functions", "tools", "tests") for path in (ROOT / folder).rglob("*.rs")):
        for ignored in IGNORED.finditer(source.read_text(encoding="utf-8")):
            skip(f"{source.relative_to(ROOT)}: {ignored[2]}", ignored[1] or "ignored without a reason")


def crates_with_examples():
    """Crates whose doc comments hold code that rustdoc would run; the others would only cost time."""
    found = set()
    for manifest in [*ROOT.glob("crates/*/Cargo.toml"), *ROOT.glob("functions/*/Cargo.toml"), *ROOT.glob("tools/*/Cargo.toml")]:
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
    stack = {"DEV_DIR": DEV_DIR, "PORT": str(free_port())}
    # The tests script the model; a real one in the user's environment would answer something else.
    for name in ("LLM_BASE_URL", "LLM_API_KEY", "LLM_MODELS"):
        os.environ.pop(name, None)
    name = "End to end, on a local stack of its own"
    command = [PYTHON, "dev/stack"]
    try:
        run([*command, "down"], stack)
        if not suite("The local stack starts", [*command, "up"], env=stack):
            results.append(("FAILED", name, "not run: the stack did not start"))
            return
        values = read_env(ROOT / DEV_DIR / "env")
        # The tests wait for the stack more than they work, so more of them than there are cores.
        nextest = ["cargo", "nextest", "run", "--workspace", "-E", "package(e2e)", "--test-threads", "6", "--no-fail-fast"]
        tests = nextest if HAS_NEXTEST else ["cargo", "test", "-p", "e2e", "--", "--test-threads", "6"]
        suite("The demo", [*command, "demo"], env=stack)
        suite("The documents: every command and example", lambda: documents.check(stack, skip))
        suite("The sample events, given to their functions", lambda: samples.check(stack))
        suite(name, tests, env={**stack, **values})
    finally:
        run([*command, "down"], stack)


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


def template():
    name = "template.yaml, sam validate --lint"
    sam = SAM_VENV / "bin/sam"
    stamp, wanted = SAM_VENV / ".installed", ROOT / "dev/requirements-sam.txt"
    if not stamp.exists() or stamp.stat().st_mtime < wanted.stat().st_mtime:
        print(f"\n== {name}: installing the SAM CLI into {SAM_VENV.name}", flush=True)
        if not run(["sh", "dev/setup.sh", SAM_VENV.name, "dev/requirements-sam.txt"]):
            skip(name, "the SAM CLI could not be installed (no network?)")
            return
        stamp.touch()
    suite(name, [sam, "validate", "--lint"], env={"AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"})


def summary():
    print("\n== Summary")
    for outcome, name, remark in results:
        print(f"  {outcome:<8} {name} ({remark})")
    failed = [name for outcome, name, _ in results if outcome == "FAILED"]
    skipped = [name for outcome, name, _ in results if outcome == "skipped"]
    print(f"  {len(results) - len(failed) - len(skipped)} passed, {len(failed)} failed, {len(skipped)} skipped.", flush=True)
    return 1 if failed else 0


def main():
    missing = [tool for tool in ("cargo", "cc") if shutil.which(tool) is None]
    if missing:
        print(f"{missing[0]} is missing; `make up` says how to install it.", file=sys.stderr)
        return 1
    hygiene.check(suite, skip)
    rust()
    python()
    end_to_end()
    template()
    return summary()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` stops the stack
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.")
        sys.exit(130)
