"""Checks every document against a running stack."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from stack.console import StackError
from stack.http_client import Unreachable
from stack.seed import organisations, read_env, write_env
from stack.settings import ROOT, Settings

from . import examples, excerpt, session
from .expected import difference
from .markdown import blocks

# What the commands of the documents expect around them: the repository, as far as they use it.
LINKED = ("Makefile", "dev", "docs", "README.md", "template.yaml", ".venv")


def documents():
    """README.md and docs/, without what nobody is meant to type: decisions and measurements."""
    return [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "benchmarks.md")]


def check(stack, skip, paths=None):
    """Check the documents on the stack that the variables in `stack` (DEV_DIR, PORT) name. Each has an organisation of its own.
    Prints what is wrong as file:line; `skip(name, why)` is told what was not run. True if all is right."""
    settings = replace(Settings.from_environment(), port=int(stack["PORT"]), dev_dir=(ROOT / stack["DEV_DIR"]).resolve())
    good = True
    for path in paths or documents():
        name = str(path.relative_to(ROOT))
        try:
            with tempfile.TemporaryDirectory(prefix="documents-") as folder:
                problems, counts = check_document(path, name, Path(folder), settings, stack, skip)
        except (StackError, Unreachable, ValueError) as problem:
            problems, counts = [(1, str(problem))], "not checked"
        for line, what in problems:
            print(f"{name}:{line}: {what}", flush=True)
        print(f"  {name}: {counts}{', FAILED' if problems else ''}", flush=True)
        good &= not problems
    return good


def check_document(path, name, folder, settings, stack, skip):
    found = blocks(path.read_text(encoding="utf-8"))
    env = prepare(folder, settings)
    for block in found:
        if block.not_run:
            skip(f"{name}:{block.line}", block.not_run)
    problems = []
    commands = [block for block in found if block.language == "sh" and not block.not_run]
    ran = session.run(name, commands, folder, stack) if commands else session.Ran({})
    if ran.failed_at:
        begun = max((line for line in ran.printed if line <= ran.failed_at), default=None)
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
            # Of the block that failed it has been said; what comes after it was not run.
            done = before.line in ran.printed and not (ran.failed_at and ran.failed_at > before.line)
            wrong = difference(block.language, block.text, ran.printed[before.line]) if done else None
        elif block.language == "text":
            wrong = "a text block is what the sh block above it prints, and there is none"
        elif before and before.language == "json" and is_refusal(block):
            continue
        else:
            refusal = found[at + 1] if at + 1 < len(found) and found[at + 1].follows and is_refusal(found[at + 1]) else None
            wrong = examples.check(block.text, refusal and refusal.text, f"example-{block.line}", env)
            saved += 1
        if wrong:
            problems.append((block.line, wrong))
    return problems, f"{len(ran.printed)} blocks of commands, {saved} examples, {quoted} excerpts"


def is_refusal(block):
    return block.language == "json" and block.text.lstrip().removeprefix("{").lstrip().startswith('"error"')


def prepare(folder, settings):
    """Make the folder look like the repository after `make up`, with an organisation that nobody else uses."""
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    (folder / "target").symlink_to(settings.target_dir)
    env = read_env(settings)
    if env is None:
        raise StackError(f"No stack is running in {settings.dev_dir_name}; `make up` starts one.")
    env |= organisations(settings, {"TableName": env["TABLE_NAME"], "BucketName": env["BUCKET_NAME"]})
    (folder / ".dev").mkdir()
    write_env(replace(settings, dev_dir=folder / ".dev"), env)
    return env


def main(arguments):
    """`dev/documents <file>…` on the stack that DEV_DIR and PORT name: for whoever writes them."""
    stack = {"DEV_DIR": os.environ.get("DEV_DIR") or ".dev", "PORT": os.environ.get("PORT") or "4566"}
    paths = [Path(argument).resolve() for argument in arguments]
    return 0 if check(stack, lambda name, why: print(f"  skipped {name}: {why}"), paths) else 1
