"""`python dev/chaos`: starts a stack of its own, runs flows while everything fails, and says what was lost, doubled, stuck or wrong."""

import os
import random
import signal
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from botocore.exceptions import BotoCoreError, ClientError

from chaos.accounting import ENDED, EVENTS_WITHOUT_APPROVAL, Account, Records, RunSeen, account
from chaos.faults import Faults
from chaos.flow import SLUG
from chaos.load import Caller, Started, in_thread, wait_for
from chaos.options import FAULTS, Options, parse
from chaos.sabotage import unnoticed
from chaos.site import Site
from stack.console import StackError, Stage, bold, fail, say
from stack.lifecycle import bring_up, stop_everything
from stack.seed import require_env
from stack.settings import ROOT, Settings
from stack.temporary import free_ports

DIRECTORY = ".dev-chaos"
STARTING = 0.75  # the share of the time of the troubles in which runs are started; the rest is for them to get on
SHOWN = 20  # findings of each kind
# How long after the end of the last run its events may still come, in seconds: the attempts of a delivery are minutes apart.
PATIENCE_SECONDS = 240


def main() -> int:
    """Runs the chaos that the arguments describe and returns the exit code: 0 only if nothing was lost, doubled, stuck, wrong or failed."""
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the stack is to be stopped then too
    if not Path("/proc/self/environ").exists():
        say("Skipped: function processes are found through /proc, which only Linux has.")
        return 0
    say(bold(f"Seed {options.seed}: {options.runs} runs, trouble for {options.seconds} s. `{options.command()}` runs it again."))
    for name in FAULTS:
        say(f"  {'on ' if options.has(name) else 'off'}  {name}: {FAULTS[name]}")
    settings = replace(Settings.from_environment(), dev_dir=ROOT / DIRECTORY, port=free_ports())
    site = Site(options)
    threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
    try:
        return _on_a_stack(options, settings, site)
    except StackError as problem:
        fail(str(problem))
    except (BotoCoreError, ClientError) as problem:
        fail(f"MiniStack refused a call: {problem}. Its log says more: {DIRECTORY}/ministack.log")
    except KeyboardInterrupt:
        say("\nStopped.")
    finally:
        stop_everything(settings)
        site.server_close()
    return 1


def _on_a_stack(options: Options, settings: Settings, site: Site) -> int:
    stop_everything(settings)
    control = settings.dev_dir / "redelivery.json"
    control.unlink(missing_ok=True)
    # The processes of the stack inherit the first; the model of the flows is the site.
    os.environ["STACK_REDELIVERY"] = str(control)
    os.environ["LLM_BASE_URL"] = f"{site.url}/v1"
    os.environ["LLM_MODELS"] = '{"quantum-ai:default":"scripted"}'
    os.environ.pop("LLM_API_KEY", None)
    bring_up(settings)
    caller = Caller(require_env(settings), options.seed)
    site.secret, clock_flow = caller.prepare(site.url)
    faults = Faults(options, settings, caller, clock_flow, control)
    runs = [caller.plan(number) for number in range(options.runs)]

    problems, calm = _load(options, caller, faults, site, runs)
    recovered = max([calm, *(run.ended_at for run in runs if run.ended_at)]) - calm
    _wait_for_the_rest(caller, faults, site, runs, clock_flow)
    complete = time.monotonic() - calm
    faults.end()
    records = _records(caller, faults, site, runs, clock_flow)
    found = account(records)
    if not options.has("kill"):
        found.failed += found.given_up
    found.stuck += problems + [f"a fault stopped working: {problem}" for problem in faults.problems]
    _print_troubles(faults, site, caller)
    _print(found)
    say(f"  recovery     {recovered:.1f} s from the end of the troubles to the end of the last run, {complete:.1f} s to its last event")
    missed = unnoticed(records, options.seed)
    say(f"  the accounting notices an effect that is lost, doubled or altered in these records: {'; '.join(missed) or 'yes'}")
    if found.is_clean and not missed:
        return 0
    fail(f"`{options.command()}` runs the same troubles again; {DIRECTORY}/ministack.log has the log of the functions.")
    return 1


