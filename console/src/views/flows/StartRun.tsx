import { lazy, Suspense, useState } from "react";
import { ApiError } from "../../api/client";
import { startRun } from "../../api/endpoints";
import type { Flow } from "../../api/types";
import { Dialog, Skeleton } from "../../components/basic";
import { isObject, type Json, parseJson, writeJson } from "../../lib/json";
import { type Path, withValueAt } from "../../lib/pointer";
import { navigate } from "../../lib/router";
import { ActionForm } from "../decision/ActionForm";

const JsonEditor = lazy(() => import("../../components/JsonEditor"));

/** Returns an input with every member that the templates of a flow read, empty. */
export function inputOf(flow: Flow): Json {
  let input: Json = {};
  const paths = new Set(
    Array.from(
      writeJson(flow.spec).matchAll(/\$\{trigger\.([A-Za-z0-9_-]+(?:\.[A-Za-z_][A-Za-z0-9_-]*)*)\}/g),
      (match) => match[1] ?? "",
    ),
  );
  for (const path of [...paths].sort()) {
    const parts = path.split(".");
    for (let end = 1; end <= parts.length; end += 1) {
      const part = parts.slice(0, end);
      if (!hasAt(input, part)) input = withValueAt(input, part, end === parts.length ? "" : {}) ?? input;
    }
  }
  return input;
}

function hasAt(value: Json, path: Path): boolean {
  let current: Json | undefined = value;
  for (const part of path) {
    if (!isObject(current) || !Object.hasOwn(current, part)) return false;
    current = current[part];
  }
  return isObject(current) || path.length > 0;
}

/** Starts a run, with a form of what the flow reads of its input. */
export function StartRun({ flow, onClose }: { flow: Flow; onClose: () => void }) {
  const [empty] = useState(() => inputOf(flow));
  const [input, setInput] = useState<Json>(empty);
  const [texts, setTexts] = useState<Record<string, string>>({});
  const [json, setJson] = useState<string>();
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  // The same key for the same dialog: sent twice, it is one run.
  const [key] = useState(() => crypto.randomUUID());
  const isJson = json !== undefined || !isObject(input) || Object.keys(input).length === 0;
  const start = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const run = await startRun(flow.slug, json === undefined ? input : parseJson(json), key);
      navigate(`runs/${run.id}`);
    } catch (problem) {
      const fields =
        problem instanceof ApiError
          ? Object.entries(problem.fieldErrors).map(([path, why]) => `${path}: ${why.join(", ")}`)
          : [];
      setError([problem instanceof Error ? problem.message : String(problem), ...fields].join(" "));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Start a run of ${flow.name}`} onClose={onClose} className="large">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        {isJson ? (
          <Suspense fallback={<Skeleton rows={4} label="Loading the editor" />}>
            <JsonEditor text={json ?? writeJson(input, 2)} label="The input as JSON" onChange={setJson} />
          </Suspense>
        ) : (
          <ActionForm
            value={input}
            form={{
              proposed: empty,
              schema: undefined,
              allowed: null,
              readOnly: false,
              texts,
              problems: {},
              change: (path, value) => setInput(withValueAt(input, path, value) ?? null),
              type: (path, _text, value) => {
                setTexts({});
                setInput(withValueAt(input, path, value ?? "") ?? null);
              },
              reset: (path) => setInput(withValueAt(input, path, "") ?? null),
            }}
          />
        )}
        {!isJson && (
          <button type="button" className="link" onClick={() => setJson(writeJson(input, 2))}>
            As JSON, for numbers and lists
          </button>
        )}
        {error !== undefined && (
          <p className="problem" role="alert">
            {error}
          </p>
        )}
        <div className="buttons">
          <button type="button" className="button" onClick={onClose}>
            Back
          </button>
          <button type="submit" className="button primary" disabled={isBusy}>
            {isBusy ? "Starting…" : "Start"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
