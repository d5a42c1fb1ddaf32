import { beforeEach, describe, expect, test } from "vitest";
import { canonicalText, sha256 } from "./canonical";
import { sumDecimals } from "./decimal";
import { countLeaves, differences, textDifference } from "./diff";
import { EMPTY, forgetDraft, forgetDrafts, readDraft, saveDraft } from "./drafts";
import { parseJson, writeJson } from "./json";
import { mayEdit, mayEditWithin, pathOf, pointerOf, valueAt, withValueAt } from "./pointer";
import { ago, exactDuration, shortDuration } from "./time";

describe("the canonical text is the one of the API", () => {
  // The same pairs as in crates/domain/src/json.rs.
  test.each([
    ['{"b": [1, 2.5, null], "a": {"ü": "x\\n", "A": true}}', '{"a":{"A":true,"ü":"x\\n"},"b":[1,2.5,null]}'],
    ["985.6906946328695", "985.6906946328695"],
    ["1.7976931348623157e308", "1.7976931348623157e+308"],
    ["18446744073709551615", "18446744073709551615"],
    ["-9.5e-300", "-9.5e-300"],
    ["149.00", "149.0"],
    ["1e2", "100.0"],
  ])("%s", (text, canonical) => {
    expect(canonicalText(parseJson(text))).toBe(canonical);
  });

  test("keys are sorted by their UTF-8 bytes", () => {
    expect(canonicalText({ "\u{1f600}": 1, "\uff5e": 2, a: 3 })).toBe('{"a":3,"\uff5e":2,"\u{1f600}":1}');
  });

  test("the hash is that of the canonical text", async () => {
    expect(await sha256(canonicalText({ a: 1 }))).toBe(
      "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
    );
  });
});

describe("differences", () => {
  const of = (before: string, after: string) =>
    differences(parseJson(before), parseJson(after)).map((one) => one.pointer);
  test("each place has its JSON Pointer", () => {
    expect(of('{"a":1,"b/c":[1,2],"d":{"e":"x"}}', '{"a":1,"b/c":[1,3,4],"d":{}}')).toEqual([
      "/b~1c/1",
      "/b~1c/2",
      "/d/e",
    ]);
  });
  test("60.0 for 60 is no difference, and one in the last digit of a long number is", () => {
    expect(of('{"a":60}', '{"a":60.0}')).toEqual([]);
    expect(of('{"a":12345678901234567890}', '{"a":12345678901234567891}')).toEqual(["/a"]);
  });
  test("another kind of value is a difference of the whole", () => {
    expect(of("{}", "[]")).toEqual([""]);
  });
  test("fields are counted at the leaves", () => {
    expect(countLeaves(parseJson('{"a":1,"b":[1,{"c":null}]}'))).toBe(3);
  });
  test("texts are compared by their words", () => {
    expect(
      textDifference("We refund the drawer unit.", "We refund the whole drawer unit.").filter(
        (part) => part.kind !== "same",
      ),
    ).toEqual([{ kind: "added", text: "whole " }]);
  });
  test("very long texts are one replacement", () => {
    const long = (word: string) => Array.from({ length: 2_000 }, (_, index) => `${word}${index}`).join(" ");
    expect(textDifference(long("a"), long("b")).map((part) => part.kind)).toEqual(["removed", "added"]);
  });
});

describe("pointers", () => {
  test("a pointer reads back as its path", () => {
    expect(pathOf(pointerOf(["a/b", "~", ""]))).toEqual(["a/b", "~", ""]);
  });
  test("a changed member keeps its place", () => {
    expect(writeJson(withValueAt(parseJson('{"a":1,"b":{"c":[1,2]},"d":3}'), ["b", "c", "1"], parseJson("2.50")))).toBe(
      '{"a":1,"b":{"c":[1,2.50]},"d":3}',
    );
  });
  test("a member and an item can be taken out and put in", () => {
    expect(writeJson(withValueAt(parseJson('{"a":[1,2,3]}'), ["a", "1"], undefined))).toBe('{"a":[1,3]}');
    expect(writeJson(withValueAt({}, ["x"], 1))).toBe('{"x":1}');
    expect(valueAt({ a: [{ b: 1 }] }, ["a", "0", "b"])).toBe(1);
  });
  test("edits are allowed at and below a pointer, nowhere else", () => {
    expect(mayEdit(["amount"], ["/amount"])).toBe(true);
    expect(mayEdit(["amount", "net"], ["/amount"])).toBe(true);
    expect(mayEdit(["amounts"], ["/amount"])).toBe(false);
    expect(mayEdit(["x"], [])).toBe(false);
    expect(mayEdit(["x"], undefined)).toBe(true);
    expect(mayEditWithin(["a"], ["/a/b"])).toBe(true);
  });
});

describe("drafts", () => {
  beforeEach(() => forgetDrafts());
  test("a draft is in the session storage with its numbers", () => {
    saveDraft("apr_1", {
      action: parseJson('{"amount":149.00}'),
      texts: { "/amount": "1e" },
      json: undefined,
      note: "n",
    });
    expect(sessionStorage.getItem("runs.draft.apr_1")).toContain("149.00");
    expect(writeJson(readDraft("apr_1").action)).toBe('{"amount":149.00}');
    expect(readDraft("apr_1").note).toBe("n");
  });
  test("an empty draft leaves nothing behind", () => {
    saveDraft("apr_1", { ...EMPTY, note: "n" });
    saveDraft("apr_1", EMPTY);
    expect(sessionStorage.length).toBe(0);
  });
  test("a draft that cannot be read is no draft", () => {
    sessionStorage.setItem("runs.draft.apr_2", "{");
    expect(readDraft("apr_2")).toEqual(EMPTY);
    forgetDraft("apr_2");
  });
  test("signing out forgets all of them, and nothing else", () => {
    sessionStorage.setItem("other", "1");
    saveDraft("apr_3", { ...EMPTY, note: "n" });
    forgetDrafts();
    expect(readDraft("apr_3")).toEqual(EMPTY);
    expect(sessionStorage.getItem("other")).toBe("1");
    sessionStorage.clear();
  });
});

describe("sums of decimals are exact", () => {
  test.each([
    [["0.1", "0.2"], "0.3"],
    [["149.00", "-9.5"], "139.50"],
    [["12345678901234567890", "1"], "12345678901234567891"],
    [["-0.05", "0.02"], "-0.03"],
    [[], "0"],
  ])("%j", (texts, sum) => {
    expect(sumDecimals(texts)).toBe(sum);
  });
  test("a number with an exponent has no sum here", () => {
    expect(sumDecimals(["1e3"])).toBeUndefined();
  });
});

test("durations are said as people say them", () => {
  expect([
    shortDuration(59_000),
    shortDuration(38 * 60_000),
    shortDuration(7_200_000),
    shortDuration(3 * 86_400_000),
  ]).toEqual(["59 s", "38 min", "2 h", "3 d"]);
  expect([exactDuration(184), exactDuration(2_900), exactDuration(12_180_000)]).toEqual([
    "184 ms",
    "2.9 s",
    "3 h 23 min",
  ]);
  expect([ago(0, 5_000), ago(0, 120_000)]).toEqual(["just now", "2 min ago"]);
});
