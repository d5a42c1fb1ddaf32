import { useMemo, useState } from "react";
import { differences, textDifference } from "../lib/diff";
import { type Json, writeJson } from "../lib/json";

interface Props {
  before: Json | undefined;
  after: Json | undefined;
  /** Who the sides are from, such as `proposed` and `yours`. */
  names: readonly [string, string];
}

const MOST = 100;

/** The places where two values differ, each with both sides. */
export function DiffView({ before, after, names }: Props) {
  const places = useMemo(() => differences(before, after), [before, after]);
  const [most, setMost] = useState(MOST);
  return (
    <div className="diff">
      {places.slice(0, most).map((place) => (
        <div key={place.pointer} className="diff-place">
          <div className="diff-pointer">
            <code>{place.pointer === "" ? "the whole action" : place.pointer}</code>
          </div>
          <Sides before={place.before} after={place.after} names={names} />
        </div>
      ))}
      {places.length > most && (
        <button type="button" className="link" onClick={() => setMost(most + MOST)}>
          Show {Math.min(MOST, places.length - most)} more of {places.length} differences
        </button>
      )}
    </div>
  );
}

function Sides({ before, after, names }: Props) {
  const isLongText =
    typeof before === "string" && typeof after === "string" && (before.length > 60 || after.length > 60);
  const parts = isLongText ? textDifference(before, after) : undefined;
  return (
    <>
      {before !== undefined && (
        <div className="diff-line removed">
          <span aria-hidden="true">−</span>
          <span className="sr-only">removed:</span>
          {parts === undefined ? <code>{lineOf(before)}</code> : <Text parts={parts} side="removed" />}
          <small>{names[0]}</small>
        </div>
      )}
      {after !== undefined && (
        <div className="diff-line added">
          <span aria-hidden="true">+</span>
          <span className="sr-only">added:</span>
          {parts === undefined ? <code>{lineOf(after)}</code> : <Text parts={parts} side="added" />}
          <small>{names[1]}</small>
        </div>
      )}
    </>
  );
}

function Text({ parts, side }: { parts: ReturnType<typeof textDifference>; side: "removed" | "added" }) {
  return (
    <code>
      {parts
        .filter((part) => part.kind === "same" || part.kind === side)
        .map((part, index) =>
          part.kind === "same" ? <span key={index}>{part.text}</span> : <mark key={index}>{part.text}</mark>,
        )}
    </code>
  );
}

function lineOf(value: Json): string {
  const text = writeJson(value);
  return text.length > 2_000 ? `${text.slice(0, 2_000)}…` : text;
}
