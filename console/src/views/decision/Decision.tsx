import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { approvalQuery, client, meQuery, stepPartQuery } from "../../api/queries";
import { approve, type ApproveBody, reject, requestChanges } from "../../api/endpoints";
import { useConnection } from "../../api/connection";
import type { Approval, Me } from "../../api/types";
import { Failure, Kbd, Skeleton } from "../../components/basic";
import { DiffView } from "../../components/DiffView";
import { announce } from "../../lib/announce";
import { countLeaves, differences } from "../../lib/diff";
import { forgetDraft } from "../../lib/drafts";
import { bytesText, firstName as firstNameOf, personName } from "../../lib/format";
import { isObject, type Json } from "../../lib/json";
import { useMedia } from "../../lib/media";
import { MOD, useKeys } from "../../lib/keys";
import { approveSoon } from "../inbox/pending";
import { endOf, inbox } from "../inbox/store";
import { ActionForm } from "./ActionForm";
import { Context } from "./Context";
import { Ended } from "./Ended";
import { Facts } from "./Facts";
import { Menu } from "./Menu";
import { type Refusal, refusalOf } from "./outcome";
import { Sent } from "./Sent";
import { jsonText, pointersOf, useAction, useBytes } from "./useAction";

const JsonEditor = lazy(() => import("../../components/JsonEditor"));

interface Props {
  approvalId: string;
  /** The row of the inbox, so that the decision is on the screen before it is read by itself. */
  row?: Approval | undefined;
  /** Called when the approval is decided, or another one is wanted. */
  onNext?: (() => void) | undefined;
}

/** One approval: the context, the action, and what to do with it. */
export function Decision({ approvalId, row, onNext }: Props) {
  const query = useQuery({ ...approvalQuery(approvalId), placeholderData: row });
  const me = useQuery(meQuery).data;
  const approval = query.data;
  if (approval === undefined) {
    if (query.error !== null) {
      const isMissing = "status" in query.error && query.error.status === 404;
      return (
        <Failure
          title={isMissing ? "There is no such approval" : "The approval could not be loaded"}
          error={query.error}
          retry={isMissing ? undefined : () => void query.refetch()}
        />
      );
    }
    return <Skeleton rows={8} label="Loading the approval" />;
  }
  return <Loaded key={approval.id} approval={approval} me={me} isWhole={!query.isPlaceholderData} onNext={onNext} />;
}

function Loaded({
  approval,
  me,
  isWhole,
  onNext,
}: {
  approval: Approval;
  me: Me | undefined;
  isWhole: boolean;
  onNext: Props["onNext"];
}) {
  const isElsewhere = approval.proposedAction === undefined && approval.proposedActionRef !== undefined;
  const part = useQuery({ ...stepPartQuery(approval.runId, approval.nodeId, "proposedAction"), enabled: isElsewhere });
  const proposed = isElsewhere ? part.data : (approval.proposedAction ?? null);
  // Side by side where there is room; below each other, the context goes before the action, and on a phone behind it.
  const isWide = useMedia("(min-width: 1200px)");
  const isPhone = useMedia("(max-width: 899px)");
  const context = <Context approval={approval} me={me} />;
  const ended = approval.status !== undefined && approval.status !== "open";
  return (
    <article className="decision" aria-label={approval.actionLabel}>
      <Facts approval={approval} />
      <div className="decision-body">
        {!(isPhone && !ended && proposed !== undefined) && (
          <div className="pane" tabIndex={-1}>
            {context}
          </div>
        )}
        <div className="action-column">
          {proposed === undefined ? (
            <div className="action-scroll">
              {part.error === null ? (
                <Skeleton rows={6} label="Loading the action" />
              ) : (
                <Failure
                  title={`The action (${bytesText(approval.proposedActionRef?.bytes ?? 0)}) could not be loaded`}
                  error={part.error}
                  retry={() => void part.refetch()}
                />
              )}
            </div>
          ) : ended ? (
            <Ended approval={approval} proposed={proposed} onNext={onNext} />
          ) : (
            <Action
              approval={approval}
              proposed={proposed}
              me={me}
              isWhole={isWhole}
              isPhone={isPhone}
              context={isPhone && !isWide ? context : undefined}
              onNext={onNext}
            />
          )}
        </div>
      </div>
    </article>
  );
}

