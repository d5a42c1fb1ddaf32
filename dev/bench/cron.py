"""A tick that finds 10,000 due flows: this builds `bench/due-flows` as it is deployed, runs it, and reports what it measures."""

import subprocess

from stack.console import StackError, say
from stack.settings import Settings

from . import size


def report(settings: Settings, flows: int = 10_000) -> list[str]:
    """Returns the section of the report as lines of Markdown."""
    size.build_release(["due-flows"])
    command = [str(settings.target_dir / "release/due-flows"), "--flows", str(flows)]
    say(f"Cron      starting {flows} flows three times; some minutes")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"due-flows failed with status {done.returncode}; its messages are above.")
    return ["Release build, the DynamoDB engine in a process of its own on the same machine.", "", *done.stdout.splitlines()]