def _load(options: Options, caller: Caller, faults: Faults, site: Site, runs: list[Started]) -> tuple[list[str], float]:
    """Runs the load and the troubles. Returns what the caller could not do, and when the troubles were over, on the monotonic clock."""
    stage = Stage("Chaos")
    problems: list[str] = []
    starts = sorted(random.Random(options.seed + 2).uniform(0, options.seconds * STARTING) for _ in runs)  # noqa: S311
    begin = time.monotonic()
    site.troubled = True
    faults.begin()
    threads = []
    for run, at in zip(runs, starts, strict=True):
        time.sleep(max(0.0, begin + at - time.monotonic()))
        threads.append(in_thread(partial(caller.live, run), problems))
        stage.still(f"{len(threads)} runs started, {_ended(runs)} ended")
    time.sleep(max(0.0, begin + options.seconds - time.monotonic()))
    site.troubled = False
    faults.calm()
    calm = time.monotonic()
    stage.done(f"{len(runs)} runs started, {_ended(runs)} ended; the troubles are over")
    wait_for(threads, options.patience)
    caller.stopped.set()
    wait_for(threads, 60)
    caller.stopped.clear()
    return problems, calm


def _ended(runs: list[Started]) -> int:
    return sum(run.ended_at is not None for run in runs)


def _wait_for_the_rest(caller: Caller, faults: Faults, site: Site, runs: list[Started], clock_flow: str) -> None:
    """Waits until every due time has its run and every run that succeeded has its events, or until the time is up."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    stage = Stage("Events")
    while time.monotonic() < deadline:
        if not faults.due or caller.last_due(clock_flow) == faults.due[-1]:
            seen, _ = _runs(caller, site, runs, clock_flow)
            accepted = {(event.run, event.name) for event in site.records()[1] if event.accepted}
            awaited = {(run.id, name) for run in seen if run.status == "succeeded" for name in run.events}
            # The runs of the schedule may have started just now. Any other that has not ended by now is stuck.
            if awaited <= accepted and all(run.status in ENDED for run in seen if run.events == EVENTS_WITHOUT_APPROVAL):
                break
        stage.still("waiting for the last events and due times")
        time.sleep(2)
    time.sleep(3)  # for what comes a second time
    stage.done("nothing is outstanding" if time.monotonic() < deadline else "something is outstanding")


def _runs(caller: Caller, site: Site, runs: list[Started], clock_flow: str) -> tuple[list[RunSeen], list[str]]:
    """Returns all runs as the API shows them, and the due times of those that the schedule has started."""
    sent, _ = site.records()
    scheduled = caller.scheduled(clock_flow)
    return [seen for run in runs for seen in caller.seen(run, sent)] + [run for run, _ in scheduled], [due for _, due in scheduled]


def _records(caller: Caller, faults: Faults, site: Site, runs: list[Started], clock_flow: str) -> Records:
    seen, ticked = _runs(caller, site, runs, clock_flow)
    sent, events = site.records()
    return Records(
        starts={run.key: frozenset(run.runs) for run in runs},
        listed=frozenset(row["id"] for row in caller.listed(SLUG)),
        runs=tuple(seen),
        sent=sent,
        events=events,
        due=tuple(faults.due),
        ticked=tuple(ticked),
    )


def _print_troubles(faults: Faults, site: Site, caller: Caller) -> None:
    say()
    say(bold("What happened"))
    for name, count in sorted((faults.done + site.troubles).items()):
        say(f"  {count:5}  {name}")
    say(f"  {caller.repeated_calls:5}  calls of the API that were answered with a server error or not at all, and repeated")


def _print(found: Account) -> None:
    say()
    say(bold(f"{found.effects} effects; {found.repeated} requests repeated one under its Idempotency-Key"))
    kinds = {
        "lost": found.lost,
        "doubled": found.doubled,
        "stuck": found.stuck,
        "wrong bytes": found.wrong,
        "failed runs": found.failed,
        "given up": found.given_up,
    }
    for name, findings in kinds.items():
        say(f"  {name:<12} {len(findings)}")
        for finding in findings[:SHOWN]:
            say(f"    {finding}")


if __name__ == "__main__":
    sys.exit(main())
