"""A patch whose target has changed in MiniStack stops the start; a patch whose target is as it was is applied."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from ministack.services import stepfunctions

from ministack_patches import registry, target
from ministack_patches.target import Constant, Function, TargetChanged

MODULE = "ministack.services.stepfunctions"
PATCHES = Path(target.__file__).parent


def patch(*targets: target.Target) -> SimpleNamespace:
    return SimpleNamespace(__name__="a_patch", TARGETS=targets, apply=lambda: None)


def test_every_patch_is_registered() -> None:
    others = {"__init__", "__main__", "registry", "start", "target"}
    assert {each.__name__.rpartition(".")[2] for each in registry.PATCHES} == {file.stem for file in PATCHES.glob("*.py")} - others


def test_the_installed_version_is_what_the_patches_were_written_for() -> None:
    target.verify(registry.PATCHES)


def test_every_patch_names_what_it_replaces() -> None:
    assert all(each.TARGETS for each in registry.PATCHES)


def test_a_function_that_changed_is_named_with_its_new_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = Function(MODULE, "_scaled_sleep", target.digest(target.source(MODULE, "_scaled_sleep")))
    target.verify([patch(pinned)])

    def changed(seconds: float) -> None:
        """Does nothing."""

    monkeypatch.setattr(stepfunctions, "_scaled_sleep", changed)
    with pytest.raises(TargetChanged) as problem:
        target.verify([patch(pinned)])
    found = target.digest(target.source(MODULE, "_scaled_sleep"))
    assert f"a_patch: {MODULE}._scaled_sleep has changed (its source is now {found}" in str(problem.value)


def test_a_function_or_a_method_that_is_gone_is_named() -> None:
    gone = patch(
        Function(MODULE, "_no_such_function", "0" * 16), Function("ministack.core.lambda_runtime", "Worker._no_such_method", "0" * 16)
    )
    with pytest.raises(TargetChanged) as problem:
        target.verify([gone])
    assert f"{MODULE}._no_such_function is no longer there" in str(problem.value)
    assert "ministack.core.lambda_runtime.Worker._no_such_method is no longer there" in str(problem.value)


def test_a_constant_that_changed_is_named_with_both_values() -> None:
    with pytest.raises(TargetChanged, match=r"_SFN_WAIT_SCALE is now .+, it was 17"):
        target.verify([patch(Constant(MODULE, "_SFN_WAIT_SCALE", 17))])


def test_another_version_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "9.9.9")
    monkeypatch.setattr("sys.path", ["", *sys.path])
    with pytest.raises(SystemExit, match=r"written for ministack .+, and 9\.9\.9 is installed"):
        runpy.run_path(str(PATCHES), run_name="__main__")


def test_a_changed_target_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", ["", *sys.path])
    monkeypatch.setattr(registry, "PATCHES", (patch(Constant(MODULE, "_SFN_WAIT_SCALE", 17)),))
    with pytest.raises(SystemExit, match=r"MiniStack is not what these patches were written for"):
        runpy.run_path(str(PATCHES), run_name="__main__")
