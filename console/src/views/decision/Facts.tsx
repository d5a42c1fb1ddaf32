import type { Approval } from "../../api/types";
import { Ago, Deadline } from "../../components/basic";

/** The label, and what matters about the approval in one line. */
export function Facts({ approval }: { approval: Approval }) {
  const isOpen = approval.status === undefined || approval.status === "open";
  return (
    <header className="facts">
      <h1>{approval.actionLabel}</h1>
      <ul>
        {isOpen && (
          <li>
            <Deadline at={approval.expiresAt} prefix="Due in " />
          </li>
        )}
        <li>
          Opened <Ago at={approval.openedAt} />
        </li>
        <li>For {approval.assignTo ?? "anybody who may decide"}</li>
        {(approval.round ?? 1) > 1 && <li>Round {approval.round}</li>}
        {isOpen && <li>{needs(approval)}</li>}
        {approval.requireDifferentActor && <li>Not by who started the run</li>}
      </ul>
    </header>
  );
}

function needs(approval: Approval): string {
  const has = approval.votes?.length ?? 0;
  const needed = approval.requiredApprovals;
  if (Array.isArray(needed))
    return `Needs ${needed.map((part) => `${part.count} of ${part.from}`).join(" and ")}, has ${has === 0 ? "none" : has}`;
  return `Needs ${needed ?? 1} ${needed === undefined || needed === 1 ? "approval" : "approvals"}, has ${has === 0 ? "none" : has}`;
}
