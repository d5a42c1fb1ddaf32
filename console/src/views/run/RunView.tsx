import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { cancelRun, purgeRun, retryRun } from "../../api/endpoints";
import { client, meQuery, runQuery } from "../../api/queries";
import type { FlowAsRun, RunDetail, Step } from "../../api/types";
import { Ago, CopyButton, Dialog, Failure, Fold, Hash, Skeleton } from "../../components/basic";
import { DataView } from "../../components/DataView";
import { Icon, type IconName } from "../../components/Icon";
import { abbreviate, bytesText, plural } from "../../lib/format";
import { writeJson } from "../../lib/json";
import { Link, navigate, setQuery, useLocation } from "../../lib/router";
import { absoluteTime, dayOf, exactDuration, preciseTime, useNow, zone } from "../../lib/time";
import { Shell } from "../../shell/Shell";
import { save } from "../decisions/csv";
import { StepPane } from "./StepPane";
import { timelineOf } from "./timeline";
import "../../styles/pages.css";

const Graph = lazy(() => import("./Graph"));

/** A run: the way it took, what happened when, and each step. One that moves, moves on the screen. */
export default function RunView({ runId }: { runId: string }) {
  const query = useQuery(runQuery(runId, true));
  const content =
    query.data !== undefined ? (
      <Loaded run={query.data.run} flow={query.data.flow} />
    ) : query.error !== null ? (
      <Failure title="The run could not be loaded" error={query.error} retry={() => void query.refetch()} />
    ) : (
      <Skeleton rows={8} label="Loading the run" />
    );
  return <Shell page="run">{content}</Shell>;
}

const SIGNS: Record<RunDetail["status"], IconName> = {
  succeeded: "check",
  failed: "cross",
  cancelled: "cross",
  awaiting_approval: "wait",
  running: "clock",
};

function Loaded({ run, flow }: { run: RunDetail; flow: FlowAsRun }) {
  const { query } = useLocation();
  const wanted = query.get("step");
  const failed = run.steps.find((step) => step.status === "failed");
  const step =
    run.steps.find((one) => one.nodeId === wanted) ??
    failed ??
    run.steps.find((one) => one.status === "awaiting_approval") ??
    run.steps.at(0);
  const choose = (nodeId: string) => setQuery({ step: nodeId });
  return (
    <div className="run">
      <div className="bar">
        <p className="crumbs">
          <Link to="flows">Flows</Link>
          <span className="slash">
            <Link to={`flows/${flow.slug}`}>{flow.name}</Link>
          </span>
          <span className="meta">v{flow.version}</span>
          <span className="slash">
            <code>{abbreviate(run.id, 12, 8)}</code>
          </span>
          <CopyButton text={run.id} label="Copy the id of the run" />
        </p>
        <Actions run={run} flow={flow} />
      </div>
      <div className="page">
        <h1>{titleOf(run, flow)}</h1>
        <Figures run={run} />
        <section className="run-graph" aria-label="Graph">
          <header className="section-head">
            <h2>Graph</h2>
            <span className="meta">version {flow.version}, as it was</span>
            <span className="meta side">solid: taken · dashed: not taken</span>
          </header>
          <Suspense fallback={<Skeleton rows={3} label="Loading the graph" />}>
            <Graph spec={flow.spec} steps={run.steps} selected={step?.nodeId} onSelect={choose} />
          </Suspense>
        </section>
        <div className="run-body">
          <div>
            <Timeline run={run} selected={step?.nodeId} onSelect={choose} />
            <Values run={run} flow={flow} />
          </div>
          {step !== undefined && <StepPane run={run} spec={flow.spec} step={step} />}
        </div>
      </div>
    </div>
  );
}

function titleOf(run: RunDetail, flow: FlowAsRun): string {
  const approvals = run.steps.filter(
    (step): step is Extract<Step, { type: "human_approval" }> => step.type === "human_approval",
  );
  return approvals.find((step) => step.input !== undefined)?.input?.actionLabel ?? flow.name;
}

