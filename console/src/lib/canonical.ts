import { ExactNumber, isNumber, type Json } from "./json";

/**
 * The canonical text of a value, as the API makes it (docs/approvals.md): compact, keys sorted by their UTF-8 bytes, an integer as it
 * is, any other number as the shortest text of its double. The answer of a dry run has the last word; this one is there at once.
 */
export function canonicalText(value: Json): string {
  if (isNumber(value)) return numberText(String(value));
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (typeof value === "object" && value !== null && !(value instanceof ExactNumber)) {
    const members = Object.entries(value).sort(([one], [other]) => compareUtf8(one, other));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalText(member)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

function numberText(text: string): string {
  if (/^-?\d+$/.test(text)) return text === "-0" ? "-0.0" : text;
  const shortest = String(Number(text));
  const [mantissa = "", exponent] = shortest.split("e");
  if (exponent === undefined) return mantissa.includes(".") ? mantissa : `${mantissa}.0`;
  return shortest;
}

/** UTF-16 sorts like UTF-8, but for surrogates, which come before U+E000 to U+FFFF in UTF-16 only. */
function compareUtf8(one: string, other: string): number {
  const [left, right] = [Array.from(one), Array.from(other)];
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Returns the SHA-256 of a text in lower-case hex. */
export async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