type Mode = "approve" | "reject" | "changes";

/** How many fields a form may have before JSON is the better way to look at an action. */
const MOST_FIELDS = 400;

interface ActionProps {
  approval: Approval;
  proposed: Json;
  me: Me | undefined;
  /** Whether the approval was read by itself: only then is it known what was shown. */
  isWhole: boolean;
  isPhone: boolean;
  /** The context, if it stands among the parts of the action. */
  context: ReactNode;
  onNext: Props["onNext"];
}

function Action({ approval, proposed, me, isWhole, isPhone, context, onNext }: ActionProps) {
  const votes = approval.votes ?? [];
  const first = votes.find((vote) => vote.action !== undefined);
  const isSecond = votes.length > 0;
  const base = first?.action ?? proposed;
  const state = useAction(approval.id, base, isSecond ? [] : approval.allowedEdits);
  const bytes = useBytes(
    isSecond ? { ...approval, proposedSha256: votes[0]?.actionSha256 ?? approval.proposedSha256 } : approval,
    state,
    state.refuse,
  );
  const [mode, setMode] = useState<Mode>("approve");
  const [hasNote, setHasNote] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal>();
  const [isJson, setJson] = useState(() => state.draft.json !== undefined || countLeaves(base) > MOST_FIELDS);
  const offline = useConnection().offlineSince !== undefined;
  const note = useRef<HTMLTextAreaElement>(null);
  const column = useRef<HTMLDivElement>(null);
  const expired = useExpired(approval.expiresAt);

  const { isEdited, draft } = state;
  const mine = votes.some((vote) => vote.actor === me?.actor);
  const cannot = cannotDecide(approval, mine);
  const firstName = first === undefined ? undefined : firstNameOf(first.actor, first.identity);
  const blocked = isBusy || offline || cannot !== undefined || expired || refusal?.kind === "lost";
  const text = draft.note.trim() === "" ? undefined : draft.note;
  const common = { approvalId: approval.id, nodeId: approval.nodeId, shownSha256: approval.shownSha256, note: text };

  const approveBody = (): ApproveBody => {
    if (isEdited) return { ...common, proposedActionOverride: state.action };
    return { ...common, actionSha256: isSecond ? votes[0]?.actionSha256 : approval.proposedSha256 };
  };

  const done = (sentence: string) => {
    forgetDraft(approval.id);
    inbox.decided(approval.id);
    announce(`${approval.actionLabel}: ${sentence}`);
    void client.invalidateQueries({ queryKey: ["approval", approval.id] });
    void client.invalidateQueries({ queryKey: ["decisions"] });
    onNext?.();
  };

  const send = async (what: () => Promise<unknown>, sentence: string) => {
    setBusy(true);
    setRefusal(undefined);
    try {
      await what();
      done(sentence);
    } catch (error) {
      const found = await refusalOf(error, approval.id);
      setRefusal(found);
      if (found.kind === "fields") {
        const pointers = pointersOf(found.fieldErrors);
        flushSync(() => state.refuse(pointers));
        focusField(column.current, Object.keys(pointers)[0]);
      }
      announce(`Not decided: ${found.message}`);
    } finally {
      setBusy(false);
    }
  };

  const showsNote = !isPhone || hasNote || mode !== "approve" || draft.note !== "";
  const focusNote = () => note.current?.focus();
  const start = (next: Mode) => {
    if (cannot !== undefined || expired) return;
    // The focus moves with the key itself: what is typed next is words, and no other key.
    flushSync(() => setMode(next));
    focusNote();
  };
  const soon = () => {
    approveSoon(approval, approveBody());
    onNext?.();
  };
  /** Sends what is on the screen. `again` is after a connection that was lost: only the answer says whether there is one now. */
  const submit = (again = false) => {
    if (isBusy || (blocked && !again)) return;
    if (mode === "reject") void send(() => reject(approval.runId, common), "rejected.");
    else if (mode === "changes") {
      if (text === undefined) focusNote();
      else void send(() => requestChanges(approval.runId, common), "changes are requested.");
    } else if (!state.isValid) focusField(column.current, Object.keys(state.problems)[0]);
    else if (isEdited) void send(() => approve(approval.runId, approveBody()), "approved with your edit. Final.");
    else soon();
  };

  useKeys({
    // An edited action is never approved by a single key.
    a: () => {
      if (!blocked && !isEdited && state.isValid && mode === "approve" && isWhole) soon();
    },
    e: () => focusField(column.current, undefined),
    r: () => start("reject"),
    c: () => {
      if (approval.canRequestChanges) start("changes");
    },
    "mod+Enter": () => submit(),
    Escape: () => {
      if (mode !== "approve") setMode("approve");
      else if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    },
  });

  return (
    <>
      <div className="action-scroll" ref={column}>
        {isSecond && firstName !== undefined && (
          <section className="votes">
            {votes.map((vote) => (
              <VoteView key={vote.actor} vote={vote} proposed={proposed} />
            ))}
          </section>
        )}
        <section>
          <header className="section-head">
            <h2>{isSecond ? "Action" : "Proposed action"}</h2>
            <span className="segmented side" role="group" aria-label="How to show the action">
              <button
                type="button"
                aria-pressed={!isJson}
                onClick={() => {
                  state.leaveJson();
                  setJson(state.problems.json !== undefined);
                }}
              >
                Form
              </button>
              <button type="button" aria-pressed={isJson} onClick={() => setJson(true)}>
                JSON
              </button>
            </span>
          </header>
          {isJson ? (
            <Suspense fallback={<Skeleton rows={6} label="Loading the editor" />}>
              <JsonEditor
                text={jsonText(state)}
                label="The action as JSON"
                readOnly={isSecond || cannot !== undefined}
                onChange={state.typeJson}
              />
              <JsonProblems problems={state.problems} />
            </Suspense>
          ) : (
            <ActionForm
              value={state.action}
              form={{
                proposed,
                schema: approval.overrideSchema,
                allowed: approval.allowedEdits,
                readOnly: isSecond || cannot !== undefined,
                texts: draft.texts,
                problems: state.problems,
                change: state.change,
                type: state.type,
                reset: state.reset,
              }}
            />
          )}
          {isSecond && (
            <p className="form-note">All approvals are for the same action, so there is nothing to edit here.</p>
          )}
        </section>
        {isEdited && <Changes before={base} after={state.action} clear={state.clear} />}
        {context}
        {isWhole ? (
          <Sent destinations={approval.destinations ?? []} bytes={bytes} />
        ) : (
          <Skeleton rows={2} label="Loading what will be sent" />
        )}
      </div>
      <footer className="action-foot">
        {refusal !== undefined && (
          <RefusalView
            refusal={refusal}
            approval={approval}
            base={base}
            onNext={onNext}
            onRetry={() => submit(true)}
            reload={() => setRefusal(undefined)}
          />
        )}
        {cannot !== undefined || expired ? (
          <p className="cannot">{expired ? "This approval has expired. What you typed is still here." : cannot}</p>
        ) : (
          refusal?.kind !== "lost" && (
            <>
              {showsNote && (
                <>
                  <div className="field-head">
                    <label htmlFor="note">
                      {mode === "changes" ? "What should change?" : mode === "reject" ? "Why is it rejected?" : "Note"}
                    </label>
                    <small>{mode === "changes" ? "the model reads this" : "kept with the decision"}</small>
                  </div>
                  <textarea
                    id="note"
                    ref={note}
                    rows={2}
                    maxLength={4000}
                    value={draft.note}
                    required={mode === "changes"}
                    onChange={(event) => state.setNote(event.target.value)}
                  />
                </>
              )}
              <div className="buttons">
                {mode === "approve" ? (
                  <>
                    <button
                      type="button"
                      className="button"
                      disabled={blocked}
                      aria-keyshortcuts="r"
                      onClick={() => start("reject")}
                    >
                      Reject <Kbd>r</Kbd>
                    </button>
                    {approval.canRequestChanges && (
                      <button
                        type="button"
                        className="button"
                        disabled={blocked}
                        aria-keyshortcuts="c"
                        onClick={() => start("changes")}
                      >
                        Request changes <Kbd>c</Kbd>
                      </button>
                    )}
                    <Menu approval={approval} note={text} onDone={() => done("handed on.")} />
                    <button
                      type="button"
                      className="button primary wide"
                      disabled={blocked || !isWhole}
                      aria-keyshortcuts={isEdited ? "Control+Enter" : "a"}
                      onClick={() => submit()}
                    >
                      {isBusy
                        ? "Sending…"
                        : isEdited
                          ? "Approve with your edit"
                          : firstName === undefined
                            ? "Approve"
                            : `Approve what ${firstName} approved`}{" "}
                      <Kbd>{isEdited ? `${MOD}↵` : "a"}</Kbd>
                    </button>
                  </>
                ) : (
                  <>
                    <button type="button" className="button" onClick={() => setMode("approve")}>
                      Back <Kbd>Esc</Kbd>
                    </button>
                    <button
                      type="button"
                      className={`button wide ${mode === "reject" ? "danger" : "primary"}`}
                      disabled={blocked || (mode === "changes" && text === undefined)}
                      onClick={() => submit()}
                    >
                      {isBusy ? "Sending…" : mode === "reject" ? "Reject" : "Request changes"} <Kbd>{MOD}↵</Kbd>
                    </button>
                  </>
                )}
              </div>
              <p className="foot-note">
                {footNote(approval, mode, isEdited, offline, votes.length)}
                {!showsNote && (
                  <button
                    type="button"
                    className="link"
                    onClick={() => {
                      flushSync(() => setHasNote(true));
                      focusNote();
                    }}
                  >
                    Add a note
                  </button>
                )}
              </p>
            </>
          )
        )}
      </footer>
    </>
  );
}

