"""Each test with the fixture `on` runs twice, on MiniStack and on moto; each of them starts once for the whole suite."""

import os
from collections.abc import Iterator
from itertools import count

import pytest

from interpreters import Interpreter, MiniStack, Moto
from run import Run

# All requests of the suite go to loopback, which a proxy of the user would not reach.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

_numbers = count(1)


@pytest.fixture(scope="session", params=[MiniStack, Moto], ids=lambda kind: kind.name)
def on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interpreter]:
    """The interpreter with both machines deployed."""
    kind = request.param
    interpreter = kind(tmp_path_factory.mktemp(kind.name) / "server.log")
    yield interpreter
    interpreter.close()


@pytest.fixture(autouse=True)
def skip_what_cannot_be_expressed(request: pytest.FixtureRequest) -> None:
    """Skips a test with `@pytest.mark.needs("…")` on an interpreter that cannot express this need, with the reason."""
    if "on" in request.fixturenames:
        interpreter = request.getfixturevalue("on")
        for mark in request.node.iter_markers("needs"):
            if mark.args[0] in interpreter.cannot:
                pytest.skip(interpreter.cannot[mark.args[0]])


@pytest.fixture
def run(on: Interpreter) -> Run:
    """A run with an id of its own, which is not in the table yet."""
    return Run(f"run_{next(_numbers):026d}", on)
