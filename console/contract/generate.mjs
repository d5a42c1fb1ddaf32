// Writes src/api/contract.d.ts: the types of the public contract, from openapi.yaml and what contract/pending.yaml adds to it.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import openapi, { astToString } from "openapi-typescript";
import { parse } from "yaml";

const here = (name) => new URL(name, import.meta.url);
const contract = parse(readFileSync(here("../../openapi.yaml"), "utf8"));
// Parts of the API that are agreed and not in openapi.yaml yet. The file goes when the contract has them all.
const pending = existsSync(here("pending.yaml")) ? parse(readFileSync(here("pending.yaml"), "utf8")) : {};

/** Adds what is pending; what the contract says by itself wins, but for `properties`, which are joined. */
function merge(base, extra) {
    for (const [key, value] of Object.entries(extra)) {
        const own = base[key];
        const both = [own, value].every((side) => side && typeof side === "object" && !Array.isArray(side));
        if (both) merge(own, value);
        else if (own === undefined) base[key] = value;
    }
    return base;
}

const types = astToString(await openapi(merge(contract, pending), { emptyObjectsUnknown: true }));
const names = ["JsonValue", "Template", "JsonSchema"];
// Values of flows and services are whole JSON whose numbers are kept as text, not `unknown`.
const exact = names.reduce(
    (text, name) => text.replace(new RegExp(`^(\\s+${name}: )(?!components).*;$`, "m"), "$1Json;"),
    types,
);
const target = here("../src/api/contract.d.ts");
const text = `// Generated from openapi.yaml by contract/generate.mjs.\nimport type { Json } from "../lib/json";\n\n${exact}`;
if (!existsSync(target) || readFileSync(target, "utf8") !== text) writeFileSync(target, text);