function Figures({ run }: { run: RunDetail }) {
  const now = useNow();
  const start = Date.parse(run.startedAt);
  const end = run.finishedAt === undefined ? now : Date.parse(run.finishedAt);
  const waited = run.steps.reduce(
    (sum, step) =>
      sum +
      (step.type === "human_approval" && step.decision !== undefined && step.startedAt !== undefined
        ? Date.parse(step.decision.decidedAt) - Date.parse(step.startedAt)
        : 0),
    0,
  );
  const tokens = run.steps.reduce(
    (sum, step) => sum + (step.type === "llm_step" ? (step.output?.tokens.total ?? 0) : 0),
    0,
  );
  const state = run.status.replace("_", " ");
  return (
    <dl className="figures">
      <div>
        <dt>State</dt>
        <dd className={run.status === "succeeded" ? "good" : run.status === "failed" ? "bad" : ""}>
          <Icon name={SIGNS[run.status]} /> {state.charAt(0).toUpperCase() + state.slice(1)}
        </dd>
      </div>
      <div>
        <dt>Started</dt>
        <dd>
          <Ago at={run.startedAt} />, by {run.startedBy}
        </dd>
      </div>
      <div>
        <dt>{run.finishedAt === undefined ? "So far" : "Took"}</dt>
        <dd>
          {exactDuration(end - start)}
          {waited > 0 && `, ${exactDuration(Math.max(0, end - start - waited))} of it work`}
        </dd>
      </div>
      {tokens > 0 && (
        <div>
          <dt>Model</dt>
          <dd>{plural(tokens, "token")}</dd>
        </div>
      )}
      {run.retryOf !== undefined && (
        <div>
          <dt>Runs again</dt>
          <dd>
            <Link to={`runs/${run.retryOf}`}>
              <code>{abbreviate(run.retryOf, 8, 6)}</code>
            </Link>
          </dd>
        </div>
      )}
      <div>
        <dt>Trace id</dt>
        <dd>
          <Hash text={run.traceId} label="the trace id" short={false} />
        </dd>
      </div>
    </dl>
  );
}

function Timeline({
  run,
  selected,
  onSelect,
}: {
  run: RunDetail;
  selected: string | undefined;
  onSelect: (nodeId: string) => void;
}) {
  const entries = timelineOf(run);
  return (
    <section aria-label="Timeline">
      <header className="section-head">
        <h2>Timeline</h2>
        <span className="meta">
          {dayOf(Date.parse(run.startedAt))}, {zone()}
        </span>
      </header>
      <table className="timeline">
        <tbody>
          {entries.map((entry, index) =>
            entry.isWait ? (
              <tr key={index} className="wait">
                <td />
                <td />
                <td colSpan={2}>{entry.text}</td>
              </tr>
            ) : (
              <tr key={index} className={entry.nodeId !== undefined && entry.nodeId === selected ? "current" : ""}>
                <td>
                  <time dateTime={new Date(entry.at).toISOString()} title={absoluteTime(entry.at)}>
                    {preciseTime(entry.at)}
                  </time>
                </td>
                <td>
                  {entry.nodeId === undefined ? (
                    <b>run</b>
                  ) : (
                    <button
                      type="button"
                      className="node-button"
                      aria-pressed={entry.nodeId === selected}
                      onClick={() => onSelect(entry.nodeId ?? "")}
                    >
                      {entry.nodeId}
                    </button>
                  )}
                </td>
                <td>{entry.text}</td>
                <td className="right">{entry.took}</td>
              </tr>
            ),
          )}
        </tbody>
      </table>
    </section>
  );
}

function Values({ run, flow }: { run: RunDetail; flow: FlowAsRun }) {
  const input = run.input;
  const output = run.output;
  return (
    <section className="folds" aria-label="Values">
      {input !== undefined && (
        <Fold summary="Input of the run">
          <DataView value={input} />
        </Fold>
      )}
      {output !== undefined && (
        <Fold summary="Output of the run">
          <DataView value={output} />
        </Fold>
      )}
      <Fold summary="The flow as it was" side={`version ${flow.version}`}>
        <pre className="bytes" tabIndex={0}>
          {writeJson(flow.spec, 2)}
        </pre>
      </Fold>
    </section>
  );
}

