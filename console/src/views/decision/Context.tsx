import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { decisionsQuery, runQuery, stepPartQuery } from "../../api/queries";
import type { Approval, Me, Step } from "../../api/types";
import { Fold, Skeleton } from "../../components/basic";
import { DataView } from "../../components/DataView";
import { bytesText, firstName, personName, plural } from "../../lib/format";
import { byteLength } from "../../lib/canonical";
import { isObject, type Json, writeJson } from "../../lib/json";
import { Link } from "../../lib/router";
import { absoluteTime, dayAndTime, useNow } from "../../lib/time";
import { DiffView } from "../../components/DiffView";

/** What a reviewer needs to know before deciding. */
export function Context({ approval, me }: { approval: Approval; me: Me | undefined }) {
  return (
    <div className="context">
      <Rounds approval={approval} />
      <Changed approval={approval} />
      <Data approval={approval} />
      <RunContext approval={approval} />
      <Earlier approval={approval} me={me} />
    </div>
  );
}

function Data({ approval }: { approval: Approval }) {
  const isElsewhere = approval.dataRef !== undefined && approval.data === undefined;
  const part = useQuery({ ...stepPartQuery(approval.runId, approval.nodeId, "data"), enabled: isElsewhere });
  const data = isElsewhere ? part.data : approval.data;
  if (isElsewhere && part.isPending) return <Skeleton rows={4} label="Loading the context" />;
  if (part.error !== null)
    return (
      <p className="problem">
        The context ({bytesText(approval.dataRef?.bytes ?? 0)}) could not be loaded: {part.error.message}
      </p>
    );
  if (data === undefined || data === null) return null;
  const { title, order = [], folded = [] } = approval.display ?? {};
  if (!isObject(data)) return <Section title={title ?? "Context"}>{<DataView value={data} />}</Section>;
  const keys = [
    ...order.filter((key) => Object.hasOwn(data, key)),
    ...Object.keys(data).filter((key) => !order.includes(key)),
  ];
  const open = keys.filter((key) => !folded.includes(key));
  const simple = open.filter((key) => !isBlock(data[key]));
  return (
    <>
      {(title !== undefined || simple.length > 0) && (
        <Section title={title ?? "Context"}>
          {simple.length > 0 && <DataView value={Object.fromEntries(simple.map((key) => [key, data[key] ?? null]))} />}
        </Section>
      )}
      {open
        .filter((key) => isBlock(data[key]))
        .map((key) => (
          <Section key={key} title={key}>
            <DataView value={data[key] ?? null} depth={1} />
          </Section>
        ))}
      {keys.length > open.length && (
        <div className="folds">
          {keys
            .filter((key) => folded.includes(key))
            .map((key) => (
              <Fold key={key} summary={key}>
                <DataView value={data[key] ?? null} depth={1} />
              </Fold>
            ))}
        </div>
      )}
    </>
  );
}

/** Long text, tables and objects get a heading of their own. */
function isBlock(value: Json | undefined): boolean {
  return (
    Array.isArray(value) ||
    isObject(value) ||
    (typeof value === "string" && (value.length > 60 || value.includes("\n")))
  );
}

function Section({
  title,
  meta,
  side,
  children,
}: {
  title: ReactNode;
  meta?: ReactNode;
  side?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section>
      <header className="section-head">
        <h2>{title}</h2>
        {meta !== undefined && <span className="meta">{meta}</span>}
        {side !== undefined && <span className="side">{side}</span>}
      </header>
      {children}
    </section>
  );
}

type ModelStep = Extract<Step, { type: "llm_step" }>;

function RunContext({ approval }: { approval: Approval }) {
  const run = useQuery(runQuery(approval.runId));
  if (run.isPending) return <Skeleton rows={3} label="Loading the run" />;
  if (run.error !== null) return <p className="quiet">The run could not be loaded: {run.error.message}</p>;
  const answered = run.data.run.steps.filter(
    (step): step is ModelStep => step.type === "llm_step" && step.status === "succeeded",
  );
  const input = run.data.run.input;
  return (
    <>
      {answered.map((step) => (
        <Model key={step.id} step={step} />
      ))}
      <div className="folds">
        {input !== undefined && (
          <Fold summary="Input of the run" side={bytesText(byteLength(writeJson(input)))}>
            <DataView value={input} />
          </Fold>
        )}
        {run.data.run.steps
          .filter(
            (step) =>
              step.type !== "llm_step" &&
              step.type !== "human_approval" &&
              "output" in step &&
              step.output !== undefined,
          )
          .map((step) => (
            <Fold
              key={step.id}
              summary={
                <>
                  What <b>{step.nodeId}</b> gave
                </>
              }
              side={step.type}
            >
              <DataView value={("output" in step ? step.output : null) as Json} />
            </Fold>
          ))}
      </div>
    </>
  );
}

