import { canonicalNumber, isNumber, isObject, type Json, type JsonObject, NUMBER, numberOf } from "../../lib/json";
import { inlineText } from "../../lib/format";
import { pathOf, valueAt } from "../../lib/pointer";

/** What a form needs of a JSON Schema. The API checks the whole of it; this only makes the form speak. */
export type Kind = "string" | "number" | "integer" | "boolean" | "null" | "object" | "array";

/** Follows references within the schema, and joins `allOf`. */
export function resolved(schema: Json | undefined, root: Json | undefined, depth = 0): JsonObject {
  if (!isObject(schema) || depth > 16) return {};
  const reference = schema.$ref;
  const target =
    typeof reference === "string" && reference.startsWith("#")
      ? resolved(valueAt(root, pathOf(decodeURIComponent(reference.slice(1)))), root, depth + 1)
      : {};
  const parts = Array.isArray(schema.allOf) ? schema.allOf.map((part) => resolved(part, root, depth + 1)) : [];
  return [target, ...parts, schema].reduce<JsonObject>((joined, part) => {
    const properties = { ...asObject(joined.properties), ...asObject(part.properties) };
    return { ...joined, ...part, ...(Object.keys(properties).length > 0 ? { properties } : {}) };
  }, {});
}

function asObject(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

/** Returns the schema of a member. */
export function memberSchema(schema: JsonObject, key: string, root: Json | undefined): JsonObject {
  const properties = asObject(schema.properties);
  if (Object.hasOwn(properties, key)) return resolved(properties[key], root);
  return resolved(schema.additionalProperties, root);
}

export function itemSchema(schema: JsonObject, index: number, root: Json | undefined): JsonObject {
  const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems[index] : undefined;
  return resolved(prefix ?? schema.items, root);
}

/** Returns the members that the schema names and the value does not have. */
export function missingMembers(schema: JsonObject, value: JsonObject): string[] {
  return Object.keys(asObject(schema.properties)).filter((key) => !Object.hasOwn(value, key));
}

const KINDS: readonly string[] = ["string", "number", "integer", "boolean", "null", "object", "array"];

/** Returns the kind of field for a value: by the schema, or else by the value itself. */
export function kindOf(schema: JsonObject, value: Json | undefined): Kind {
  const types = (Array.isArray(schema.type) ? schema.type : [schema.type]).filter(
    (type): type is Kind => typeof type === "string" && KINDS.includes(type),
  );
  const own = kindOfValue(value);
  if (types.length === 0) return own ?? "string";
  if (own === "number") return types.find((type) => type === "integer" || type === "number") ?? own;
  if (own !== undefined && types.includes(own)) return own;
  return types.find((type) => type !== "null") ?? "null";
}

function kindOfValue(value: Json | undefined): Kind | undefined {
  if (value === undefined) return undefined;
  if (value === null) return "null";
  if (isNumber(value)) return "number";
  if (Array.isArray(value)) return "array";
  const type = typeof value;
  return type === "string" || type === "boolean" ? type : "object";
}

/** Returns what a field takes, in a few words: `number, at most 500`. */
export function hintOf(schema: JsonObject, kind: Kind): string {
  const words: string[] = [];
  if (kind === "number" || kind === "integer") words.push(kind === "integer" ? "whole number" : "number");
  const said = (name: string, text: (limit: string) => string) => {
    const limit = schema[name];
    if (isNumber(limit)) words.push(text(inlineText(limit)));
  };
  said("minimum", (limit) => `at least ${limit}`);
  said("exclusiveMinimum", (limit) => `more than ${limit}`);
  said("maximum", (limit) => `at most ${limit}`);
  said("exclusiveMaximum", (limit) => `less than ${limit}`);
  said("multipleOf", (limit) => `a multiple of ${limit}`);
  said("minLength", (limit) => `at least ${limit} characters`);
  said("maxLength", (limit) => `at most ${limit} characters`);
  if (typeof schema.format === "string") words.push(schema.format);
  return words.join(", ");
}

/** Reads what was typed in a field; `undefined` if it is no value of the kind. */
export function readText(text: string, kind: Kind): Json | undefined {
  if (kind === "string") return text;
  const trimmed = text.trim();
  if (!NUMBER.test(trimmed)) return undefined;
  const value = numberOf(trimmed);
  // 5.0 and 5e0 are whole numbers as well.
  if (kind === "integer" && canonicalNumber(value).includes("e-")) return undefined;
  return value;
}

/** Returns a first value for a field that is added. */
export function firstValue(schema: JsonObject, example: Json | undefined): Json {
  if (schema.default !== undefined) return schema.default;
  if (Array.isArray(schema.enum) && schema.enum[0] !== undefined) return schema.enum[0];
  switch (kindOf(schema, example)) {
    case "number":
    case "integer":
      return 0;
    case "boolean":
      return false;
    case "null":
      return null;
    case "array":
      return [];
    case "object": {
      const required = Array.isArray(schema.required) ? schema.required.map(String) : [];
      const keys = isObject(example) ? Object.keys(example) : required;
      return Object.fromEntries(
        keys.map((key) => [
          key,
          firstValue(resolved(asObject(schema.properties)[key], schema), isObject(example) ? example[key] : undefined),
        ]),
      );
    }
    case "string":
      return "";
  }
}
