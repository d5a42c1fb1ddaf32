"""The parameters of `make chaos`, and the faults that can be switched on and off."""

import argparse
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

FAULTS = {
    "kill": "function processes get SIGKILL",
    "model": "the model hangs, resets connections, truncates answers and answers 503",
    "service": "the service does the same, before and after it has done its work",
    "redeliver": "batches of the stream and of the queue come twice, late and in another order",
    "ticks": "two ticks of each schedule run at once",
    "endpoint": "the webhook endpoint refuses the first attempt of some deliveries, and the next is due a minute later",
    "vanish": "executions of runs that wait are gone, and no event says so",
}
# What is repeated only after a minute, and what the engine does not recover from by itself, is not for every `make test`.
SHORT_FAULTS = tuple(name for name in FAULTS if name not in ("endpoint", "vanish"))
SHORT_RUNS, SHORT_SECONDS = 16, 45


@dataclass(frozen=True)
class Options:
    """How many runs, for how many seconds there is trouble, from which seed, and which faults there are."""

    runs: int
    seconds: int
    seed: int
    faults: frozenset[str]
    patience: int = 300  # seconds after the troubles until what has not ended counts as stuck

    def has(self, fault: str) -> bool:
        """Returns whether this fault is on."""
        return fault in self.faults

    def command(self) -> str:
        """Returns the command that runs the same troubles again."""
        return f"make chaos SEED={self.seed} RUNS={self.runs} SECONDS={self.seconds} FAULTS={','.join(f for f in FAULTS if self.has(f))}"


def parse(arguments: Sequence[str]) -> Options:
    """Reads the arguments. Exits, with advice, if they make no sense."""
    parser = argparse.ArgumentParser(prog="dev/chaos", description="Runs under load on a local stack of its own, while everything fails.")
    parser.add_argument("--short", action="store_true", help="the short one of `make test`")
    parser.add_argument("--runs", type=int, help="how many runs")
    parser.add_argument("--seconds", type=int, help="how long the troubles last, in seconds")
    parser.add_argument("--seed", type=int, help="the seed of the troubles; a random one if there is none, and it is printed")
    parser.add_argument("--faults", help=f"a list with commas of {', '.join(FAULTS)}")
    given = parser.parse_args(arguments)
    faults = given.faults.split(",") if given.faults else SHORT_FAULTS if given.short else tuple(FAULTS)
    if unknown := sorted(set(faults) - set(FAULTS)):
        parser.error(f"there is no fault {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    runs = given.runs or (SHORT_RUNS if given.short else 60)
    seconds = given.seconds or (SHORT_SECONDS if given.short else 120)
    if not 1 <= runs <= 2000 or not 1 <= seconds <= 3600:
        parser.error("there are 1 to 2000 runs, and troubles for 1 to 3600 seconds")
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    return Options(runs=runs, seconds=seconds, seed=seed, faults=frozenset(faults))
