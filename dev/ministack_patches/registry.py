"""Every patch, in the order in which it is applied. Importing this module imports MiniStack."""

from . import (
    empty_answer,
    event_source_poller,
    execution_start,
    function_output,
    gateway_responses,
    redelivery,
    runtime_api,
    schedule_ticks,
    stream_batch_failures,
    table_settings,
    task_timeout_path,
    time_to_live,
    vanished_execution,
)
from .target import Patch

PATCHES: tuple[Patch, ...] = (
    # Where MiniStack differs from AWS.
    task_timeout_path,
    table_settings,
    time_to_live,
    empty_answer,
    # Faults, which are off unless `make chaos` asks for them. What comes twice is not a report of failures.
    redelivery,
    vanished_execution,
    stream_batch_failures,
    gateway_responses,
    # Where MiniStack waits instead of working.
    execution_start,
    function_output,
    runtime_api,
    event_source_poller,
    schedule_ticks,
)
