import { isNumber, isObject, type Json, sameJson } from "./json";
import { type Path, pointerOf } from "./pointer";

/** One place where two values differ. A side that is `undefined` has nothing there. */
export interface Difference {
  pointer: string;
  before: Json | undefined;
  after: Json | undefined;
}

/** Returns the places where two values differ, in the order of the first. Numbers are compared by value. */
export function differences(before: Json | undefined, after: Json | undefined, path: Path = []): Difference[] {
  if (sameJson(before, after)) return [];
  if (isObject(before) && isObject(after)) {
    const keys = [...Object.keys(before), ...Object.keys(after).filter((key) => !Object.hasOwn(before, key))];
    return keys.flatMap((key) => differences(own(before, key), own(after, key), [...path, key]));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) =>
      differences(before[index], after[index], [...path, String(index)]),
    ).flat();
  }
  return [{ pointer: pointerOf(path), before, after }];
}

function own(object: { [key: string]: Json }, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Returns how many fields a value has that are no objects or arrays themselves. */
export function countLeaves(value: Json | undefined): number {
  if (value === undefined) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countLeaves(item), 0);
  if (isObject(value)) return Object.values(value).reduce<number>((sum, item) => sum + countLeaves(item), 0);
  return 1;
}

export interface TextPart {
  kind: "same" | "removed" | "added";
  text: string;
}

/** Returns the difference of two texts by words, or by one replacement if they are too long to compare. */
export function textDifference(before: string, after: string): TextPart[] {
  const [left, right] = [before.match(/\s+|[^\s]+/g) ?? [], after.match(/\s+|[^\s]+/g) ?? []];
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start += 1;
  let end = 0;
  while (end < left.length - start && end < right.length - start && left.at(-1 - end) === right.at(-1 - end)) end += 1;
  const [a, b] = [left.slice(start, left.length - end), right.slice(start, right.length - end)];
  const middle: TextPart[] =
    a.length * b.length > 250_000
      ? [
          { kind: "removed", text: a.join("") },
          { kind: "added", text: b.join("") },
        ]
      : byWords(a, b);
  return joined([
    { kind: "same", text: left.slice(0, start).join("") },
    ...middle,
    { kind: "same", text: left.slice(left.length - end).join("") },
  ]);
}

/** The longest common subsequence, from its table of lengths. */
function byWords(a: readonly string[], b: readonly string[]): TextPart[] {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const parts: TextPart[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      parts.push({ kind: "same", text: left });
      i += 1;
      j += 1;
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      parts.push({ kind: "removed", text: left });
      i += 1;
    } else {
      parts.push({ kind: "added", text: right ?? "" });
      j += 1;
    }
  }
  return parts;
}

function joined(parts: readonly TextPart[]): TextPart[] {
  const result: TextPart[] = [];
  for (const part of parts) {
    if (part.text === "") continue;
    const last = result.at(-1);
    if (last?.kind === part.kind) last.text += part.text;
    else result.push({ ...part });
  }
  return result;
}

/** Returns a number or text as a person reads it, and any other value as JSON would. */
export function isScalar(value: Json | undefined): boolean {
  return (
    value === null || value === undefined || typeof value === "string" || typeof value === "boolean" || isNumber(value)
  );
}
