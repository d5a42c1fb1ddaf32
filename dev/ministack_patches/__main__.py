"""`python dev/ministack_patches`: starts MiniStack with every patch applied.

MiniStack binds to loopback unless BIND_HOST says otherwise: its own default is every interface. With STACK_LEDGER it notes in that
file what everything costs (dev/ledger.py), with STACK_ACCESSES what functions ask for (dev/accesses.py).
"""

import os
import sys
from importlib.metadata import version
from pathlib import Path

# MiniStack reads it when it is imported.
os.environ.setdefault("BIND_HOST", "127.0.0.1")
sys.path[0] = str(Path(__file__).resolve().parents[1])

WRITTEN_FOR = "1.5.33"


def main() -> None:
    """Verifies and applies the patches, attaches what the environment asks for, and serves until it is stopped."""
    found = version("ministack")
    if found != WRITTEN_FOR:
        sys.exit(
            f"dev/ministack_patches was written for ministack {WRITTEN_FOR}, and {found} is installed: install the pinned version "
            "(dev/requirements.txt), or write the new one into WRITTEN_FOR; the start then lists the patches whose targets have changed."
        )
    from ministack_patches.target import TargetChanged, verify
    from ministack_patches.registry import PATCHES

    try:
        verify(PATCHES)
    except TargetChanged as problem:
        sys.exit(str(problem))
    for patch in PATCHES:
        patch.apply()
    attach_recorders()

    from ministack.app import main as serve

    serve()


def attach_recorders() -> None:
    """Attaches the ledger and the record of accesses, where the environment names files for them."""
    from ministack.core import lambda_runtime
    from ministack.services import dynamodb, kms, lambda_svc, s3, sqs, stepfunctions

    if ledger_file := os.environ.get("STACK_LEDGER"):
        import ledger

        modules = {"dynamodb": dynamodb, "s3": s3, "stepfunctions": stepfunctions}
        ledger.attach(ledger_file, **modules, lambda_svc=lambda_svc, lambda_runtime=lambda_runtime)
    if accesses_file := os.environ.get("STACK_ACCESSES"):
        import accesses

        services = {"dynamodb": dynamodb, "kms": kms, "s3": s3, "sqs": sqs, "stepfunctions": stepfunctions}
        accesses.attach(accesses_file, **services, lambda_svc=lambda_svc)


if __name__ == "__main__":
    main()