function footNote(approval: Approval, mode: Mode, isEdited: boolean, isOffline: boolean, votes: number): string {
  if (isOffline) return "You are offline. What you type is kept; nothing can be sent.";
  if (mode === "reject") return "Final once sent. The flow decides what happens after a rejection.";
  if (mode === "changes") return "The model drafts it again with your words, and it comes back for a decision.";
  const needed = typeof approval.requiredApprovals === "number" ? approval.requiredApprovals : undefined;
  const place =
    needed === undefined || needed < 2
      ? ""
      : votes + 1 < needed
        ? `${votes + 1} of ${needed}: nothing is sent yet. `
        : `The last of ${needed}: this sends it. `;
  return (
    place +
    (isEdited ? "Edited, so no single key. Final once sent." : "You can take it back for 5 seconds. Then it is final.")
  );
}

/** Returns why the reader may not decide; `undefined` if they may. */
function cannotDecide(approval: Approval, mine: boolean): string | undefined {
  if (mine) return "You have approved this. It waits for somebody else.";
  if (approval.canDecide) return undefined;
  return approval.cannotDecideBecause?.message ?? "You may read this, and not decide it.";
}

function useExpired(at: string): boolean {
  const [expired, setExpired] = useState(() => Date.parse(at) <= Date.now());
  useEffect(() => {
    const left = Date.parse(at) - Date.now();
    // A timer cannot be set further ahead than 24 days.
    if (left <= 0 || left > 2_000_000_000) return;
    const timer = setTimeout(() => {
      setExpired(true);
      announce("This approval has expired.");
    }, left);
    return () => clearTimeout(timer);
  }, [at]);
  return expired;
}

