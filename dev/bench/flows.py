"""Runs each flow several times and compares its cost, which the ledger of the stack records, with the budgets."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from stack.console import StackError, Stage
from stack.demo import TICKET
from stack.deploy import STACK, client
from stack.packaging import load_template
from stack.settings import ROOT, Model, Settings

from . import canonical, prices, usage
from .plain import FUNCTION, MACHINES, Plain
from .prices import dollars
from .runs import Runs

# The tick of reconcile-runs has nothing to do with the run that is measured. publish-events reads the stream in batches that all runs of a
# second share, and whether it sees one alone depends on the moment; what it costs is in docs/adr/0017.
IGNORED = {f"{STACK}-reconcile-runs", f"{STACK}-publish-events"}
REPEATS = 5
LISTED, RARE = 10_000, 60


@dataclass(frozen=True)
class Case:
    """A flow that is measured, with its input and its budgets."""

    letter: str
    title: str
    slug: str
    spec: canonical.Spec
    body: dict[str, Any]
    nodes: int
    pauses: int = 0
    ratio: float | None = None  # of the plain workflow's cost, at most

    @property
    def has_plain(self) -> bool:
        """Whether there is an ordinary workflow to compare it with."""
        return self.ratio is not None


@dataclass(frozen=True)
class Check:
    """A budget and the measured value."""

    what: str
    measured: float
    budget: float

    @property
    def met(self) -> bool:
        """Whether the measured value is within the budget."""
        return self.measured <= self.budget + 1e-9

    @property
    def verdict(self) -> str:
        """The words for the report."""
        return "met" if self.met else "NOT MET"


CASES = (
    Case("a", "draft, approve, execute", "draft-approve-execute", canonical.draft_approve_execute(), TICKET, 3, pauses=1, ratio=1.0),
    Case("b", "chain of 10", "chain-of-10", canonical.chain(10), {}, 10, ratio=1 / 5),
    Case("c", "chain of 100", "chain-of-100", canonical.chain(100), {}, 100, ratio=1 / 10),
    Case("d", "50 in parallel, joined", "fifty-in-parallel", canonical.parallel(50), {}, 52),
    Case("e", "10 nodes with 1 MB outputs", "ten-large", canonical.large(10), {"piece": canonical.LARGE_PIECE}, 10),
)


@dataclass(frozen=True)
class Result:
    """The usage of one run of a case, and of the ordinary workflow."""

    case: Case
    ours: usage.Usage
    plain: usage.Usage | None
    notes: tuple[str, ...]
    writers: dict[str, float]  # write units of the last run, by who wrote
    plain_with_end: usage.Usage | None = None  # with a state of its own that ends the run


@dataclass(frozen=True)
class Listing:
    """The cost of one page of a list."""

    what: str
    rows: int
    read_units: float


class Bench:
    """Runs the cases on a running stack and measures them."""

    def __init__(self, settings: Settings, model: Model, env: dict[str, str], runs: Runs, reader: usage.Reader) -> None:
        self._settings, self._env, self._runs, self._reader = settings, env, runs, reader
        self._model = model
        self._api_functions = api_functions()

    def flows(self) -> list[Result]:
        """Runs every case several times, after a run that warms its functions up."""
        plain = Plain(self._settings, self._model, self._env["QE_ORG"])
        results = []
        for case in CASES:
            stage = Stage(f"({case.letter})")
            self._runs.create(case.slug, case.spec)
            ours, notes, writers = self._measure(partial(self._runs.run, case.slug, case.body, self._reader), "ours")
            other = None
            if case.has_plain:
                other, more, _ = self._measure(partial(plain.run, case.slug, case.body), "the plain workflow's")
                notes += more
            with_end = None
            if f"{case.slug}-end" in MACHINES:
                with_end, _, _ = self._measure(partial(plain.run, f"{case.slug}-end", case.body), "")
            results.append(Result(case, ours, other, tuple(notes), writers, with_end))
            stage.done(f"{case.title}: {ours.states:g} state entries, {ours.write_units:g} write units")
        return results

    def _measure(self, run: Callable[[], object], whose: str) -> tuple[usage.Usage, list[str], dict[str, float]]:
        run()
        usages = []
        for _ in range(REPEATS):
            self._reader.skip()
            run()
            entries = self._reader.take()
            usages.append(usage.of(entries, self._api_functions, IGNORED))
        typical = usage.typical(usages)
        notes = [f"{whose} {text} between runs" for text in usage.spread(usages)]
        if typical.refused:
            notes.append(f"{whose} {typical.refused:g} refused writes per run are not in the units")
        return typical, notes, usage.writers(entries, IGNORED)

    def lists(self) -> list[Listing]:
        """Reads pages of 50 runs among 10,000: with the rarest filter, with a common one, and without any."""
        stage = Stage("(f)")
        flow = self._runs.create("ten-thousand-runs", canonical.chain(1))
        self._seed(flow)
        listings = []
        for what, query in (
            ("the rarest filter: failed, by cron", "status=failed&trigger=cron&"),
            ("one status", "status=succeeded&"),
            ("no filter", ""),
        ):
            self._reader.skip()
            answer = self._runs.api("GET", f"/api/flows/ten-thousand-runs/runs?{query}limit=50")
            units = usage.of(self._reader.take(), self._api_functions, IGNORED).read_units
            listings.append(Listing(what, len(answer["data"]), units))
        stage.done(f"a page of 50 among {LISTED:,} runs")
        return listings

    def _seed(self, flow: str) -> None:
        command = [str(self._settings.binary("seed-runs")), "--org", self._env["QE_ORG"], "--flow", flow, "--slug", "ten-thousand-runs"]
        command += ["--count", str(LISTED), "--rare", str(RARE)]
        deployed = client(self._settings, "lambda").get_function_configuration(FunctionName=f"{STACK}-execute-flow")
        environment = {**self._settings.child_environment(), **deployed["Environment"]["Variables"]}
        seeded = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if seeded.returncode != 0:
            raise StackError(f"seed-runs failed: {seeded.stderr.strip()[-300:]}")


def api_functions() -> set[str]:
    """Returns the names of the functions behind the API: their invocations are API calls, which the budgets do not include."""
    template = load_template(ROOT / "template.yaml")
    found: set[str] = set()
    for resource in template["Resources"].values():
        events = resource.get("Properties", {}).get("Events", {})
        if any(event.get("Type") == "Api" for event in events.values()):
            name = resource["Properties"]["FunctionName"]
            text = name["Fn::Sub"] if isinstance(name, dict) else name
            found.add(text.replace("${AWS::StackName}", STACK))
    if FUNCTION in found:
        raise StackError(f"template.yaml has a function with the name of the benchmark's own, {FUNCTION}")
    return found


def checks(results: Sequence[Result], listings: Sequence[Listing]) -> list[Check]:
    """Returns the budgets of the design with the measured values."""
    found: list[Check] = []
    by_letter = {result.case.letter: result for result in results}
    for result in results:
        case, ours = result.case, result.ours
        found.append(Check(f"({case.letter}) state entries per run", ours.states, 1 + 2 * case.pauses))
        found.append(Check(f"({case.letter}) Lambda invocations per run", ours.invocations, 1 + case.pauses))
        if case.letter in "bcd":
            found.append(Check(f"({case.letter}) write units per node, the run's start included", ours.write_units / case.nodes, 3))
    if {"b", "c"} <= set(by_letter):
        at = {letter: by_letter[letter].ours.write_units / by_letter[letter].case.nodes for letter in "bc"}
        found.append(Check("(c) write units per node, times (b)'s", at["c"] / at["b"], 1.5))
    for result in results:
        if result.plain:
            ratio = dollars(result.ours) / dollars(result.plain)
            found.append(Check(f"({result.case.letter}) cost, times the plain workflow's", ratio, result.case.ratio or 1.0))
    found += [Check(f"(f) read units for a page of {each.rows} runs, {each.what}", each.read_units, 10) for each in listings]
    return found


def report(results: Sequence[Result], listings: Sequence[Listing]) -> list[str]:
    """Returns the section of the report as lines of Markdown."""
    lines = [
        f"Medians of {REPEATS} runs, one at a time, after one that warms the functions up. Units are what the engine's answers say",
        "(`ConsumedCapacity`, Park's own write included), milliseconds what an invocation took from event to answer, each rounded up.",
        "The functions behind the API cost no Lambda here (API calls aside, as the budget says); what they read and write counts.",
        "",
        "| flow | | state entries | invocations | billed ms | write units | read units | S3 PUT / GET | $ per million runs |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        title = f"({result.case.letter}) {result.case.title}"
        lines.append(_row(title, "runs", result.ours))
        if result.plain:
            lines.append(_row("", "plain", result.plain))
        if result.plain_with_end:
            lines.append(_row("", "plain, a state ends it", result.plain_with_end))
    lines += ["", "Who writes, in write units of one run:", ""]
    for result in results:
        units = ", ".join(f"{_writer(by)} {amount:g}" for by, amount in result.writers.items())
        lines.append(f"- ({result.case.letter}) {units}")
    lines += ["", "| (f) a page among 10,000 runs | rows | read units, the key's look-up and the flow's head included |", "|---|---:|---:|"]
    lines += [f"| {listing.what} | {listing.rows} | {listing.read_units:g} |" for listing in listings]
    notes = [f"({result.case.letter}) {note}." for result in results for note in result.notes]
    if notes:
        lines += ["", "What differed or is not counted: " + " ".join(notes)]
    lines += ["", "### Budgets", "", "| budget | measured | at most | |", "|---|---:|---:|---|"]
    lines += [f"| {check.what} | {check.measured:.3g} | {check.budget:.3g} | {check.verdict} |" for check in checks(results, listings)]
    for result in results:
        if result.plain_with_end:
            ratio = dollars(result.ours) / dollars(result.plain_with_end)
            lines += ["", f"({result.case.letter}) costs {ratio:.3g} times the plain workflow that has a state of its own to end the run."]
    lines += ["", "### Prices", "", "| what | dollars | per | source |", "|---|---:|---|---|"]
    lines += [f"| {price.what} | {price.dollars:.10g} | {price.per} | {price.source} |" for price in prices.ALL]
    return lines


def _writer(by: str) -> str:
    return "Park" if by == "states" else by.removeprefix(f"{STACK}-")


def _row(title: str, which: str, used: usage.Usage) -> str:
    cells = (
        title,
        which,
        f"{used.states:g}",
        f"{used.invocations:g}",
        f"{used.billed_ms:g}",
        f"{used.write_units:g}",
        f"{used.read_units:g}",
        f"{used.s3_writes:g} / {used.s3_reads:g}",
        f"{dollars(used) * 1_000_000:,.1f}",
    )
    return f"| {' | '.join(cells)} |"
