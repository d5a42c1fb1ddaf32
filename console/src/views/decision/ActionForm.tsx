import { useId, useState } from "react";
import { Icon } from "../../components/Icon";
import { inlineText } from "../../lib/format";
import { isObject, type Json, type JsonObject, sameJson, writeJson } from "../../lib/json";
import { mayEdit, mayEditWithin, type Path, pathOf, pointerOf, valueAt } from "../../lib/pointer";
import {
  firstValue,
  hintOf,
  itemSchema,
  type Kind,
  kindOf,
  memberSchema,
  missingMembers,
  readText,
  resolved,
} from "./schema";

export interface FormContext {
  proposed: Json;
  schema: Json | undefined;
  allowed: readonly string[] | null | undefined;
  /** Nothing may be edited, whatever the flow allows. */
  readOnly: boolean;
  /** What is typed and is no value yet, by pointer. */
  texts: Readonly<Record<string, string>>;
  /** Problems by pointer. */
  problems: Readonly<Record<string, readonly string[]>>;
  change: (path: Path, value: Json | undefined) => void;
  type: (path: Path, text: string, value: Json | undefined) => void;
  reset: (path: Path) => void;
}

interface NodeProps {
  form: FormContext;
  path: Path;
  name: string;
  value: Json;
  schema: JsonObject;
}

/** The action as a form: from its schema where there is one, and from its own shape. Fields outside `allowedEdits` are locked. */
export function ActionForm({ form, value }: { form: FormContext; value: Json }) {
  const schema = resolved(form.schema, form.schema);
  const isWhole = !isObject(value) && !Array.isArray(value);
  return (
    <div className="form">
      {isWhole ? (
        <Node form={form} path={[]} name="action" value={value} schema={schema} />
      ) : (
        <Members form={form} path={[]} name="action" value={value} schema={schema} />
      )}
      <LockedNote form={form} />
      {form.problems[""]?.map((problem) => (
        <p key={problem} className="problem" role="alert">
          {problem}
        </p>
      ))}
    </div>
  );
}