/** Puts the focus into a field of the form: the one at the pointer, or the first that can be edited. */
function focusField(column: HTMLElement | null, pointer: string | undefined): void {
  const exact =
    pointer === undefined ? null : column?.querySelector<HTMLElement>(`[data-pointer="${CSS.escape(pointer)}"]`);
  const field = exact ?? column?.querySelector<HTMLElement>("[aria-invalid=true], [data-pointer]");
  field?.focus();
  if (field instanceof HTMLInputElement) field.select();
}

function JsonProblems({ problems }: { problems: Record<string, string[]> }) {
  const entries = Object.entries(problems);
  if (entries.length === 0) return null;
  return (
    <ul className="problems" role="alert">
      {entries.flatMap(([pointer, texts]) =>
        texts.map((text) => (
          <li key={pointer + text} className="problem">
            {pointer !== "json" && pointer !== "" && <code>{pointer} </code>}
            {text}
          </li>
        )),
      )}
    </ul>
  );
}

function Changes({ before, after, clear }: { before: Json; after: Json; clear: () => void }) {
  const changed = differences(before, after).length;
  const total = Math.max(countLeaves(before), countLeaves(after), changed);
  return (
    <section aria-label="Difference">
      <header className="section-head">
        <h2>Difference</h2>
        <span className="meta">
          {changed} of {total} {total === 1 ? "field" : "fields"}
        </span>
        <button type="button" className="link side" onClick={clear}>
          Undo all edits
        </button>
      </header>
      <DiffView before={before} after={after} names={["proposed", "yours"]} />
    </section>
  );
}

