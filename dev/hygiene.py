"""What can be said about the sources without running them: spelling, dependencies, licences, state machines.

`make lint` runs it, and `make test` with everything else. Each tool is pinned and installed when it is first needed; one that cannot
be installed is skipped, with the reason. Needs nothing but Python itself.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS, WANTED = ROOT / ".venv-tools", ROOT / "dev/requirements-tools.txt"
NODE = ROOT / "dev/node"


def check(suite, skip):
    """Run all checks. `suite(name, command…)` runs commands, `skip(name, why)` notes what cannot be checked here."""
    names = ("Spelling", "Dependencies that nobody uses", "Licences, sources and bans of dependencies")
    if installed(TOOLS, WANTED, ["sh", "dev/setup.sh", TOOLS.name, str(WANTED.relative_to(ROOT))]):
        tools = TOOLS / "bin"
        suite(names[0], [tools / "typos"])
        suite(names[1], [tools / "cargo-shear"])
        suite(names[2], [tools / "cargo-deny", "--log-level", "error", "check", "licenses", "bans", "sources"])
        if advisories():
            suite("Known vulnerabilities of dependencies", [tools / "cargo-deny", "check", "--disable-fetch", "advisories"])
        else:
            skip("Known vulnerabilities of dependencies", "RustSec's database is not here; `cargo deny fetch` brings it")
    else:
        for name in names:
            skip(name, f"the tools of {WANTED.relative_to(ROOT)} could not be installed (no network?)")
    state_machines(suite, skip)


def state_machines(suite, skip):
    name = "State machines, as the ASL validator sees them"
    if shutil.which("node") is None or shutil.which("npm") is None:
        skip(name, "Node.js is not installed")
    elif not node_tools():
        skip(name, "asl-validator could not be installed (no network?)")
    else:
        validator = NODE / "node_modules/.bin/asl-validator"
        suite(name, *([validator, "--json-path", path] for path in sorted((ROOT / "statemachine").glob("*.asl.json"))))


def node_tools():
    """Whether what dev/node asks for is there; installs it if not."""
    command = ["npm", "ci", "--prefix", str(NODE), "--no-audit", "--no-fund", "--ignore-scripts"]
    return installed(NODE / "node_modules", NODE / "package-lock.json", command)


def advisories():
    """Whether a copy of RustSec's database lies where cargo-deny looks for it."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    return any((home / "advisory-dbs").glob("*/crates"))


def installed(folder, wanted, command):
    """Install into the folder what the file asks for, unless that has been done. Whether it is there."""
    stamp = folder / ".installed"
    if stamp.exists() and stamp.stat().st_mtime >= wanted.stat().st_mtime:
        return True
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode == 0
    if done:
        stamp.touch()
    return done


def main():
    """By itself: say how each check went, and fail if one did."""
    failed = []

    def suite(name, *commands):
        print(f"== {name}", flush=True)
        if any(subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode for command in commands):
            failed.append(name)

    check(suite, lambda name, why: print(f"== {name}: skipped, {why}", flush=True))
    print(f"Failed: {', '.join(failed)}." if failed else "All well.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
