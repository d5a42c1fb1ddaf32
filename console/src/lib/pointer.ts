import { isObject, type Json, type JsonObject, setOwn } from "./json";

/** A JSON Pointer (RFC 6901), as its members. */
export type Path = readonly string[];

export function pointerOf(path: Path): string {
  return path.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

export function pathOf(pointer: string): string[] {
  if (pointer === "") return [];
  return pointer
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export function valueAt(value: Json | undefined, path: Path): Json | undefined {
  let current = value;
  for (const part of path) {
    if (Array.isArray(current)) current = current[Number(part)];
    else if (isObject(current) && Object.hasOwn(current, part)) current = current[part];
    else return undefined;
  }
  return current;
}

/** Returns a copy in which the value at the path is another one, or, if that is `undefined`, is not there. */
export function withValueAt(value: Json | undefined, path: Path, next: Json | undefined): Json | undefined {
  const [head, ...rest] = path;
  if (head === undefined) return next;
  if (Array.isArray(value)) {
    const index = Number(head);
    const inner = withValueAt(value[index], rest, next);
    if (inner === undefined) return value.filter((_, position) => position !== index);
    return index >= value.length
      ? [...value, inner]
      : value.map((item, position) => (position === index ? inner : item));
  }
  const copy: JsonObject = {};
  for (const [key, member] of Object.entries(isObject(value) ? value : {})) if (key !== head) setOwn(copy, key, member);
  const inner = withValueAt(isObject(value) && Object.hasOwn(value, head) ? value[head] : undefined, rest, next);
  if (inner === undefined) return copy;
  // A changed member keeps its place among the others.
  const ordered: JsonObject = {};
  for (const [key, member] of Object.entries(isObject(value) ? value : {})) {
    if (key === head) setOwn(ordered, key, inner);
    else setOwn(ordered, key, member);
  }
  if (!Object.hasOwn(ordered, head)) setOwn(ordered, head, inner);
  return ordered;
}

/** Returns whether an edit at the path is allowed: at or below one of the pointers. Without a list it is allowed anywhere. */
export function mayEdit(path: Path, allowed: readonly string[] | null | undefined): boolean {
  if (allowed === null || allowed === undefined) return true;
  const pointer = pointerOf(path);
  return allowed.some((one) => pointer === one || one === "" || pointer.startsWith(`${one}/`));
}

/** Returns whether something at or below the path may be edited. */
export function mayEditWithin(path: Path, allowed: readonly string[] | null | undefined): boolean {
  if (mayEdit(path, allowed)) return true;
  const pointer = pointerOf(path);
  return (allowed ?? []).some((one) => one.startsWith(`${pointer}/`));
}
