"""The poller of event source mappings: queues and streams.

AWS: a record of a stream or a message of a queue reaches its function within some tens of milliseconds of its batching window.
MiniStack: is woken by new records and messages, and by every batch that ends; a wake that finds nothing makes it sleep 50 ms, during
which the next record waits. With two mappings on one table and a queue behind them that is nearly every event.
Patched: it sleeps 2 ms, which still bounds what empty wakes cost.
"""

from ministack.services import lambda_svc

from .target import Constant, Function

MODULE = "ministack.services.lambda_svc"
TARGETS = (Function(MODULE, "_poll_loop", "6a443090919adccf"), Constant(MODULE, "_ESM_IDLE_WAKE_GAP_SECONDS", 0.05))
GAP_SECONDS = 0.002


def apply() -> None:
    """Replaces the gap, which the poller reads before each pause."""
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = GAP_SECONDS
