import { useEffect, useMemo, useRef, useState } from "react";
import { decideSeveral } from "../../api/endpoints";
import { useConnection } from "../../api/connection";
import { client } from "../../api/queries";
import type { Approval, BulkResult } from "../../api/types";
import { Deadline, Empty, Kbd } from "../../components/basic";
import { Icon } from "../../components/Icon";
import { announce } from "../../lib/announce";
import { abbreviate, inlineText, plural } from "../../lib/format";
import { isObject } from "../../lib/json";
import { MOD, useKeys } from "../../lib/keys";
import { Link, navigate } from "../../lib/router";
import { shortDuration, useNow } from "../../lib/time";
import { Shell } from "../../shell/Shell";
import { flowName } from "../inbox/rows";
import { select, useSelection } from "../inbox/selection";
import { inbox, useInbox } from "../inbox/store";
import { usePoll } from "../inbox/usePoll";
import { type Column, type PlannedRow, planOf } from "./plan";
import "../../styles/bulk.css";

/** How many decisions the API takes in one call. */
const AT_ONCE = 100;

/** Several approvals of the same flow and shape, as proposed: a table of what would be sent, one note, one click. */
export default function SeveralView() {
  const state = useInbox();
  const selection = useSelection();
  usePoll(undefined);
  // What was selected stays in the table when it is decided, with its result.
  const [chosen] = useState<Approval[]>(() =>
    [...selection].map((id) => state.rows.get(id)).filter((row) => row !== undefined),
  );
  const plan = useMemo(() => planOf(chosen), [chosen]);
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const [results, setResults] = useState<ReadonlyMap<string, BulkResult>>(new Map());
  const [note, setNote] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [isRejecting, setRejecting] = useState(false);
  const [error, setError] = useState<string>();
  const noteField = useRef<HTMLInputElement>(null);
  const offline = useConnection().offlineSince !== undefined;
  const now = useNow();
  const isDone = results.size > 0;

  const isOpen = (row: PlannedRow) => state.rows.has(row.approval.id) && !results.has(row.approval.id);
  const ready = plan.rows.filter((row) => row.leftOut === undefined && !off.has(row.approval.id) && isOpen(row));
  const count = ready.length;
  const back = () => {
    select([]);
    navigate("");
  };

  const send = async (verdict: "approve" | "reject") => {
    if (count === 0 || isBusy || offline) return;
    setBusy(true);
    setError(undefined);
    const found = new Map(results);
    try {
      for (let start = 0; start < ready.length; start += AT_ONCE) {
        const items = ready.slice(start, start + AT_ONCE).map(({ approval }) => ({
          approvalId: approval.id,
          shownSha256: approval.shownSha256 ?? "",
          verdict,
          note: note.trim() === "" ? undefined : note,
        }));
        for (const result of await decideSeveral(items)) {
          found.set(result.approvalId, result);
          if (result.status === 200) inbox.decided(result.approvalId);
        }
        setResults(new Map(found));
      }
    } catch (problem) {
      setError(
        `${problem instanceof Error ? problem.message : String(problem)} To send it again is safe: each decision counts once.`,
      );
    } finally {
      setBusy(false);
      setRejecting(false);
      void client.invalidateQueries({ queryKey: ["decisions"] });
    }
    const decided = [...found.values()].filter((one) => one.status === 200).length;
    announce(`${plural(decided, "decision")} recorded, ${found.size - decided} refused.`);
  };

  useKeys({
    "mod+Enter": () => void send(isRejecting ? "reject" : "approve"),
    Escape: () => {
      if (isRejecting) setRejecting(false);
      else back();
    },
  });
  useEffect(() => {
    if (isRejecting) noteField.current?.focus();
  }, [isRejecting]);

  const first = plan.rows[0]?.approval;
  if (first === undefined) {
    return (
      <Shell page="inbox">
        <Empty title="Nothing is selected">
          <p>
            Select approvals in the inbox with <kbd>x</kbd> first. <Link to="">To the inbox</Link>
          </p>
        </Empty>
      </Shell>
    );
  }
  const left = plan.rows.length - plan.rows.filter((row) => row.leftOut === undefined).length;
  const decided = [...results.values()].filter((one) => one.status === 200).length;
  const due = ready.map((row) => Date.parse(row.approval.expiresAt)).sort((one, other) => one - other)[0];
  const taken = plan.rows.find((row) => row.leftOut === undefined)?.approval ?? first;
  return (
    <Shell page="inbox">
      <div className="several">
        <div className="bar">
          <p className="crumbs">
            <Link to="">Inbox</Link>
            <span className="slash">{flowName(taken)}</span>
            {taken.flow?.version !== undefined && <span className="meta">v{taken.flow.version}</span>}
            <span className="slash">{taken.nodeId}</span>
          </p>
          <button type="button" className="bar-button push" onClick={back}>
            Back to the list <Kbd>Esc</Kbd>
          </button>
        </div>
        <div className="several-scroll">
          <header className="several-head">
            <h1>
              {isDone ? `${plural(decided, "decision")} recorded` : `Decide ${plural(count, "approval")} as proposed`}
            </h1>
            <ul className="facts-line">
              <li>
                {plan.rows.length} selected{left > 0 && `, ${left} left out`}
              </li>
              {plan.shared.map(([key, value]) => (
                <li key={key}>
                  All with {key} <b>{value.length > 60 ? `${value.slice(0, 59)}…` : value}</b>
                </li>
              ))}
              {plan.destination !== undefined && (
                <li>
                  All to <code>{plan.destination}</code>
                </li>
              )}
              {due !== undefined && <li>First due in {shortDuration(due - now)}</li>}
              {isDone && results.size > decided && <li className="near">{results.size - decided} refused</li>}
            </ul>
          </header>
          <div className="table-scroll" role="group" aria-label="What would be sent" tabIndex={0}>
            <table className="several-table">
              <thead>
                <tr>
                  <th scope="col">
                    <input
                      type="checkbox"
                      aria-label="Select all"
                      checked={count > 0 && off.size === 0}
                      disabled={isDone}
                      onChange={(event) =>
                        setOff(new Set(event.target.checked ? [] : plan.rows.map((row) => row.approval.id)))
                      }
                    />
                  </th>
                  <th scope="col">Label</th>
                  {plan.columns.map((column) => (
                    <th key={column.key} scope="col" className={column.isNumber ? "right" : ""}>
                      {column.key === "" ? "action" : column.key}
                    </th>
                  ))}
                  <th scope="col" className="right">
                    Due in
                  </th>
                  <th scope="col">SHA-256</th>
                  <th scope="col">Result</th>
                </tr>
              </thead>
              <tbody>
                {plan.rows.map((row) => (
                  <Row
                    key={row.approval.id}
                    row={row}
                    columns={plan.columns}
                    isOn={!off.has(row.approval.id)}
                    isOpen={isOpen(row)}
                    gone={state.gone.get(row.approval.id)?.text}
                    result={results.get(row.approval.id)}
                    toggle={() => {
                      const next = new Set(off);
                      if (!next.delete(row.approval.id)) next.add(row.approval.id);
                      setOff(next);
                    }}
                  />
                ))}
              </tbody>
              {off.size === 0 && !isDone && plan.columns.some((column) => column.sum !== undefined) && (
                <tfoot>
                  <tr>
                    <td />
                    <td>{plural(count, "row")}, sum</td>
                    {plan.columns.map((column) => (
                      <td key={column.key} className="right">
                        {count === plan.rows.length - left && <b>{column.sum}</b>}
                      </td>
                    ))}
                    <td colSpan={3} />
                  </tr>
                </tfoot>
              )}
            </table>
          </div>
        </div>
        <footer className="several-foot">
          {error !== undefined && (
            <p className="problem" role="alert">
              {error}
            </p>
          )}
          {isDone && count === 0 ? (
            <div className="buttons">
              <button type="button" className="button primary" onClick={back}>
                Back to the list
              </button>
            </div>
          ) : (
            <>
              <div className="several-form">
                <div className="field">
                  <div className="field-head">
                    <label htmlFor="several-note">{isRejecting ? "Why are they rejected?" : "Note"}</label>
                    <small>the same in each of the {count} decisions</small>
                  </div>
                  <input
                    id="several-note"
                    ref={noteField}
                    value={note}
                    maxLength={4000}
                    onChange={(event) => setNote(event.target.value)}
                  />
                </div>
                {isRejecting ? (
                  <>
                    <button type="button" className="button" onClick={() => setRejecting(false)}>
                      Back <Kbd>Esc</Kbd>
                    </button>
                    <button
                      type="button"
                      className="button danger"
                      disabled={count === 0 || isBusy || offline}
                      onClick={() => void send("reject")}
                    >
                      Reject {count} <Kbd>{MOD}↵</Kbd>
                    </button>
                  </>
                ) : (
                  <>
                    <button
                      type="button"
                      className="button"
                      disabled={count === 0 || isBusy || offline}
                      onClick={() => setRejecting(true)}
                    >
                      Reject {count}…
                    </button>
                    <button
                      type="button"
                      className="button primary"
                      disabled={count === 0 || isBusy || offline}
                      onClick={() => void send("approve")}
                    >
                      {isBusy ? "Sending…" : `Approve ${count}`} <Kbd>{MOD}↵</Kbd>
                    </button>
                  </>
                )}
              </div>
              <p className="foot-note">
                {plural(count, "decision")}, each with its own hash and its own result. Final once sent; several at once
                cannot be taken back.
              </p>
            </>
          )}
        </footer>
      </div>
    </Shell>
  );
}

