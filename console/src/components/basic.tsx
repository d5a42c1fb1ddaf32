import { type ReactNode, useEffect, useRef, useState } from "react";
import { absoluteTime, ago, shortDuration, useNow } from "../lib/time";
import { abbreviate } from "../lib/format";
import { Icon } from "./Icon";

/** A key as it stands on a button. */
export function Kbd({ children }: { children: ReactNode }) {
  return <kbd aria-hidden="true">{children}</kbd>;
}

/** A time, relative; the absolute one on hover. */
export function Ago({ at }: { at: string }) {
  const now = useNow();
  const time = Date.parse(at);
  return (
    <time dateTime={at} title={absoluteTime(time)}>
      {ago(time, now)}
    </time>
  );
}

export const NEAR_MS = 3_600_000;

/** A deadline: red when it is less than an hour away. */
export function Deadline({ at, prefix = "" }: { at: string; prefix?: string }) {
  const left = Date.parse(at) - useNow();
  return (
    <time className={left < NEAR_MS ? "near" : ""} dateTime={at} title={absoluteTime(Date.parse(at))}>
      {left <= 0 ? "expired" : `${prefix}${shortDuration(left)}`}
    </time>
  );
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_500);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <button type="button" className="icon-button" onClick={copy} aria-label={copied ? "Copied" : label} title={label}>
      <Icon name={copied ? "check" : "copy"} />
    </button>
  );
}

/** A hash or an id: its ends, and the whole to copy. */
export function Hash({ text, label, short = true }: { text: string; label: string; short?: boolean }) {
  return (
    <span className="hash">
      <code title={text}>{short ? abbreviate(text, 14, 14) : text}</code>
      <CopyButton text={text} label={`Copy ${label}`} />
    </span>
  );
}

/** Lines where text will be: no movement, and nothing in the first 200 ms. */
export function Skeleton({ rows, label }: { rows: number; label: string }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} />
      ))}
    </div>
  );
}

interface FailureProps {
  title: string;
  error: Error | null | undefined;
  retry?: (() => void) | undefined;
}

export function Failure({ title, error, retry }: FailureProps) {
  return (
    <div className="state" role="alert">
      <h2>{title}</h2>
      <p>{error?.message}</p>
      {retry !== undefined && (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

interface DialogProps {
  title: string;
  onClose?: (() => void) | undefined;
  children: ReactNode;
  className?: string;
}

/** A modal dialog: the browser keeps the focus inside, and Escape closes it if it may be closed. */
export function Dialog({ title, onClose, children, className = "" }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    if (dialog !== null && !dialog.open) dialog.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      className={className}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
    >
      <header>
        <h2 id="dialog-title">{title}</h2>
        {onClose !== undefined && (
          <button type="button" className="icon-button" onClick={onClose} aria-label="Close">
            <Icon name="cross" />
          </button>
        )}
      </header>
      {children}
    </dialog>
  );
}

/** Something that is folded until it is wanted; its children are made when it opens. */
export function Fold({
  summary,
  side,
  children,
  open = false,
}: {
  summary: ReactNode;
  side?: ReactNode;
  children: ReactNode;
  open?: boolean;
}) {
  const [isOpen, setOpen] = useState(open);
  return (
    <details className="fold" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Icon name="chevron" />
        <span>{summary}</span>
        {side !== undefined && <small>{side}</small>}
      </summary>
      {isOpen && <div className="fold-body">{children}</div>}
    </details>
  );
}
