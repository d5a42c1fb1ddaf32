import { useEffect, useState } from "react";
import { useQuery } from "@tanstack/react-query";
import { stepPartQuery } from "../../api/queries";
import type { FlowSpec, PayloadRef, RunDetail, Step, StepPartName } from "../../api/types";
import { Fold, Hash, Skeleton } from "../../components/basic";
import { DataView } from "../../components/DataView";
import { DiffView } from "../../components/DiffView";
import { Icon } from "../../components/Icon";
import { canonicalText, sha256 } from "../../lib/canonical";
import { bytesText, personName } from "../../lib/format";
import type { Json } from "../../lib/json";
import { writeJson } from "../../lib/json";
import { Link } from "../../lib/router";
import { dayOf } from "../../lib/time";

/** One step: what it sent, what it got, how often it tried, what went wrong. */
export function StepPane({ run, spec, step }: { run: RunDetail; spec: FlowSpec; step: Step }) {
  const node = spec.nodes.find((one) => one.id === step.nodeId);
  const input = "input" in step ? (step.input as Json | undefined) : undefined;
  const output = "output" in step ? step.output : undefined;
  return (
    <section className="step-pane" aria-label={`Step ${step.nodeId}`}>
      <header className="section-head">
        <h2>{step.nodeId}</h2>
        <span className="meta">
          {step.type}, {step.status.replace("_", " ")}
          {step.attempts > 1 && `, ${step.attempts} attempts`}
        </span>
      </header>
      {step.error !== undefined && <p className="problem step-error">{step.error}</p>}
      {step.reusedFrom !== undefined && (
        <p className="quiet">
          Taken over from <Link to={`runs/${step.reusedFrom}`}>an earlier run</Link>.
        </p>
      )}
      {step.idempotencyKey !== undefined && (
        <dl className="fields">
          <div>
            <dt>Idempotency-Key</dt>
            <dd>
              <Hash text={step.idempotencyKey} label="the Idempotency-Key" />
            </dd>
          </div>
          {step.response !== undefined && (
            <div>
              <dt>Answer</dt>
              <dd className={step.response.status < 400 ? "good" : "bad"}>{step.response.status}</dd>
            </div>
          )}
        </dl>
      )}
      {step.type === "human_approval" && <Approval step={step} />}
      <Part
        title="Sent"
        value={input}
        reference={step.inputRef}
        purged={step.purged?.input}
        at={step.purged?.at}
        run={run}
        step={step}
        of="input"
      />
      <SameBytes run={run} step={step} />
      <Part
        title="Got"
        value={output}
        reference={step.outputRef}
        purged={step.purged?.output}
        at={step.purged?.at}
        run={run}
        step={step}
        of="output"
      />
      {node !== undefined && (
        <Fold summary="The step as it was defined">
          <pre className="bytes" tabIndex={0}>
            {writeJson(node, 2)}
          </pre>
        </Fold>
      )}
    </section>
  );
}

function Approval({ step }: { step: Extract<Step, { type: "human_approval" }> }) {
  const { decision } = step;
  const proposed = decision?.proposedAction;
  const decided = decision?.decidedAction;
  return (
    <div className="step-part">
      <p>
        <Link to={`approvals/${step.approvalId ?? ""}`}>The approval</Link>
        {decision !== undefined && (
          <>
            : {decision.decision}
            {decision.actor !== null && ` by ${personName(decision.actor, decision.identity)}`}
            {decision.note !== null && `, “${decision.note}”`}
          </>
        )}
      </p>
      {decision !== undefined && decision.proposedSha256 !== decision.decidedSha256 && (
        <DiffView before={proposed} after={decided} names={["proposed", "decided"]} />
      )}
    </div>
  );
}

interface PartProps {
  title: string;
  value: Json | undefined;
  reference: PayloadRef | undefined;
  purged: { bytes: number; sha256: string } | undefined;
  at: string | undefined;
  run: RunDetail;
  step: Step;
  of: StepPartName;
}

function Part({ title, value, reference, purged, at, run, step, of }: PartProps) {
  const [wanted, setWanted] = useState(false);
  const part = useQuery({ ...stepPartQuery(run.id, step.nodeId, of), enabled: wanted });
  if (value === undefined && reference === undefined && purged === undefined) return null;
  const shown = value ?? part.data;
  return (
    <div className="step-part">
      <h3>{title}</h3>
      {purged !== undefined && value === undefined ? (
        <p className="quiet">
          Purged{at !== undefined && ` on ${dayOf(Date.parse(at))}`}, {bytesText(purged.bytes)}.{" "}
          <Hash text={purged.sha256} label="the SHA-256 of what was purged" />
        </p>
      ) : shown !== undefined ? (
        <DataView value={shown} />
      ) : wanted && part.isPending ? (
        <Skeleton rows={2} label="Loading" />
      ) : (
        <p>
          {part.error !== null && <span className="problem">{part.error.message} </span>}
          <button type="button" className="link" onClick={() => (wanted ? void part.refetch() : setWanted(true))}>
            Load it ({bytesText(reference?.bytes ?? 0)})
          </button>
        </p>
      )}
    </div>
  );
}

/** Whether what was sent is what somebody approved, by the hash of its canonical bytes. */
function SameBytes({ run, step }: { run: RunDetail; step: Step }) {
  const body = step.type === "service_call" ? step.input?.body : undefined;
  const [hash, setHash] = useState<string>();
  useEffect(() => {
    let current = true;
    if (body !== undefined) void sha256(canonicalText(body)).then((text) => current && setHash(text));
    return () => {
      current = false;
    };
  }, [body]);
  if (hash === undefined || body === undefined) return null;
  const match = run.steps.find(
    (one) =>
      one.type === "human_approval" && one.decision?.decision === "approved" && one.decision.decidedSha256 === hash,
  );
  if (match?.type !== "human_approval") return null;
  return (
    <p className="good">
      <Icon name="check" /> Sent is what {personName(match.decision?.actor, match.decision?.identity)} approved, byte
      for byte
    </p>
  );
}
