import type { Approval } from "../../api/types";
import { Fold, Hash, Kbd } from "../../components/basic";
import { DataView } from "../../components/DataView";
import { DiffView } from "../../components/DiffView";
import { differences } from "../../lib/diff";
import { personName } from "../../lib/format";
import type { Json } from "../../lib/json";
import { Link } from "../../lib/router";
import { absoluteTime } from "../../lib/time";
import { endOf } from "../inbox/store";

/** An approval that was decided: who, when, what, and the proof. */
export function Ended({
  approval,
  proposed,
  onNext,
}: {
  approval: Approval;
  proposed: Json;
  onNext: (() => void) | undefined;
}) {
  const { decision } = approval;
  const decided = decision?.decidedAction ?? proposed;
  const changed = differences(proposed, decided).length;
  return (
    <>
      <div className="action-scroll">
        <section>
          <h2>{endOf(approval)}</h2>
          {decision !== undefined && (
            <dl className="fields">
              <div>
                <dt>by</dt>
                <dd>{personName(decision.actor, decision.identity)}</dd>
              </div>
              {decision.identity?.issuer !== undefined && (
                <div>
                  <dt>signed in at</dt>
                  <dd>{decision.identity.issuer}</dd>
                </div>
              )}
              <div>
                <dt>at</dt>
                <dd>{absoluteTime(Date.parse(decision.decidedAt))}</dd>
              </div>
              {decision.note !== null && (
                <div className="wide">
                  <dt>note</dt>
                  <dd>{decision.note}</dd>
                </div>
              )}
            </dl>
          )}
        </section>
        {changed > 0 && (
          <section>
            <header className="section-head">
              <h2>Difference</h2>
            </header>
            <DiffView before={proposed} after={decided} names={["proposed", "decided"]} />
          </section>
        )}
        <section>
          <Fold
            summary={approval.status === "approved" ? "What was approved" : "What was proposed"}
            open={changed === 0}
          >
            <DataView value={decided} />
          </Fold>
        </section>
        {decision !== undefined && (
          <dl className="sent-facts">
            <div>
              <dt>SHA-256</dt>
              <dd>
                <Hash text={decision.decidedSha256} label="the SHA-256 of what was decided" />
              </dd>
            </div>
            {typeof decision.shownSha256 === "string" && (
              <div>
                <dt>Shown</dt>
                <dd>
                  <Hash text={decision.shownSha256} label="the SHA-256 of what was shown" />
                </dd>
              </div>
            )}
          </dl>
        )}
      </div>
      <footer className="action-foot">
        <div className="buttons">
          <Link className="button" to={`runs/${approval.runId}`}>
            Open the run
          </Link>
          {onNext !== undefined && (
            <button type="button" className="button primary wide" onClick={onNext}>
              Next <Kbd>j</Kbd>
            </button>
          )}
        </div>
      </footer>
    </>
  );
}
