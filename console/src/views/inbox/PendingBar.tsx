import { useEffect, useState } from "react";
import { Kbd } from "../../components/basic";
import { Icon } from "../../components/Icon";
import { dismiss, type PendingApproval, takeBack, usePending } from "./pending";

/** What was approved by a single key and is not sent yet, and what came of it. */
export function PendingBar({ onBack }: { onBack: (approvalId: string) => void }) {
  const pending = usePending();
  const last = pending.findLast((one) => one.state === "waiting") ?? pending.at(-1);
  if (last === undefined) return null;
  const others = pending.filter((one) => one !== last && one.state !== "sent").length;
  const back = () => {
    const approval = takeBack();
    if (approval !== undefined) onBack(approval.id);
  };
  return (
    <div className={`pending-bar ${last.state}`}>
      <div>
        <strong>{last.approval.actionLabel}</strong>
        <span>
          <Progress pending={last} />
          {others > 0 && `, and ${others} more`}
        </span>
      </div>
      {last.state === "waiting" && (
        <button type="button" className="button" aria-keyshortcuts="z" onClick={back}>
          Take back <Kbd>z</Kbd>
        </button>
      )}
      {last.state === "failed" && (
        <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => dismiss(last.approval.id)}>
          <Icon name="cross" />
        </button>
      )}
    </div>
  );
}

function Progress({ pending }: { pending: PendingApproval }) {
  const [now, setNow] = useState(Date.now);
  const isWaiting = pending.state === "waiting";
  useEffect(() => {
    if (!isWaiting) return;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [isWaiting]);
  switch (pending.state) {
    case "waiting":
      return <>Approving in {Math.max(1, Math.ceil((pending.sendAt - now) / 1000))} s</>;
    case "sending":
      return <>Sending…</>;
    case "sent":
      return <>{pending.text}</>;
    case "failed":
      return <>Not approved: {pending.text}</>;
  }
}
