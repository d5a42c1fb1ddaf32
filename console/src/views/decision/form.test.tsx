import { fireEvent, render, screen, cleanup } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { forgetDrafts } from "../../lib/drafts";
import { type Json, parseJson, writeJson } from "../../lib/json";
import { ActionForm } from "./ActionForm";
import { kindOf, hintOf, readText, resolved } from "./schema";
import { pointersOf, useAction } from "./useAction";

beforeEach(() => forgetDrafts());
afterEach(cleanup);

const PROPOSED = parseJson(
  '{"order":"A-7","amount":100.0,"rate":0.1,"id":12345678901234567890,"tags":["a"],"urgent":true}',
);

function Form({ proposed = PROPOSED, allowed, schema }: { proposed?: Json; allowed?: string[]; schema?: Json }) {
  const state = useAction("apr_1", proposed, allowed);
  return (
    <>
      <ActionForm
        value={state.action}
        form={{
          proposed,
          schema,
          allowed,
          readOnly: false,
          texts: state.draft.texts,
          problems: state.problems,
          change: state.change,
          type: state.type,
          reset: state.reset,
        }}
      />
      <output data-testid="action">{writeJson(state.action)}</output>
      <output data-testid="edited">{String(state.isEdited)}</output>
      <output data-testid="valid">{String(state.isValid)}</output>
    </>
  );
}

const shown = (id: string) => screen.getByTestId(id).textContent;
const type = (label: string, value: string) => fireEvent.change(screen.getByLabelText(label), { target: { value } });

describe("a form keeps numbers", () => {
  test("another field is edited, and these are what they were", () => {
    render(<Form />);
    type("order", "A-8");
    expect(shown("action")).toBe(
      '{"order":"A-8","amount":100.0,"rate":0.1,"id":12345678901234567890,"tags":["a"],"urgent":true}',
    );
  });
  test("what is typed is what is sent", () => {
    render(<Form />);
    type("amount", "149.00");
    expect(shown("action")).toContain('"amount":149.00,');
  });
  test("the same value in another writing is no edit", () => {
    render(<Form />);
    type("amount", "100");
    expect([shown("edited"), shown("valid")]).toEqual(["false", "true"]);
  });
  test("what is no number is kept as it was typed, and not sent", () => {
    render(<Form />);
    type("amount", "12,5");
    expect([shown("valid"), shown("edited")]).toEqual(["false", "false"]);
    expect(screen.getByLabelText("amount")).toHaveProperty("value", "12,5");
    expect(screen.getByText(/is not a number/)).toBeTruthy();
    type("amount", "12.5");
    expect([shown("valid"), shown("edited")]).toEqual(["true", "true"]);
  });
  test("a reset brings back the proposed text", () => {
    render(<Form />);
    type("amount", "1");
    fireEvent.click(screen.getByRole("button", { name: /^Reset/ }));
    expect(shown("action")).toBe(writeJson(PROPOSED));
  });
});

describe("fields that the flow does not allow to edit", () => {
  test("they are locked and say so", () => {
    render(<Form allowed={["/amount"]} />);
    expect(screen.queryByRole("textbox", { name: "order" })).toBeNull();
    expect(screen.getByRole("textbox", { name: "amount" })).toBeTruthy();
    expect(screen.getByText("Locked: this flow allows edits of amount.")).toBeTruthy();
  });
  test("items can be added and taken out only where the list may be edited", () => {
    render(<Form allowed={["/tags"]} />);
    fireEvent.click(screen.getByRole("button", { name: "Add an item" }));
    expect(shown("action")).toContain('"tags":["a",""]');
    fireEvent.click(screen.getByRole("button", { name: "Remove item 1" }));
    expect(shown("action")).toContain('"tags":[""]');
  });
});

describe("a schema", () => {
  test("it says what a field takes", () => {
    const schema = resolved(parseJson('{"type":"number","exclusiveMinimum":0,"maximum":500.00}'), undefined);
    expect(hintOf(schema, "number")).toBe("number, more than 0, at most 500.00");
  });
  test("references and allOf are followed, also in a circle", () => {
    const root = parseJson(
      '{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"properties":{"x":{"type":"string"}}},{"$ref":"#/$defs/a"}]}}}',
    );
    expect(resolved(root, root).properties).toEqual({ x: { type: "string" } });
  });
  test("a choice offers its values", () => {
    render(<Form schema={parseJson('{"properties":{"order":{"enum":["A-7","A-9"]}}}')} />);
    type("order", "1");
    expect(shown("action")).toContain('"order":"A-9"');
  });
  test("the kind of a field is that of its value, if the schema allows it", () => {
    expect(kindOf({ type: ["string", "null"] }, null)).toBe("null");
    expect(kindOf({ type: "integer" }, 5)).toBe("integer");
    expect(kindOf({}, parseJson("1.0"))).toBe("number");
    expect(readText("5.0", "integer")).toBeDefined();
    expect(readText("5.5", "integer")).toBeUndefined();
  });
});

test("problems of the API come to their fields", () => {
  expect(
    pointersOf({
      "proposedActionOverride/amount": ["too much"],
      proposedActionOverride: ["too large"],
      note: ["too long"],
    }),
  ).toEqual({ "/amount": ["too much"], "": ["too long"] });
});
