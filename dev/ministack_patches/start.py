"""Starts MiniStack with every patch, and with the recorders that the environment asks for."""

import os
import sys

from ministack.app import main as serve
from ministack.core import lambda_runtime
from ministack.services import dynamodb, kms, lambda_svc, s3, ses_v2, sqs, stepfunctions

import accesses
import ledger

from .registry import PATCHES
from .target import TargetChanged, verify


def start() -> None:
    """Verifies and applies the patches, attaches the recorders, and serves until it is stopped. Exits if a target has changed.

    MiniStack binds to loopback unless BIND_HOST says otherwise: its own default is every interface.
    """
    try:
        verify(PATCHES)
    except TargetChanged as problem:
        sys.exit(str(problem))
    for patch in PATCHES:
        patch.apply()
    attach_recorders()
    os.environ.setdefault("BIND_HOST", "127.0.0.1")
    serve()


def attach_recorders() -> None:
    """With STACK_LEDGER it is noted in that file what everything costs, with STACK_ACCESSES what functions ask for."""
    if file := os.environ.get("STACK_LEDGER"):
        measured = {"dynamodb": dynamodb, "s3": s3, "stepfunctions": stepfunctions}
        ledger.attach(file, **measured, lambda_svc=lambda_svc, lambda_runtime=lambda_runtime)
    if file := os.environ.get("STACK_ACCESSES"):
        watched = {"dynamodb": dynamodb, "kms": kms, "s3": s3, "ses_v2": ses_v2, "sqs": sqs, "stepfunctions": stepfunctions}
        accesses.attach(file, **watched, lambda_svc=lambda_svc)
