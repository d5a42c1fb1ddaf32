/**
 * JSON whose numbers stay what they were. A number that JavaScript would write exactly as it came is a `number`; any other, such as
 * `100.0` or an integer of 19 digits, is an `ExactNumber` with its text. So the fields of the API itself are plain numbers, and no
 * value of a flow is ever changed by being read.
 */
export class ExactNumber {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

export type Json = null | boolean | string | number | ExactNumber | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/** How deep JSON may be nested; the API takes less. */
const MAX_DEPTH = 200;

export class JsonError extends Error {
  constructor(
    message: string,
    /** The index of the character at fault. */
    readonly at: number,
  ) {
    super(message);
  }
}

export const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Returns a number with exactly this text, which must be a JSON number. */
export function numberOf(text: string): number | ExactNumber {
  const value = Number(text);
  return String(value) === text ? value : new ExactNumber(text);
}

export function isNumber(value: Json | undefined): value is number | ExactNumber {
  return typeof value === "number" || value instanceof ExactNumber;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}

/** Reads a JSON text. Fails with the place of the first mistake. */
export function parseJson(text: string): Json {
  return new Parser(text).document();
}

class Parser {
  private at = 0;
  constructor(private readonly text: string) {}

  document(): Json {
    const value = this.value(0);
    this.space();
    if (this.at < this.text.length) this.fail("Nothing may follow the value");
    return value;
  }

  private fail(message: string): never {
    const before = this.text.slice(0, this.at).split("\n");
    const column = (before.at(-1) ?? "").length + 1;
    throw new JsonError(`${message} (line ${before.length}, column ${column}).`, this.at);
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return;
      this.at += 1;
    }
  }

  private value(depth: number): Json {
    if (depth > MAX_DEPTH) this.fail("The value is nested too deeply");
    this.space();
    switch (this.text[this.at]) {
      case "{":
        return this.object(depth);
      case "[":
        return this.array(depth);
      case '"':
        return this.string();
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "n":
        return this.word("null", null);
      case undefined:
        return this.fail("The text ends too early");
      default:
        return this.number();
    }
  }

  private word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) this.fail("A value is expected");
    this.at += word.length;
    return value;
  }

  private number(): Json {
    const pattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) return this.fail("A value is expected");
    this.at += found.length;
    return numberOf(found);
  }

  private string(): string {
    const start = this.at;
    this.at += 1;
    let escaped = false;
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (Number.isNaN(code)) return this.fail("A string is not closed");
      if (code === 34) break;
      if (code < 32) return this.fail("A string must not contain a line break or another control character");
      if (code === 92) {
        escaped = true;
        this.at += 1;
      }
      this.at += 1;
    }
    this.at += 1;
    const raw = this.text.slice(start, this.at);
    if (!escaped) return raw.slice(1, -1);
    try {
      // A string alone holds no number that could be rounded.
      // eslint-disable-next-line no-restricted-properties
      return JSON.parse(raw) as string;
    } catch {
      this.at = start;
      return this.fail("A string has an escape that JSON does not know");
    }
  }

  private array(depth: number): Json[] {
    const items: Json[] = [];
    this.at += 1;
    this.space();
    if (this.text[this.at] === "]") {
      this.at += 1;
      return items;
    }
    for (;;) {
      items.push(this.value(depth + 1));
      this.space();
      const next = this.text[this.at];
      if (next !== "," && next !== "]") this.fail("A comma or ] is expected");
      this.at += 1;
      if (next === "]") return items;
    }
  }

  private object(depth: number): JsonObject {
    const object: JsonObject = {};
    this.at += 1;
    this.space();
    if (this.text[this.at] === "}") {
      this.at += 1;
      return object;
    }
    for (;;) {
      this.space();
      if (this.text[this.at] !== '"') this.fail("A key in quotation marks is expected");
      const key = this.string();
      this.space();
      if (this.text[this.at] !== ":") this.fail("A colon is expected");
      this.at += 1;
      setOwn(object, key, this.value(depth + 1));
      this.space();
      const next = this.text[this.at];
      if (next !== "," && next !== "}") this.fail("A comma or } is expected");
      this.at += 1;
      if (next === "}") return object;
    }
  }
}

/** Sets a member, also one that is called `__proto__`. */
export function setOwn(object: JsonObject, key: string, value: Json): void {
  if (key === "__proto__")
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}

/** Writes JSON; numbers as they came. With `indent`, a member a line. Members without a value are left out. */
export function writeJson(value: unknown, indent = 0): string {
  return write(value, indent, "");
}

function write(value: unknown, indent: number, margin: string): string {
  if (value instanceof ExactNumber) return value.text;
  if (typeof value !== "object" || value === null) return value === undefined ? "null" : JSON.stringify(value);
  const inner = margin + " ".repeat(indent);
  const [open, comma, close] = indent > 0 ? [`\n${inner}`, `,\n${inner}`, `\n${margin}`] : ["", ",", ""];
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[${open}${value.map((item) => write(item, indent, inner)).join(comma)}${close}]`;
  }
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  if (members.length === 0) return "{}";
  const colon = indent > 0 ? ": " : ":";
  return `{${open}${members.map(([key, member]) => JSON.stringify(key) + colon + write(member, indent, inner)).join(comma)}${close}}`;
}

/** Returns whether two values are the same; numbers by their value, as the API compares them. */
export function sameJson(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true;
  if (one === undefined || other === undefined) return false;
  if (isNumber(one) && isNumber(other)) return canonicalNumber(one) === canonicalNumber(other);
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => sameJson(item, other[index]));
  }
  if (isObject(one) && isObject(other)) {
    const keys = Object.keys(one);
    return (
      keys.length === Object.keys(other).length &&
      keys.every((key) => Object.hasOwn(other, key) && sameJson(one[key], other[key]))
    );
  }
  return false;
}

/** Returns the text that two numbers of the same value share: `100.0` and `1e2` are both `100`. Exact for any number of digits. */
export function canonicalNumber(value: number | ExactNumber): string {
  const [mantissa = "0", exponent = "0"] = String(value).toLowerCase().split("e");
  const negative = mantissa.startsWith("-");
  const [whole = "0", fraction = ""] = mantissa.replace("-", "").split(".");
  const digits = (whole + fraction).replace(/^0+/, "");
  const trimmed = digits.replace(/0+$/, "");
  if (trimmed === "") return "0";
  const power = Number(exponent) - fraction.length + (digits.length - trimmed.length);
  return `${negative ? "-" : ""}${trimmed}${power === 0 ? "" : `e${power}`}`;
}
