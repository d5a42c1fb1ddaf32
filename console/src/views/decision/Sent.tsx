import { Hash } from "../../components/basic";
import { Icon } from "../../components/Icon";
import { Fold } from "../../components/basic";
import { addressText, bytesText } from "../../lib/format";
import type { Destination } from "../../api/types";
import { type Json, writeJson } from "../../lib/json";
import type { Bytes } from "./useAction";

const WHOLE_DECISION = /^\$\{step\.[A-Za-z0-9_-]+\.output\.proposedAction\}$/;

/** What will be sent, where to, and its hash. Folded, the destination and the hash stay in view. */
export function Sent({ destinations, bytes }: { destinations: readonly Destination[]; bytes: Bytes }) {
  const afterApproval = destinations.filter((one) => one.after?.includes("approved") ?? true);
  const main = afterApproval.filter((one) => one.usesDecision);
  const others = afterApproval.filter((one) => !one.usesDecision);
  return (
    <section className="sent">
      <Fold summary="Exactly this will be sent" side={bytesText(bytes.length)}>
        <pre className="bytes" tabIndex={0}>
          {bytes.text.length > 200_000 ? `${bytes.text.slice(0, 200_000)}…` : bytes.text}
        </pre>
        {main
          .filter((one) => !isWhole(one.body))
          .map((one) => (
            <div key={one.nodeId}>
              <p className="quiet">{one.nodeId} puts it into this:</p>
              <pre className="bytes" tabIndex={0}>
                {writeJson(one.body, 2)}
              </pre>
            </div>
          ))}
        {others.length > 0 && (
          <>
            <p className="quiet">After an approval the flow also sends, without this action:</p>
            <ul className="plain-list">
              {others.map((one) => (
                <li key={one.nodeId}>
                  <code>{addressText(one)}</code>
                </li>
              ))}
            </ul>
          </>
        )}
      </Fold>
      <dl className="sent-facts">
        {main.length === 0 && (
          <div>
            <dt>To</dt>
            <dd>{others.length > 0 ? "nobody: no step sends this action" : "not known before the decision"}</dd>
          </div>
        )}
        {main.map((one, index) => (
          <div key={one.nodeId}>
            <dt>{index === 0 ? "To" : ""}</dt>
            <dd>
              <code>{addressText(one)}</code>
              {!one.complete && <small className="quiet"> (parts of the address are filled in later)</small>}
            </dd>
          </div>
        ))}
        <div>
          <dt>SHA-256</dt>
          <dd>
            {bytes.sha256 === undefined ? (
              <span className="quiet">…</span>
            ) : (
              <Hash text={bytes.sha256} label="the SHA-256" />
            )}
            {bytes.isConfirmed && (
              <span className="confirmed" title="The hash that the service has computed.">
                <Icon name="check" />
                <span className="sr-only">computed by the service</span>
              </span>
            )}
          </dd>
        </div>
      </dl>
    </section>
  );
}

function isWhole(body: Json | undefined): boolean {
  return body === undefined || (typeof body === "string" && WHOLE_DECISION.test(body));
}
