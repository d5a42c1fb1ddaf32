"""Writes measured sections into docs/benchmarks.md, between markers; the text outside of them is written by hand."""

import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from stack.console import StackError
from stack.settings import ROOT

FILE = ROOT / "docs/benchmarks.md"


def put(text: str, section: str, lines: Sequence[str]) -> str:
    """Returns the text with the lines of the section between its markers."""
    begin, end = f"<!-- bench:{section} -->", f"<!-- /bench:{section} -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise StackError(f"{FILE.name} must hold `{begin}` and after it `{end}`, once each: that is where the figures go.")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n\n" + "\n".join(lines) + f"\n\n{end}{rest.partition(end)[2]}"


def write(sections: Mapping[str, Sequence[str]]) -> None:
    """Writes several sections, each with its name and lines, into the file."""
    text = FILE.read_text(encoding="utf-8")
    for section, lines in sections.items():
        text = put(text, section, [where_and_when(), "", *lines])
    FILE.write_text(text, encoding="utf-8")


def where_and_when() -> str:
    """Returns the date, the commit and the machine of a measurement."""
    return f"Measured on {machine()}, at {commit()}, {time.strftime('%Y-%m-%d', time.gmtime())}."


def machine() -> str:
    """Returns the cores, the processor, the system and the load of this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        model = f" ({named[1].strip()})" if named else ""
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return f"{cores} {platform.machine()} cores{model}, {platform.system()}{load}"


def commit() -> str:
    """Returns the commit that was measured, and whether files differ from it; the report itself does not count."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = [line for line in git("status", "--porcelain", "--untracked-files=no").splitlines() if FILE.name not in line]
    return f"commit {git('rev-parse', '--short=10', 'HEAD') or 'unknown'}{' with changes' if changed else ''}"
