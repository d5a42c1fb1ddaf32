import { type ReactNode, useState } from "react";
import { inlineText } from "../lib/format";
import { isNumber, isObject, type Json, type JsonObject, writeJson } from "../lib/json";
import { isScalar } from "../lib/diff";
import { Markdown, Outside } from "./Markdown";

/** A value as what it is: text as paragraphs, arrays of objects as tables, objects as fields, addresses as links, numbers exactly. */
export function DataView({ value, depth = 0 }: { value: Json; depth?: number }): ReactNode {
  if (isScalar(value)) return <Scalar value={value} />;
  if (Array.isArray(value)) return <List items={value} depth={depth} />;
  if (isObject(value)) return <Fields value={value} depth={depth} />;
  return null;
}

const LONG = 4_000;

function Scalar({ value }: { value: Json }) {
  const [whole, setWhole] = useState(false);
  if (value === null) return <span className="quiet">none</span>;
  if (typeof value === "boolean") return <span>{value ? "yes" : "no"}</span>;
  if (typeof value !== "string") return <span className="number">{inlineText(value)}</span>;
  if (value === "") return <span className="quiet">empty</span>;
  if (/^https?:\/\/\S+$/.test(value)) return <Outside href={value} />;
  if (value.length > LONG && !whole) {
    return (
      <>
        <Markdown text={`${value.slice(0, LONG)} …`} />
        <button type="button" className="link" onClick={() => setWhole(true)}>
          Show all {value.length.toLocaleString("en-GB")} characters
        </button>
      </>
    );
  }
  return <Markdown text={value} />;
}

const MOST_ROWS = 50;
const MOST_DEPTH = 4;

function List({ items, depth }: { items: Json[]; depth: number }) {
  const [most, setMost] = useState(MOST_ROWS);
  if (items.length === 0) return <span className="quiet">none</span>;
  const shown = items.slice(0, most);
  const rest = items.length - shown.length;
  const more = rest > 0 && (
    <button type="button" className="link" onClick={() => setMost(most + 200)}>
      Show {Math.min(rest, 200)} more of {items.length.toLocaleString("en-GB")}
    </button>
  );
  const objects = shown.filter(isObject);
  const columns = [...new Set(objects.flatMap((item) => Object.keys(item)))];
  if (objects.length === shown.length && columns.length <= 8 && depth < MOST_DEPTH) {
    return (
      <>
        <Table rows={objects} columns={columns} depth={depth} />
        {more}
      </>
    );
  }
  return (
    <>
      <ul className="data-list">
        {shown.map((item, index) => (
          <li key={index}>
            {depth < MOST_DEPTH ? <DataView value={item} depth={depth + 1} /> : <code>{writeJson(item)}</code>}
          </li>
        ))}
      </ul>
      {more}
    </>
  );
}

function Table({ rows, columns, depth }: { rows: JsonObject[]; columns: string[]; depth: number }) {
  const numeric = new Set(
    columns.filter((column) => rows.every((row) => row[column] === undefined || isNumber(row[column]))),
  );
  return (
    <div className="table-scroll" role="group" aria-label="Table" tabIndex={0}>
      <table className="data-table">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col" className={numeric.has(column) ? "right" : ""}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {columns.map((column) => (
                <td key={column} className={numeric.has(column) ? "right" : ""}>
                  {row[column] === undefined ? "" : <DataView value={row[column]} depth={depth + 1} />}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Fields({ value, depth }: { value: JsonObject; depth: number }) {
  const members = Object.entries(value);
  if (members.length === 0) return <span className="quiet">empty</span>;
  if (depth >= MOST_DEPTH) return <code>{writeJson(value)}</code>;
  return (
    <dl className="fields">
      {members.slice(0, 200).map(([key, member]) => (
        <div key={key} className={isWide(member) ? "wide" : ""}>
          <dt>{key}</dt>
          <dd>
            <DataView value={member} depth={depth + 1} />
          </dd>
        </div>
      ))}
      {members.length > 200 && <p className="quiet">and {members.length - 200} more fields</p>}
    </dl>
  );
}

function isWide(value: Json): boolean {
  return !isScalar(value) || (typeof value === "string" && (value.length > 60 || value.includes("\n")));
}