interface RowProps {
  row: PlannedRow;
  columns: readonly Column[];
  isOn: boolean;
  isOpen: boolean;
  gone: string | undefined;
  result: BulkResult | undefined;
  toggle: () => void;
}

function Row({ row, columns, isOn, isOpen, gone, result, toggle }: RowProps) {
  const { approval, action, leftOut } = row;
  const canBeTaken = leftOut === undefined && isOpen;
  return (
    <tr className={canBeTaken && isOn ? "" : "out"}>
      <td>
        {canBeTaken && (
          <input type="checkbox" checked={isOn} aria-label={`Select ${approval.actionLabel}`} onChange={toggle} />
        )}
      </td>
      <th scope="row">{approval.actionLabel}</th>
      {columns.map((column) => (
        <td key={column.key} className={column.isNumber ? "right" : "text"}>
          {inlineText(isObject(action) && column.key !== "" ? action[column.key] : action)}
        </td>
      ))}
      <td className="right">
        <Deadline at={approval.expiresAt} />
      </td>
      <td>
        {approval.proposedSha256 !== undefined && (
          <code title={approval.proposedSha256}>{abbreviate(approval.proposedSha256)}</code>
        )}
      </td>
      <td>
        <Result row={row} isOpen={isOpen} gone={gone} result={result} />
      </td>
    </tr>
  );
}

function Result({ row, isOpen, gone, result }: Pick<RowProps, "row" | "isOpen" | "gone" | "result">) {
  if (result !== undefined) {
    if (result.status !== 200) return <span className="near">Refused: {result.error}</span>;
    const verdict = result.decision?.decision ?? "recorded, another approval is needed";
    return (
      <span className="good">
        <Icon name="check" /> {verdict.charAt(0).toUpperCase() + verdict.slice(1)}
      </span>
    );
  }
  if (row.leftOut !== undefined) {
    return (
      <>
        {row.leftOut}. <Link to={`?open=${row.approval.id}`}>Decide it alone</Link>
      </>
    );
  }
  if (!isOpen) return <>{gone ?? "Not open any more"}</>;
  return <span className="quiet">Ready</span>;
}
