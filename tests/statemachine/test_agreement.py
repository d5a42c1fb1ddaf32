"""The folder, the package, the binary and the events folder of a function have one name, and its handler has the route of the template."""

import json
import re
from pathlib import Path

import pytest

from definitions import ROOT, resources

FUNCTIONS = {
    function["Metadata"]["BuildProperties"]["Binary"]: function["Properties"]
    for function in resources("AWS::Serverless::Function").values()
}
ENDPOINT = re.compile(
    r'Endpoint \{\s*name: "([^"]+)",\s*method: "([A-Z]+)",\s*path: "([^"]+)"(?:,\s*scope: (?:Some\(Scope::\w+\)|None))?,\s*query: &\[[^\]]*\],?\s*\}'
)
EVENTS = sorted(ROOT.glob("events/*/*.json"))


def folders(name: str) -> set[str]:
    return {path.name for path in (ROOT / name).iterdir() if path.is_dir()}


def routes(name: str) -> set[tuple[str, str]]:
    events = FUNCTIONS[name].get("Events", {}).values()
    return {(event["Properties"]["Method"], event["Properties"]["Path"]) for event in events if event["Type"] == "Api"}


def test_every_function_has_its_folder_and_its_events() -> None:
    assert folders("functions") == set(FUNCTIONS) == folders("events")


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_handler_declares_the_route_that_the_template_gives_it(name: str) -> None:
    source = (ROOT / f"functions/{name}/src/lib.rs").read_text(encoding="utf-8")
    declared = ENDPOINT.search(source)
    if not routes(name):
        assert declared is None
        return
    assert declared, f"functions/{name}/src/lib.rs declares no ENDPOINT"
    assert declared[1] == name
    assert (declared[2], declared[3]) in routes(name)


@pytest.mark.parametrize("event", EVENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_sample_event_comes_from_the_route_of_its_function(event: Path) -> None:
    sample = json.loads(event.read_text(encoding="utf-8"))
    if "httpMethod" in sample:
        assert (sample["httpMethod"], sample["resource"]) in routes(event.parent.name)
        assert sample["path"] == re.sub(r"\{(\w+)\+?\}", lambda match: sample["pathParameters"][match[1]], sample["resource"])
    else:
        assert not routes(event.parent.name)
