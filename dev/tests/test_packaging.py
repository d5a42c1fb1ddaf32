import io
import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from stack.console import StackError
from stack.packaging import Package, load_template, package

TEMPLATE = """
AWSTemplateFormatVersion: 2010-09-09
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    CodeUri: .
    Timeout: 29
Resources:
  GetRun:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: get-run}}
    Properties:
      FunctionName: !Sub "${AWS::StackName}-get-run"
  Run:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: statemachine/run.asl.json
Outputs:
  Arn: {Value: !GetAtt GetRun.Arn}
  Both: {Value: !Join ["-", [!Ref GetRun, !GetAtt [Run, Name]]]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "statemachine").mkdir()
    (tmp_path / "statemachine/run.asl.json").write_text('{"StartAt": "A"}')
    binary = tmp_path / "it's a target" / "get-run"
    binary.parent.mkdir()
    binary.write_text("#!/bin/sh\necho served\n")
    binary.chmod(0o755)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return tmp_path


def packed(project: Path) -> Package:
    return package(project / "template.yaml", "artifacts", lambda name: project / "it's a target" / name)


def test_functions_and_definitions_become_objects_that_the_template_points_to(project: Path) -> None:
    result = packed(project)
    resources = result.template["Resources"]
    keys = {
        uri.removeprefix("s3://artifacts/")
        for uri in (resources["GetRun"]["Properties"]["CodeUri"], resources["Run"]["Properties"]["DefinitionUri"])
    }
    assert keys == set(result.objects)
    assert b'{"StartAt": "A"}' in result.objects.values()
    assert result.template["Globals"] == {"Function": {"Timeout": 29}}
    assert json.loads(result.template_json)["AWSTemplateFormatVersion"] == "2010-09-09"


def test_the_zip_holds_an_executable_bootstrap_that_runs_the_binary(project: Path, tmp_path: Path) -> None:
    (content,) = (content for key, content in packed(project).objects.items() if key.startswith("functions/get-run-"))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["bootstrap"]
        assert archive.getinfo("bootstrap").external_attr >> 16 & 0o111
        script = archive.read("bootstrap")
    assert len(script.splitlines()) == 2
    bootstrap = tmp_path / "bootstrap"
    bootstrap.write_bytes(script)
    bootstrap.chmod(0o755)
    assert subprocess.run([bootstrap], capture_output=True, text=True, check=True).stdout == "served\n"


def test_the_objects_change_when_a_binary_was_rebuilt_and_only_then(project: Path) -> None:
    before = packed(project).objects
    assert packed(project).objects == before
    binary = project / "it's a target/get-run"
    os.utime(binary, ns=(1, binary.stat().st_mtime_ns + 1))
    assert packed(project).objects.keys() != before.keys()


def test_short_forms_are_written_out_as_cloudformation_reads_them(project: Path) -> None:
    template = load_template(project / "template.yaml")
    assert template["Outputs"]["Arn"]["Value"] == {"Fn::GetAtt": ["GetRun", "Arn"]}
    assert template["Outputs"]["Both"]["Value"] == {"Fn::Join": ["-", [{"Ref": "GetRun"}, {"Fn::GetAtt": ["Run", "Name"]}]]}
    assert template["Resources"]["GetRun"]["Properties"]["FunctionName"] == {"Fn::Sub": "${AWS::StackName}-get-run"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Binary: get-run", "Other: get-run", "GetRun: Metadata.BuildProperties.Binary"),
        ("Binary: get-run", "Binary: get-walk", "get-walk is not there"),
        ("run.asl.json", "walk.asl.json", "Run: DefinitionUri points to"),
        ("    CodeUri: .\n", "", "GetRun: the function has no CodeUri"),
        ("Resources:", "Resources: [", "not valid YAML"),
        ("Resources:", "Resources:\n  L: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer/}}", "L: ContentUri"),
    ],
)
def test_what_cannot_be_packed_is_named(project: Path, old: str, new: str, says: str) -> None:
    file = project / "template.yaml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(StackError, match=says):
        packed(project)