function LockedNote({ form }: { form: FormContext }) {
  if (form.readOnly || form.allowed === null || form.allowed === undefined || form.allowed.includes("")) return null;
  const names = form.allowed.map((pointer) => pathOf(pointer).join(" › "));
  const last = names.at(-1);
  const list = names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${last}` : last;
  return (
    <p className="form-note">
      {list === undefined ? "Locked: this flow allows no edits." : `Locked: this flow allows edits of ${list}.`}
    </p>
  );
}

function Node(props: NodeProps) {
  const { value, name, form, path, schema } = props;
  if (isObject(value) || Array.isArray(value)) {
    const isEmpty = Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0;
    const canGrow = !form.readOnly && mayEdit(path, form.allowed);
    return (
      <fieldset className="group">
        <legend>
          {typeof schema.title === "string" ? schema.title : name}
          {Array.isArray(value) && <small>{value.length}</small>}
        </legend>
        {isEmpty && !canGrow ? <span className="quiet">empty</span> : <Members {...props} />}
      </fieldset>
    );
  }
  return <Scalar {...props} />;
}

const MOST = 60;

function Members({ form, path, value, schema }: NodeProps) {
  const [most, setMost] = useState(MOST);
  const canGrow = !form.readOnly && mayEdit(path, form.allowed);
  if (Array.isArray(value)) {
    const add = () =>
      form.change(
        [...path, String(value.length)],
        firstValue(itemSchema(schema, value.length, form.schema), value.at(-1)),
      );
    return (
      <>
        {value.slice(0, most).map((item, index) => (
          <div key={index} className="item">
            <Node
              form={form}
              path={[...path, String(index)]}
              name={String(index + 1)}
              value={item}
              schema={itemSchema(schema, index, form.schema)}
            />
            {canGrow && (
              <button
                type="button"
                className="icon-button"
                aria-label={`Remove item ${index + 1}`}
                onClick={() => form.change([...path, String(index)], undefined)}
              >
                <Icon name="cross" />
              </button>
            )}
          </div>
        ))}
        <More total={value.length} most={most} show={setMost} />
        {canGrow && (
          <button type="button" className="link add" onClick={add}>
            Add an item
          </button>
        )}
      </>
    );
  }
  if (!isObject(value)) return null;
  const keys = Object.keys(value);
  const removed = isObject(form.proposed) ? keysRemoved(form, path, value) : [];
  return (
    <>
      {keys.slice(0, most).map((key) => (
        <Node
          key={key}
          form={form}
          path={[...path, key]}
          name={key}
          value={value[key] ?? null}
          schema={memberSchema(schema, key, form.schema)}
        />
      ))}
      <More total={keys.length} most={most} show={setMost} />
      {!form.readOnly &&
        [...new Set([...removed, ...missingMembers(schema, value)])]
          .filter((key) => mayEditWithin([...path, key], form.allowed))
          .map((key) => (
            <button
              key={key}
              type="button"
              className="link add"
              onClick={() =>
                form.change(
                  [...path, key],
                  valueAt(form.proposed, [...path, key]) ??
                    firstValue(memberSchema(schema, key, form.schema), undefined),
                )
              }
            >
              Add {key}
            </button>
          ))}
    </>
  );
}

function keysRemoved(form: FormContext, path: Path, value: JsonObject): string[] {
  const before = valueAt(form.proposed, path);
  return isObject(before) ? Object.keys(before).filter((key) => !Object.hasOwn(value, key)) : [];
}

function More({ total, most, show }: { total: number; most: number; show: (most: number) => void }) {
  if (total <= most) return null;
  return (
    <button type="button" className="link add" onClick={() => show(most + 200)}>
      Show {Math.min(200, total - most)} more of {total.toLocaleString("en-GB")}
    </button>
  );
}

function Scalar({ form, path, name, value, schema }: NodeProps) {
  const id = useId();
  const pointer = pointerOf(path);
  const isLocked = form.readOnly || !mayEdit(path, form.allowed);
  const proposed = valueAt(form.proposed, path);
  const kind = kindOf(schema, value);
  const typed = form.texts[pointer];
  const isEdited = typed !== undefined || !sameJson(proposed, value);
  const problems = form.problems[pointer] ?? [];
  const label = typeof schema.title === "string" ? schema.title : name;
  const text = typed ?? inlineText(value);
  const hint = hintOf(schema, kind);
  const isShort = text.length <= 16 && isLocked;

  if (isLocked) {
    return (
      <div className={`field locked ${isShort ? "short" : ""}`}>
        <span className="field-label" id={id}>
          {label}
        </span>
        <output
          className={`field-value ${kind === "number" || kind === "integer" ? "number" : ""}`}
          aria-labelledby={id}
        >
          <span>
            {value === null ? (
              <span className="quiet">none</span>
            ) : text === "" ? (
              <span className="quiet">empty</span>
            ) : (
              text
            )}
          </span>
          {!form.readOnly && <Icon name="lock" />}
          {!form.readOnly && <span className="sr-only">locked</span>}
        </output>
        {isEdited && form.readOnly && proposed !== undefined && (
          <small className="quiet">Proposed {inlineText(proposed)}</small>
        )}
        <Problems id={`${id}-problems`} problems={problems} />
      </div>
    );
  }
  return (
    <div className={`field ${isEdited ? "edited" : ""} ${problems.length > 0 ? "refused" : ""}`}>
      <div className="field-head">
        <label htmlFor={id}>{label}</label>
        {isEdited && <span className="tag">edited</span>}
        <small id={`${id}-hint`}>{hint === "" && !isEdited ? "as proposed" : hint}</small>
      </div>
      <Control
        id={id}
        kind={kind}
        text={text}
        value={value}
        schema={schema}
        isInvalid={problems.length > 0}
        pointer={pointer}
        form={form}
        path={path}
      />
      <Problems id={`${id}-problems`} problems={problems} />
      {isEdited && (
        <div className="field-foot">
          <span>{proposed === undefined ? "Not in what was proposed" : `Proposed ${shortText(proposed)}`}</span>
          <button type="button" className="link" onClick={() => form.reset(path)}>
            Reset<span className="sr-only"> {label}</span>
          </button>
        </div>
      )}
    </div>
  );
}

function Problems({ id, problems }: { id: string; problems: readonly string[] }) {
  if (problems.length === 0) return null;
  return (
    <div id={id}>
      {problems.map((problem) => (
        <p key={problem} className="problem">
          {problem}
        </p>
      ))}
    </div>
  );
}

function shortText(value: Json): string {
  const text = typeof value === "string" ? value : writeJson(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text === "" ? "empty" : text;
}

interface ControlProps {
  id: string;
  kind: Kind;
  text: string;
  value: Json;
  schema: JsonObject;
  isInvalid: boolean;
  pointer: string;
  form: FormContext;
  path: Path;
}

function Control({ id, kind, text, value, schema, isInvalid, pointer, form, path }: ControlProps) {
  const shared = {
    id,
    "data-pointer": pointer,
    "aria-invalid": isInvalid,
    "aria-describedby": isInvalid ? `${id}-problems ${id}-hint` : `${id}-hint`,
  };
  const options = Array.isArray(schema.enum) ? schema.enum : undefined;
  if (options !== undefined) {
    const index = options.findIndex((option) => sameJson(option, value));
    return (
      <select
        {...shared}
        value={index}
        onChange={(event) => form.change(path, options[Number(event.target.value)] ?? null)}
      >
        {index < 0 && <option value={-1}>{inlineText(value)}</option>}
        {options.map((option, position) => (
          <option key={position} value={position}>
            {inlineText(option)}
          </option>
        ))}
      </select>
    );
  }
  if (kind === "boolean") {
    return (
      <select
        {...shared}
        value={value === true ? "true" : "false"}
        onChange={(event) => form.change(path, event.target.value === "true")}
      >
        <option value="true">yes</option>
        <option value="false">no</option>
      </select>
    );
  }
  const type = (next: string) => form.type(path, next, readText(next, kind === "null" ? "string" : kind));
  if (kind === "number" || kind === "integer") {
    return (
      <input
        {...shared}
        className="number"
        type="text"
        inputMode="decimal"
        autoComplete="off"
        value={text}
        onChange={(event) => type(event.target.value)}
      />
    );
  }
  const shown = value === null && form.texts[pointer] === undefined ? "" : text;
  if (shown.length > 48 || shown.includes("\n")) {
    const rows = Math.min(
      14,
      Math.max(
        2,
        shown.split("\n").reduce((sum, line) => sum + Math.ceil((line.length + 1) / 50), 0),
      ),
    );
    return <textarea {...shared} rows={rows} value={shown} onChange={(event) => type(event.target.value)} />;
  }
  return (
    <input
      {...shared}
      type="text"
      autoComplete="off"
      value={shown}
      placeholder={value === null ? "none" : ""}
      onChange={(event) => type(event.target.value)}
    />
  );
}
