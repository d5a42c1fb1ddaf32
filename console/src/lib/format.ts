import type { components } from "../api/contract";
import { ExactNumber, type Json, writeJson } from "./json";

/** Returns the first and the last characters of a hash or an id. */
export function abbreviate(text: string, head = 8, tail = 8): string {
  return text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${text.slice(-tail)}`;
}

export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-GB")} ${count === 1 ? one : many}`;
}

/** Returns the name that a login gave; a key has none. */
function loginName(identity: unknown): string | undefined {
  if (typeof identity !== "object" || identity === null || !("method" in identity) || identity.method !== "login")
    return undefined;
  return "name" in identity && typeof identity.name === "string" && identity.name !== "" ? identity.name : undefined;
}

/** Returns the name by which people know who acted. */
export function personName(actor: string | null | undefined, identity: unknown): string {
  return loginName(identity) ?? actor ?? "nobody";
}

export function firstName(actor: string | null | undefined, identity: unknown): string {
  return loginName(identity)?.split(" ")[0] ?? personName(actor, identity);
}

/** Returns a value as it is shown in a line: a text as it is, anything else as JSON. */
export function inlineText(value: Json | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  if (value instanceof ExactNumber) return value.text;
  return writeJson(value);
}

export function addressText(destination: components["schemas"]["Destination"]): string {
  if (destination.event !== undefined) return `the event ${destination.event}`;
  const method = destination.method ?? (destination.type === "http_request" ? "GET" : "POST");
  const where = destination.url ?? `${destination.baseUrl ?? destination.service ?? ""}${destination.path ?? ""}`;
  return `${method} ${where.replace(/^https?:\/\//, "")}`;
}
