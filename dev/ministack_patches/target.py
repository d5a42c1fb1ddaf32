"""What a patch replaces in MiniStack, pinned, so that a patch whose target has changed stops the start instead of doing nothing.

A patch is a module with `TARGETS` (what it replaces or relies on) and `apply()` (the replacement). `verify` compares every target with
the installed MiniStack and lists all differences at once.
"""

import hashlib
import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class TargetChanged(Exception):
    """MiniStack is not what at least one patch was written for. The text names each patch and each target."""


@dataclass(frozen=True)
class Function:
    """A function or a method of MiniStack, and the first 16 hex digits of the SHA-256 of its source."""

    module: str
    name: str
    sha256: str

    def difference(self) -> str | None:
        """Returns what differs from what the patch was written for, or None."""
        try:
            found = digest(source(self.module, self.name))
        except (AttributeError, OSError, TypeError):
            return f"{self.module}.{self.name} is no longer there"
        return None if found == self.sha256 else f"{self.module}.{self.name} has changed (its source is now {found}, it was {self.sha256})"


@dataclass(frozen=True)
class Constant:
    """A module-level value of MiniStack that a patch replaces or that the code around it relies on."""

    module: str
    name: str
    value: float

    def difference(self) -> str | None:
        """Returns what differs from what the patch was written for, or None."""
        found = getattr(importlib.import_module(self.module), self.name, None)
        return None if found == self.value else f"{self.module}.{self.name} is now {found!r}, it was {self.value!r}"


Target = Function | Constant


class Patch(Protocol):
    """A module of this package that changes one thing in MiniStack."""

    @property
    def __name__(self) -> str:
        """The name of the module."""

    @property
    def TARGETS(self) -> tuple[Target, ...]:
        """What the patch replaces, and what it relies on."""

    def apply(self) -> None:
        """Changes MiniStack in this process."""


def verify(patches: Iterable[Patch]) -> None:
    """Compares the targets of all patches with the installed MiniStack. Fails with `TargetChanged` if one differs."""
    differences = [
        f"{patch.__name__}: {difference}"
        for patch in patches
        for target in patch.TARGETS
        if (difference := target.difference()) is not None
    ]
    if differences:
        raise TargetChanged(
            "MiniStack is not what these patches were written for. Read each target again, change the patch where "
            "needed, and then write down the new digest:\n  " + "\n  ".join(differences)
        )


def source(module: str, name: str) -> str:
    """Returns the source of a function or of a method (`Class.method`) of a module."""
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return inspect.getsource(found)


def digest(text: str) -> str:
    """Returns the first 16 hex digits of the text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
