import { useQuery } from "@tanstack/react-query";
import { approvalQuery } from "../../api/queries";
import { abbreviate } from "../../lib/format";
import { Icon } from "../../components/Icon";
import { Link, navigate } from "../../lib/router";
import { Shell } from "../../shell/Shell";
import { PendingBar } from "../inbox/PendingBar";
import { takeBack } from "../inbox/pending";
import { flowName } from "../inbox/rows";
import { usePoll } from "../inbox/usePoll";
import { useKeys } from "../../lib/keys";
import { Decision } from "./Decision";

/** An approval by its link. */
export function ApprovalPage({ approvalId }: { approvalId: string }) {
  const approval = useQuery(approvalQuery(approvalId)).data;
  usePoll(approvalId);
  const back = (id: string) => navigate(`approvals/${id}`);
  useKeys({
    z: () => {
      const taken = takeBack();
      if (taken !== undefined) back(taken.id);
    },
  });
  return (
    <Shell page="inbox">
      <section className="detail alone">
        <div className="bar detail-bar">
          <Link className="back" to="">
            <Icon name="back" /> Inbox
          </Link>
          {approval !== undefined && (
            <p className="crumbs">
              <Link to={`flows/${approval.flow?.slug ?? approval.flowId}`}>{flowName(approval)}</Link>{" "}
              <span aria-hidden="true">/</span>{" "}
              <Link to={`runs/${approval.runId}`}>
                <code>{abbreviate(approval.runId, 10, 6)}</code>
              </Link>
            </p>
          )}
        </div>
        <Decision approvalId={approvalId} onNext={() => navigate("")} />
        <PendingBar onBack={back} />
      </section>
    </Shell>
  );
}
