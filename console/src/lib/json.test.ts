import { describe, expect, test } from "vitest";
import { canonicalNumber, ExactNumber, JsonError, numberOf, parseJson, sameJson, writeJson } from "./json";

describe("numbers stay what they were", () => {
  test.each([
    "100.0",
    "0.1",
    "12345678901234567890",
    "-0",
    "1e2",
    "1E+400",
    "149.00",
    "9007199254740993",
    "0.30000000000000004",
    "-9.5e-300",
  ])("%s", (text) => {
    expect(writeJson(parseJson(`{"amount":${text}}`))).toBe(`{"amount":${text}}`);
  });

  test("a number that JavaScript writes in the same way is a number", () => {
    expect(parseJson("[1, 0.1, -7, 426.4]")).toEqual([1, 0.1, -7, 426.4]);
  });

  test("any other number is kept as its text", () => {
    expect(parseJson("100.0")).toEqual(new ExactNumber("100.0"));
    expect(numberOf("12345678901234567890")).toBeInstanceOf(ExactNumber);
  });
});

describe("two numbers are the same by their value", () => {
  test.each([
    ["60.0", "60"],
    ["1e2", "100"],
    ["0", "-0.0"],
    ["12345678901234567890.0", "12345678901234567890"],
    ["1.50E-3", "0.0015"],
  ])("%s and %s", (one, other) => {
    expect(sameJson(parseJson(one), parseJson(other))).toBe(true);
  });

  test("integers that a double cannot tell apart are different", () => {
    expect(sameJson(parseJson("9007199254740993"), parseJson("9007199254740992"))).toBe(false);
  });

  test("a canonical number has neither zeros around it nor a point", () => {
    expect([canonicalNumber(numberOf("0.0100")), canonicalNumber(-20), canonicalNumber(0)]).toEqual([
      "1e-2",
      "-2e1",
      "0",
    ]);
  });
});

describe("reading", () => {
  test("all of JSON is read", () => {
    const text = '{"a":[true,false,null,"x\\n\\u00fc"],"b":{"c":[]},"":{}}';
    expect(writeJson(parseJson(` ${text}\n`))).toBe('{"a":[true,false,null,"x\\nü"],"b":{"c":[]},"":{}}');
  });

  test.each([
    "",
    "{",
    "[1,]",
    '{"a":1,}',
    "01",
    "1.",
    ".5",
    "+1",
    "nul",
    '"a',
    '"\n"',
    '"\\x"',
    "1 2",
    "{'a':1}",
    "NaN",
    "[".repeat(300),
  ])("%j is refused", (text) => {
    expect(() => parseJson(text)).toThrow(JsonError);
  });

  test("a mistake is said with its line and column", () => {
    expect(() => parseJson('{\n  "a": nul\n}')).toThrow("line 2, column 8");
  });

  test("a member called __proto__ is a member like any other", () => {
    const value = parseJson('{"__proto__":{"polluted":true}}');
    expect(writeJson(value)).toBe('{"__proto__":{"polluted":true}}');
    expect(Object.hasOwn({}, "polluted")).toBe(false);
    expect((value as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("a value of 1 MB is read and written in well under a second", () => {
    const text = `[${Array.from({ length: 30_000 }, (_, index) => `{"id":${index},"amount":${index}.00}`).join(",")}]`;
    const start = performance.now();
    expect(writeJson(parseJson(text))).toBe(text);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

test("an indented text reads back as the same value", () => {
  const value = parseJson('{"a":[1.0,{"b":[]}],"c":{}}');
  expect(writeJson(value, 2)).toBe('{\n  "a": [\n    1.0,\n    {\n      "b": []\n    }\n  ],\n  "c": {}\n}');
  expect(sameJson(parseJson(writeJson(value, 2)), value)).toBe(true);
});
