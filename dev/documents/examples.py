"""Saves the examples of a document through the API: whole flows, specs, and single nodes in a flow that has the nodes they name."""

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from stack.http_client import call

from .expected import json_difference

NAMED = re.compile(r"\$?\{?step\.([\w-]+)\.output")
ROUTE = "route_to:"


def check(example: str, refusal: str | None, slug: str, env: Mapping[str, str]) -> str | None:
    """Saves the JSON text of an example; returns what is wrong, or None.

    `refusal` is the JSON text of the error that the API should answer instead. `slug` names the flow around the example.
    """
    try:
        body = flow(json.loads(example), slug)
        wanted = json.loads(refusal) if refusal else {"data": {"flow": {"slug": body["slug"], "…": "…"}}}
    except ValueError as problem:
        return f"this is not JSON: {problem}"
    status, answer = call("POST", f"{env['QE_BASE_URL']}/api/flows", body, env["QE_API_KEY"])
    if status != (400 if refusal else 201):
        return f"the API answered {status}: {json.dumps(answer, ensure_ascii=False)}"
    # An example names services and reviewers that the organisation of the local stack does not have.
    if status == 201 and "warnings" not in wanted.get("data", {}):
        answer["data"].pop("warnings", None)
    return json_difference(wanted, answer)


def flow(example: dict[str, Any], slug: str) -> dict[str, Any]:
    """Returns the body that saves an example, which is a flow, a spec or a node; raises ValueError if it is none of them."""
    if "spec" in example:
        return example
    if "nodes" in example:
        return {"slug": slug, "name": slug, "spec": example}
    if "type" in example:
        return {"slug": slug, "name": slug, "spec": spec_around(example)}
    raise ValueError("an example is a flow (with `spec`), a spec (with `nodes`) or a node (with `type`); this is none of them")


def spec_around(node: dict[str, Any]) -> dict[str, Any]:
    """Returns the smallest spec that contains the node: the nodes that it reads come before it, those that it leads to come after."""
    name = node.get("id", "")
    before = sorted(set(NAMED.findall(json.dumps(node))) - {name})
    after = []
    edges = [{"from": one, "to": other} for one, other in pairwise([*before, name])]
    if isinstance(cases := node.get("cases"), dict):
        for case, target in cases.items():
            if isinstance(target, dict) and "next" in target:
                edges.append({"from": name, "to": target["next"], "case": case})
                after.append(target["next"])
    routes = [node.get(field) for field in ("onError", "onReject", "onTimeout")]
    after += [route.removeprefix(ROUTE) for route in routes if isinstance(route, str) and route.startswith(ROUTE)]
    # The output of a service is not known before it has answered, so any path of it may be read.
    others = [{"id": one, "type": "service_call", "service": "custom:echo", "path": "/"} for one in dict.fromkeys([*before, *after])]
    return {"startNodeId": before[0] if before else name, "nodes": [node, *others], "edges": edges}
