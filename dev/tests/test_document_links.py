"""The documents refer to files and headings that exist, and their lists are complete."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "dev/README.md"]
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Loader(yaml.SafeLoader):
    """Reads a template and ignores its tags."""


Loader.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def prose(path: Path) -> str:
    return FENCED.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """Returns the anchors that GitHub makes of the headings: lower case, without punctuation, a hyphen for each space."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(prose(path))}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_existing_files_and_headings(document: Path) -> None:
    for target, anchor in LINK.findall(prose(document)):
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def test_the_index_names_every_document() -> None:
    listed = {target for target, _ in LINK.findall((ROOT / "docs/README.md").read_text(encoding="utf-8"))}
    assert {path.name for path in ROOT.glob("docs/*.md")} - {"README.md"} <= listed


def test_operations_name_every_parameter_queue_and_worker() -> None:
    template = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader)  # noqa: S506 (it is a SafeLoader)
    operations = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    wanted = set(template["Parameters"])
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties") or {}
        if resource["Type"] == "AWS::SQS::Queue":
            wanted.add(name)
        if resource["Type"] == "AWS::Serverless::Function" and not any(
            event["Type"] == "Api" for event in (properties.get("Events") or {}).values()
        ):
            wanted.add(resource["Metadata"]["BuildProperties"]["Binary"])
    assert {name for name in wanted if f"`{name}`" not in operations} == set()


def test_operations_quote_messages_that_are_logged() -> None:
    """An operator would search the logs in vain for a message that has been changed."""
    table = (ROOT / "docs/operations.md").read_text(encoding="utf-8").partition("| message |")[2].partition("\n\n")[0]
    sources = "".join(
        path.read_text(encoding="utf-8") for folder in ("crates", "functions") for path in (ROOT / folder).rglob("src/**/*.rs")
    )
    messages = re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)
    assert messages
    assert [message for message in messages if f'"{message}' not in sources] == []