type Asking = "cancel" | "retry" | "purge";

function Actions({ run, flow }: { run: RunDetail; flow: FlowAsRun }) {
  const me = useQuery(meQuery).data;
  const [asking, setAsking] = useState<Asking>();
  const mayWrite = me?.scopes.some((scope) => scope === "runs:write" || scope === "write") ?? false;
  const isOver = run.finishedAt !== undefined;
  const canRetry = run.status === "failed" || run.status === "cancelled";
  return (
    <div className="bar-actions">
      {mayWrite && !isOver && (
        <button type="button" className="bar-button" onClick={() => setAsking("cancel")}>
          Cancel…
        </button>
      )}
      {mayWrite && canRetry && (
        <button type="button" className="bar-button" onClick={() => setAsking("retry")}>
          Retry from…
        </button>
      )}
      {mayWrite && isOver && (
        <button type="button" className="bar-button" onClick={() => setAsking("purge")}>
          Purge outputs…
        </button>
      )}
      <button
        type="button"
        className="button"
        onClick={() => save(`${run.id}.json`, `${writeJson({ run, flow }, 2)}\n`, "application/json")}
      >
        <Icon name="download" /> <span>Download the record</span>
      </button>
      {asking !== undefined && <Ask what={asking} run={run} flow={flow} onClose={() => setAsking(undefined)} />}
    </div>
  );
}

function Ask({ what, run, flow, onClose }: { what: Asking; run: RunDetail; flow: FlowAsRun; onClose: () => void }) {
  const [text, setText] = useState("");
  const [isLatest, setLatest] = useState(false);
  const [error, setError] = useState<string>();
  const [done, setDone] = useState<string>();
  const [key] = useState(() => crypto.randomUUID());
  const act = async () => {
    try {
      if (what === "cancel") await cancelRun(run.id, text.trim());
      else if (what === "purge") {
        const receipt = await purgeRun(run.id);
        setDone(`${bytesText(receipt.bytes)} are gone. The run, its input and its decisions stay.`);
      } else {
        const next = await retryRun(run.id, text === "" ? undefined : text, isLatest, key);
        onClose();
        navigate(`runs/${next.id}`);
        return;
      }
      await client.invalidateQueries({ queryKey: ["run", run.id] });
      if (what === "cancel") onClose();
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  const title = { cancel: "Cancel this run", retry: "Run it again", purge: "Purge the outputs of this run" }[what];
  const sentence = {
    cancel: "No further step starts. What was sent already stays sent, and open approvals are closed.",
    retry: "A new run takes over the steps that succeeded, and begins with the one that you name.",
    purge: "What the steps sent and got is deleted at once, and cannot be brought back. The hashes stay.",
  }[what];
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void act();
        }}
      >
        <p>{done ?? sentence}</p>
        {what === "cancel" && (
          <div className="field">
            <label htmlFor="reason">Reason</label>
            <input id="reason" value={text} maxLength={4000} onChange={(event) => setText(event.target.value)} />
          </div>
        )}
        {what === "retry" && (
          <>
            <div className="field">
              <label htmlFor="from">Begin with</label>
              <select id="from" value={text} onChange={(event) => setText(event.target.value)}>
                <option value="">the first step that did not succeed</option>
                {flow.spec.nodes.map((node) => (
                  <option key={node.id} value={node.id}>
                    {node.id}
                  </option>
                ))}
              </select>
            </div>
            <label className="check">
              <input type="checkbox" checked={isLatest} onChange={(event) => setLatest(event.target.checked)} /> On the
              newest version of the flow
            </label>
          </>
        )}
        {error !== undefined && (
          <p className="problem" role="alert">
            {error}
          </p>
        )}
        <div className="buttons">
          <button type="button" className="button" onClick={onClose}>
            {done === undefined ? "Back" : "Close"}
          </button>
          {done === undefined && (
            <button type="submit" className={`button ${what === "retry" ? "primary" : "danger"}`}>
              {{ cancel: "Cancel the run", retry: "Run it again", purge: "Purge" }[what]}
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}
