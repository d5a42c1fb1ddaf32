import type { ReactNode } from "react";
import { Dialog } from "../components/basic";
import { MOD } from "../lib/keys";

const KEYS: readonly (readonly [string, string])[] = [
  ["j", "Next approval"],
  ["k", "Previous approval"],
  ["Enter", "Into the approval"],
  ["a", "Approve as proposed"],
  ["z", "Take the approval back, within 5 seconds"],
  ["e", "Edit: to the first field"],
  ["r", "Reject"],
  ["c", "Request changes"],
  [`${MOD}Enter`, "Send"],
  ["x", "Select, to decide several at once"],
  ["/", "Search"],
  ["Esc", "Back; out of a field"],
  ["?", "This list"],
];

export function Help({ onClose, children }: { onClose: () => void; children: ReactNode }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p className="quiet">
        Letters are off while you type in a field. An edited approval, and several at once, are never a single key.
      </p>
      {children}
    </Dialog>
  );
}
