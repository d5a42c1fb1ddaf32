import { useRef, useState } from "react";
import { reassign } from "../../api/endpoints";
import type { Approval } from "../../api/types";
import { Dialog } from "../../components/basic";
import { Icon } from "../../components/Icon";
import { addressOf, navigate } from "../../lib/router";

/** What is wanted less often: hand on, the link, the run. */
export function Menu({ approval, note, onDone }: { approval: Approval; note: string | undefined; onDone: () => void }) {
  const [isOpen, setOpen] = useState(false);
  const [isReassigning, setReassigning] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <div
      className="menu"
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) setOpen(false);
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape" && isOpen) {
          event.stopPropagation();
          event.preventDefault();
          close();
        }
      }}
    >
      <button
        ref={button}
        type="button"
        className="button"
        aria-expanded={isOpen}
        aria-label="More"
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name="more" className="dots" />
      </button>
      {isOpen && (
        <div className="menu-items">
          <button
            type="button"
            onClick={() => {
              setOpen(false);
              setReassigning(true);
            }}
          >
            Reassign…
          </button>
          <button
            type="button"
            onClick={() => {
              close();
              void navigator.clipboard.writeText(addressOf(`approvals/${approval.id}`));
            }}
          >
            Copy link
          </button>
          <button type="button" onClick={() => navigate(`runs/${approval.runId}`)}>
            Open the run
          </button>
        </div>
      )}
      {isReassigning && (
        <Reassign approval={approval} note={note} onClose={() => setReassigning(false)} onDone={onDone} />
      )}
    </div>
  );
}

function Reassign({
  approval,
  note,
  onClose,
  onDone,
}: {
  approval: Approval;
  note: string | undefined;
  onClose: () => void;
  onDone: () => void;
}) {
  const [kind, setKind] = useState("role");
  const [name, setName] = useState("");
  const [error, setError] = useState<string>();
  const send = async () => {
    try {
      await reassign(approval.runId, {
        approvalId: approval.id,
        nodeId: approval.nodeId,
        to: `${kind}:${name.trim()}`,
        note,
      });
      onClose();
      onDone();
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  return (
    <Dialog title="Reassign" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <p className="quiet">
          It is now for {approval.assignTo ?? "anybody who may decide"}. Who hands it on, and your note, are kept with
          the approval.
        </p>
        <div className="pair">
          <div className="field">
            <label htmlFor="reassign-kind">To a</label>
            <select id="reassign-kind" value={kind} onChange={(event) => setKind(event.target.value)}>
              <option value="role">role</option>
              <option value="team">team</option>
              <option value="user">person</option>
            </select>
          </div>
          <div className="field">
            <label htmlFor="reassign-name">Name</label>
            <input
              id="reassign-name"
              value={name}
              onChange={(event) => setName(event.target.value)}
              aria-describedby="reassign-error"
            />
          </div>
        </div>
        {error !== undefined && (
          <p id="reassign-error" className="problem" role="alert">
            {error}
          </p>
        )}
        <div className="buttons">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={name.trim() === ""}>
            Reassign
          </button>
        </div>
      </form>
    </Dialog>
  );
}