type VoteProps = { vote: NonNullable<Approval["votes"]>[number]; proposed: Json };

function VoteView({ vote, proposed }: VoteProps) {
  const action = vote.action;
  const changed = action === undefined ? 0 : differences(proposed, action).length;
  const name = personName(vote.actor, vote.identity);
  const edits = changed === 0 ? "as proposed" : changed === 1 ? "with one edit" : `with ${changed} edits`;
  return (
    <div className="vote">
      <h2>
        {name} approved this, {edits}
      </h2>
      {vote.note !== null && <p className="quiet">“{vote.note}”</p>}
      {changed > 0 && <DiffView before={proposed} after={action} names={["proposed", name]} />}
    </div>
  );
}

interface RefusalProps {
  refusal: Refusal;
  approval: Approval;
  base: Json;
  onNext: Props["onNext"];
  onRetry: () => void;
  reload: () => void;
}

function RefusalView({ refusal, approval, base, onNext, onRetry, reload }: RefusalProps) {
  if (refusal.kind === "lost") {
    const decision = refusal.approval?.decision;
    const after = decision?.decidedAction;
    const next = () => {
      inbox.lost(approval);
      onNext?.();
    };
    return (
      <div className="refusal" role="alert">
        <h2>{refusal.approval === undefined ? refusal.message : endOf(refusal.approval)}</h2>
        {decision?.note !== null && decision?.note !== undefined && <p className="quiet">“{decision.note}”</p>}
        {after !== undefined && differences(base, after).length > 0 && (
          <DiffView before={base} after={after} names={["proposed", "decided"]} />
        )}
        <p className="quiet">Your decision was not recorded. What you typed is still here.</p>
        {onNext !== undefined && (
          <button type="button" className="button primary" onClick={next}>
            Next <Kbd>j</Kbd>
          </button>
        )}
      </div>
    );
  }
  if (refusal.kind === "changed") {
    const show = () => {
      if (refusal.approval !== undefined) client.setQueryData(approvalQuery(approval.id).queryKey, refusal.approval);
      else void client.invalidateQueries({ queryKey: ["approval", approval.id] });
      reload();
    };
    return (
      <div className="refusal" role="alert">
        <h2>This has changed since you opened it</h2>
        <p>
          {refusal.message}
          {refusal.changed.length > 0 && <>: {refusal.changed.join(", ")}</>}. Nothing was decided, and what you typed
          is kept.
        </p>
        {isObject(base) && refusal.approval?.proposedAction !== undefined && (
          <DiffView before={base} after={refusal.approval.proposedAction} names={["you saw", "now"]} />
        )}
        <button type="button" className="button primary" onClick={show}>
          Show what is there now
        </button>
      </div>
    );
  }
  return (
    <div className="refusal" role="alert">
      <p>{refusal.message}</p>
      {refusal.kind === "unknown" && (
        <button type="button" className="button" onClick={onRetry}>
          Send again
        </button>
      )}
    </div>
  );
}