function Model({ step }: { step: ModelStep }) {
  const { output, input } = step;
  const answer = output?.parsed ?? output?.text;
  const tokens = output?.tokens.total;
  return (
    <Section title="What the model answered" meta={`${step.nodeId}${output === undefined ? "" : `, ${output.model}`}`}>
      {answer === undefined ? (
        <span className="quiet">The answer is kept no longer.</span>
      ) : (
        <DataView value={answer} />
      )}
      {input !== undefined && (
        <Fold summary="What it was asked" side={typeof tokens === "number" ? plural(tokens, "token") : undefined}>
          {input.systemPrompt !== undefined && <DataView value={input.systemPrompt} />}
          <DataView value={input.userPrompt} />
        </Fold>
      )}
    </Section>
  );
}

/** What was proposed in earlier rounds, and why it was sent back. */
function Rounds({ approval }: { approval: Approval }) {
  const rounds = approval.earlierRounds ?? [];
  const last = rounds.at(-1);
  if (last === undefined) return null;
  return (
    <Section
      title={`Round ${approval.round ?? rounds.length + 1}`}
      meta={approval.maxRounds === undefined ? undefined : `of ${approval.maxRounds}`}
    >
      {rounds.map((round) => (
        <blockquote key={round.round} className="quote">
          <p>{round.note ?? "Changes were requested."}</p>
          <footer>
            {personName(round.actor, round.identity)}, on round {round.round}
          </footer>
        </blockquote>
      ))}
      {last.proposedAction !== undefined && approval.proposedAction !== undefined && (
        <Fold summary="What has changed since" open>
          <DiffView before={last.proposedAction} after={approval.proposedAction} names={["before", "now"]} />
        </Fold>
      )}
    </Section>
  );
}

/** A retried run asks again when something that the earlier decision rested on has changed. */
function Changed({ approval }: { approval: Approval }) {
  const earlier = approval.earlierDecision;
  if (earlier === undefined) return null;
  const changed = earlier.changed ?? [];
  return (
    <Section
      title="Decided before"
      meta={`${personName(earlier.actor, undefined)} ${earlier.decision} this in an earlier run`}
    >
      <p>
        It asks again because{" "}
        {changed.length > 0 ? (
          <>
            these have changed:{" "}
            {changed.map((path) => (
              <code key={path}> {path} </code>
            ))}
          </>
        ) : (
          "the run was started again"
        )}
        . <Link to={`runs/${earlier.runId}`}>The earlier run</Link>
      </p>
    </Section>
  );
}

function Earlier({ approval, me }: { approval: Approval; me: Me | undefined }) {
  const slug = approval.flow?.slug ?? approval.flowId;
  const decisions = useQuery(decisionsQuery({ flow: slug, limit: 5 }));
  const now = useNow();
  const rows = decisions.data?.data ?? [];
  if (rows.length === 0) return null;
  return (
    <Section title="Earlier decisions" meta="of this flow" side={<Link to={`decisions?flow=${slug}`}>All</Link>}>
      <table className="plain earlier">
        <tbody>
          {rows.map((row) => (
            <tr key={row.approvalId}>
              <td>
                <time dateTime={row.decidedAt} title={absoluteTime(Date.parse(row.decidedAt))}>
                  {dayAndTime(Date.parse(row.decidedAt), now)}
                </time>
              </td>
              <td>
                <Link to={`approvals/${row.approvalId}`}>{row.actionLabel}</Link>
              </td>
              <td>{row.verdict === "approved" ? (row.edited ? "with an edit" : "as proposed") : row.verdict}</td>
              <td>
                {row.actor !== null && row.actor !== undefined && row.actor === me?.actor
                  ? "you"
                  : firstName(row.actor, row.identity)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}
