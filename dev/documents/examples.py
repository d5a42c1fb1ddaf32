"""Saves the examples of a document through the API: whole flows, specs, and single nodes in a flow that has what they name."""

import json
import re

from stack.http_client import call

from .expected import json_difference

NAMED = re.compile(r"\$?\{?step\.([\w-]+)\.output")
ROUTE = "route_to:"


def check(example, refusal, slug, env):
    """Save the JSON text of an example; what is wrong, or None. `refusal` is the answer it should get instead, as JSON text."""
    try:
        body = flow(json.loads(example), slug)
        wanted = json.loads(refusal) if refusal else {"data": {"flow": {"slug": body["slug"], "…": "…"}}}
    except ValueError as problem:
        return f"this is no JSON: {problem}"
    status, answer = call("POST", f"{env['QE_BASE_URL']}/api/flows", body, env["QE_API_KEY"])
    if status != (400 if refusal else 201):
        return f"the API answered {status}: {json.dumps(answer, ensure_ascii=False)}"
    return json_difference(wanted, answer)


def flow(example, slug):
    """The body that saves an example: it is a flow, a spec or a node."""
    if "spec" in example:
        return example
    if "nodes" in example:
        return {"slug": slug, "name": slug, "spec": example}
    if "type" in example:
        return {"slug": slug, "name": slug, "spec": spec_around(example)}
    raise ValueError("an example is a flow (with `spec`), a spec (with `nodes`) or a node (with `type`); this is none of them")


def spec_around(node):
    """The smallest spec that holds the node: what it reads comes before it, and where it leads comes after."""
    name = node.get("id", "")
    before = sorted(set(NAMED.findall(json.dumps(node))) - {name})
    after = []
    edges = [{"from": one, "to": other} for one, other in zip(before, [*before[1:], name])]
    if isinstance(cases := node.get("cases"), dict):
        for case, target in cases.items():
            if isinstance(target, dict) and "next" in target:
                edges.append({"from": name, "to": target["next"], "case": case})
                after.append(target["next"])
    routes = [node.get(field) for field in ("onError", "onReject", "onTimeout")]
    after += [route.removeprefix(ROUTE) for route in routes if isinstance(route, str) and route.startswith(ROUTE)]
    others = [{"id": one, "type": "transform", "output": {}} for one in dict.fromkeys([*before, *after])]
    return {"startNodeId": before[0] if before else name, "nodes": [node, *others], "edges": edges}
