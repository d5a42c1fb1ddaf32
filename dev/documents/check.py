"""Checks every document against a running stack."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from skipped import note_skipped
from stack.console import StackError
from stack.http_client import Unreachable
from stack.seed import organisations, require_env, write_env
from stack.settings import ROOT, Settings

from . import examples, excerpt, session
from .expected import difference
from .markdown import Block, blocks

# The files of the repository that the commands of the documents use.
LINKED = ("Makefile", "console", "dev", "docs", "openapi.yaml", "README.md", "template.yaml", ".venv", ".venv-console")


def documents() -> list[Path]:
    """Returns README.md and the files of docs/, without decisions and measurements, which contain no commands to type."""
    return [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "benchmarks.md")]


def check(settings: Settings, skip: Callable[[str, str], None], paths: Sequence[Path] | None = None) -> bool:
    """Checks the documents on the stack of the settings, each in an organisation of its own; returns whether all is right.

    Prints each problem as file:line, and calls `skip` with the name and the reason of each block that is not run.
    """
    stack = {"DEV_DIR": settings.dev_dir_name, "PORT": str(settings.port)}
    good = True
    for path in paths or documents():
        name = str(path.relative_to(ROOT))
        try:
            with tempfile.TemporaryDirectory(prefix="documents-") as folder:
                problems, counts = check_document(path, name, Path(folder), settings=settings, stack=stack, skip=skip)
        except (StackError, Unreachable, ValueError) as problem:
            problems, counts = [(1, str(problem))], "not checked"
        for line, what in problems:
            print(f"{name}:{line}: {what}", flush=True)
        print(f"  {name}: {counts}{', FAILED' if problems else ''}", flush=True)
        good &= not problems
    return good


def check_document(
    path: Path, name: str, folder: Path, *, settings: Settings, stack: Mapping[str, str], skip: Callable[[str, str], None]
) -> tuple[list[tuple[int, str]], str]:
    """Checks one document; returns its problems, each with its line, and how much of it was checked."""
    found = blocks(path.read_text(encoding="utf-8"))
    env = prepare(folder, settings)
    for block in found:
        if block.not_run:
            skip(f"{name}:{block.line}", block.not_run)
    problems: list[tuple[int, str]] = []
    commands = [block for block in found if block.language == "sh" and not block.not_run]
    ran = session.run(name, commands, folder, stack) if commands else session.SessionResult({})
    if ran.failed_at:
        begun = max((line for line in ran.printed if line <= ran.failed_at), default=0)
        problems.append((ran.failed_at, f"{ran.why}; it had printed:\n{ran.printed.get(begun, '')}"))
    saved = quoted = 0
    for at, block in enumerate(found):
        if block.language in excerpt.LANGUAGES and not block.not_run:
            quoted += 1
            if wrong := excerpt.check(block, ROOT):
                problems.append((block.line, wrong))
        before = found[at - 1] if at and block.follows else None
        if block.not_run or block.language not in ("text", "json") or (before and before.not_run):
            continue
        if before and before.language == "sh":
            # The block that failed is reported above, and the blocks after it were not run.
            done = before.line in ran.printed and not (ran.failed_at and ran.failed_at > before.line)
            wrong = difference(block.language, block.text, ran.printed[before.line]) if done else None
        elif block.language == "text":
            wrong = "a text block is what the sh block above it prints, and there is none"
        elif before and before.language == "json" and is_refusal(block):
            continue
        else:
            refusal = found[at + 1] if at + 1 < len(found) and found[at + 1].follows and is_refusal(found[at + 1]) else None
            wrong = examples.check(block.text, refusal.text if refusal else None, f"example-{block.line}", env)
            saved += 1
        if wrong:
            problems.append((block.line, wrong))
    return problems, f"{len(ran.printed)} blocks of commands, {saved} examples, {quoted} excerpts"


def is_refusal(block: Block) -> bool:
    """Returns whether the block is an error that the API must answer."""
    return block.language == "json" and block.text.lstrip().removeprefix("{").lstrip().startswith('"error"')


def prepare(folder: Path, settings: Settings) -> dict[str, str]:
    """Makes the folder look like the repository after `make up`, with an organisation of its own; returns the values of its env file."""
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    (folder / "target").symlink_to(settings.target_dir)
    env = require_env(settings)
    env |= organisations(settings, {"TableName": env["TABLE_NAME"], "BucketName": env["BUCKET_NAME"]})
    (folder / ".dev").mkdir()
    write_env(replace(settings, dev_dir=folder / ".dev"), env)
    return env


def main(arguments: Sequence[str]) -> int:
    """Checks the documents that the arguments name on the stack that DEV_DIR and PORT name; returns the exit code."""

    def skip(name: str, reason: str) -> None:
        print(f"  skipped {name}: {reason}", flush=True)
        note_skipped(name, reason)

    return 0 if check(Settings.from_environment(), skip, [Path(argument).resolve() for argument in arguments]) else 1
