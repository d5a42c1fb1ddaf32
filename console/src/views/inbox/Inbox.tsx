import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useConnection } from "../../api/connection";
import { approvalQuery, client, decisionsQuery, meQuery, runQuery } from "../../api/queries";
import type { Approval } from "../../api/types";
import { CopyButton, Dialog, Empty, Failure, Kbd, Skeleton } from "../../components/basic";
import { Icon } from "../../components/Icon";
import { abbreviate, plural } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { useMedia } from "../../lib/media";
import { addressOf, Link, navigate, setQuery, useLocation } from "../../lib/router";
import { clockTime, dayAndTime, useNow } from "../../lib/time";
import { Shell } from "../../shell/Shell";
import { Decision } from "../decision/Decision";
import { List } from "./List";
import { PendingBar } from "./PendingBar";
import { takeBack } from "./pending";
import { arranged, type Count, countByAssignee, countByFlow, type Filters, flowName, type Sort } from "./rows";
import { select, toggle, useSelection } from "./selection";
import { useInbox } from "./store";
import { usePoll } from "./usePoll";

const SORTS: readonly Sort[] = ["deadline", "age", "flow"];

/** What the reader can decide: the list and one approval, side by side. */
export function InboxView() {
  const { query } = useLocation();
  const me = useQuery(meQuery).data;
  const state = useInbox();
  const selection = useSelection();
  const wide = useMedia("(min-width: 900px)");
  const search = useRef<HTMLInputElement>(null);

  const filters: Filters = {
    assignee: query.get("assignee") ?? "",
    flow: query.get("flow") ?? "",
    search: query.get("q") ?? "",
    sort: SORTS.find((sort) => sort === query.get("sort")) ?? "deadline",
  };
  const open = [...state.rows.values()];
  const shown = useMemo(() => {
    const rows = new Map(state.rows);
    for (const [id, gone] of state.gone) rows.set(id, gone.row);
    return arranged(rows.values(), filters, me?.actor);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [state.rows, state.gone, filters.assignee, filters.flow, filters.search, filters.sort, me?.actor]);
  const live = useMemo(() => shown.filter((row) => !state.gone.has(row.id)), [shown, state.gone]);

  const wanted = query.get("open") ?? undefined;
  const openId = wanted ?? (wide ? live[0]?.id : undefined);
  const index = live.findIndex((row) => row.id === openId);
  const row = index < 0 ? undefined : live[index];
  usePoll(openId);
  useTitle(open.length);

  // What is open is named in the address, so that it stays open when a more urgent one comes in.
  useEffect(() => {
    if (wide && wanted === undefined && openId !== undefined) setQuery({ open: openId });
  }, [wide, wanted, openId]);

  const show = useCallback((approval: Approval | undefined) => setQuery({ open: approval?.id }), []);
  const last = useRef(0);
  useEffect(() => {
    if (index >= 0) last.current = index;
  }, [index]);
  const step = (by: number) => {
    const from = index < 0 ? last.current - (by > 0 ? 1 : 0) : index;
    const next = live[Math.max(0, Math.min(live.length - 1, from + by))];
    if (next !== undefined) show(next);
  };
  // After a decision the row is gone: the one that takes its place is next.
  const next = () => {
    const following = live[index + 1] ?? live[index - 1];
    show(following?.id === openId ? undefined : following);
  };
  const back = (approvalId: string) => setQuery({ open: approvalId });

  // The neighbours are read ahead, so that `j` never waits.
  const ahead = [live[index + 1], live[index - 1]]
    .filter((one) => one !== undefined)
    .map((one) => `${one.id} ${one.runId}`)
    .join(",");
  useEffect(() => {
    const timer = setTimeout(() => {
      for (const [approvalId = "", runId = ""] of ahead
        .split(",")
        .filter(Boolean)
        .map((pair) => pair.split(" "))) {
        client.query(approvalQuery(approvalId)).catch(() => undefined);
        client.query(runQuery(runId)).catch(() => undefined);
      }
    }, 150);
    return () => clearTimeout(timer);
  }, [ahead]);

  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    z: () => {
      const approval = takeBack();
      if (approval !== undefined) back(approval.id);
    },
    x: () => {
      if (openId !== undefined && row !== undefined) toggle(openId);
    },
    "/": () => search.current?.focus(),
    Enter: () => document.querySelector<HTMLElement>(".decision .pane")?.focus(),
    o: () => document.querySelector<HTMLElement>(".decision .pane")?.focus(),
  });

  const isList = wide || wanted === undefined;
  const isDetail = wide || wanted !== undefined;
  return (
    <Shell
      page="inbox"
      inboxCount={open.length}
      aside={<Groups rows={open} filters={filters} actor={me?.actor} />}
      hideNav={!isList}
    >
      <div className={`inbox ${isList ? "" : "detail-only"}`}>
        {isList && (
          <section className="list-column" aria-label="Inbox">
            <ListHead
              count={live.length}
              complete={state.complete}
              filters={filters}
              rows={open}
              actor={me?.actor}
              search={search}
            />
            <OfflineLine />
            {state.status === "loading" ? (
              <Skeleton rows={10} label="Loading the inbox" />
            ) : state.status === "error" ? (
              <Failure title="The inbox could not be loaded" error={state.error} />
            ) : shown.length === 0 ? (
              <Nothing hasFilters={open.length > 0} actor={me?.actor} />
            ) : (
              <List rows={shown} gone={state.gone} sort={filters.sort} openId={openId} me={me} onOpen={show} />
            )}
            {selection.size > 0 && <SelectionBar count={selection.size} />}
            <PendingBar onBack={back} />
          </section>
        )}
        {isDetail && (
          <section className="detail" aria-label="Approval">
            {openId === undefined ? (
              state.status === "ready" && <Empty title="Nothing is open" />
            ) : (
              <>
                <DetailHead
                  approval={row}
                  id={openId}
                  place={index < 0 ? undefined : [index + 1, live.length]}
                  step={step}
                  wide={wide}
                />
                <Decision key={openId} approvalId={openId} row={row} onNext={next} />
              </>
            )}
            {!isList && <PendingBar onBack={back} />}
          </section>
        )}
      </div>
    </Shell>
  );
}

function useTitle(count: number): void {
  useEffect(() => {
    document.title = count > 0 ? `Inbox (${count}) · Runs` : "Inbox · Runs";
  }, [count]);
}

function OfflineLine() {
  const { offlineSince } = useConnection();
  if (offlineSince === undefined) return null;
  return (
    <p className="offline" role="status">
      Offline since {clockTime(offlineSince)}. What you see may be decided already.
    </p>
  );
}

interface HeadProps {
  count: number;
  complete: boolean;
  filters: Filters;
  rows: readonly Approval[];
  actor: string | undefined;
  search: React.RefObject<HTMLInputElement | null>;
}

function ListHead({ count, complete, filters, rows, actor, search }: HeadProps) {
  const [isFiltering, setFiltering] = useState(false);
  const active = [filters.assignee, filters.flow].filter((filter) => filter !== "").length;
  return (
    <header className="list-bar">
      <div className="bar">
        <h1>
          Inbox{" "}
          <span className="count">
            {complete ? count.toLocaleString("en-GB") : `${count.toLocaleString("en-GB")}…`}
          </span>
        </h1>
        <label className="sort">
          <span className="sr-only">Sort by</span>
          <select
            value={filters.sort}
            onChange={(event) => setQuery({ sort: event.target.value === "deadline" ? undefined : event.target.value })}
          >
            <option value="deadline">Deadline</option>
            <option value="age">Age</option>
            <option value="flow">Flow</option>
          </select>
        </label>
        <button type="button" className="bar-button filter-button" onClick={() => setFiltering(true)}>
          Filter{active > 0 && ` (${active})`}
        </button>
      </div>
      <div className="search">
        <Icon name="search" />
        <input
          ref={search}
          type="search"
          aria-label="Search labels"
          placeholder="Search labels"
          value={filters.search}
          onChange={(event) => setQuery({ q: event.target.value })}
          onKeyDown={(event) => {
            if (event.key === "Escape") event.currentTarget.blur();
          }}
        />
        <Kbd>/</Kbd>
      </div>
      {isFiltering && (
        <Dialog title="Filter" onClose={() => setFiltering(false)} className="filters">
          <Groups rows={rows} filters={filters} actor={actor} />
          <div className="buttons">
            <button type="button" className="button primary wide" onClick={() => setFiltering(false)}>
              Show {plural(count, "approval")}
            </button>
          </div>
        </Dialog>
      )}
    </header>
  );
}

/** The counts by assignee and by flow; each is a filter. */
function Groups({ rows, filters, actor }: { rows: readonly Approval[]; filters: Filters; actor: string | undefined }) {
  const all: Count = { key: "", label: "All I can decide", count: rows.length };
  return (
    <>
      <Group
        name="Assigned to"
        parameter="assignee"
        value={filters.assignee}
        counts={[all, ...countByAssignee(rows, actor)]}
      />
      <Group name="Flow" parameter="flow" value={filters.flow} counts={countByFlow(rows)} />
    </>
  );
}

function Group({
  name,
  parameter,
  value,
  counts,
}: {
  name: string;
  parameter: string;
  value: string;
  counts: readonly Count[];
}) {
  if (counts.length === 0) return null;
  return (
    <div className="nav-group" role="group" aria-label={name}>
      <h2>{name}</h2>
      {counts.map((count) => (
        <button
          key={count.key}
          type="button"
          aria-pressed={value === count.key}
          onClick={() => setQuery({ [parameter]: value === count.key ? undefined : count.key, open: undefined })}
        >
          <span>{count.label}</span>
          <span className="count">{count.count.toLocaleString("en-GB")}</span>
        </button>
      ))}
    </div>
  );
}

function Nothing({ hasFilters, actor }: { hasFilters: boolean; actor: string | undefined }) {
  const last = useQuery({ ...decisionsQuery({ actor, limit: 1 }), enabled: actor !== undefined }).data?.data[0];
  const now = useNow();
  if (hasFilters) {
    return (
      <Empty title="Nothing matches">
        <button
          type="button"
          className="link"
          onClick={() => setQuery({ q: undefined, flow: undefined, assignee: undefined })}
        >
          Show everything
        </button>
      </Empty>
    );
  }
  return (
    <Empty title="Nothing waits for you">
      {last !== undefined && <p>Your last decision: {dayAndTime(Date.parse(last.decidedAt), now)}.</p>}
      <p>
        <Link to="decisions">Decisions</Link>
      </p>
    </Empty>
  );
}

function SelectionBar({ count }: { count: number }) {
  useKeys({ Escape: () => select([]) });
  return (
    <div className="selection-bar">
      <span>{count} selected</span>
      <button type="button" className="link" onClick={() => select([])}>
        Clear <Kbd>Esc</Kbd>
      </button>
      <button type="button" className="button primary" onClick={() => navigate("several")}>
        Decide together…
      </button>
    </div>
  );
}

interface DetailHeadProps {
  approval: Approval | undefined;
  id: string;
  place: readonly [number, number] | undefined;
  step: (by: number) => void;
  wide: boolean;
}

function DetailHead({ approval, id, place, step, wide }: DetailHeadProps) {
  return (
    <div className="bar detail-bar">
      {!wide && (
        <button type="button" className="back" onClick={() => setQuery({ open: undefined })}>
          <Icon name="back" /> Inbox
        </button>
      )}
      {wide && approval !== undefined && (
        <p className="crumbs">
          <Link to={`flows/${approval.flow?.slug ?? approval.flowId}`}>{flowName(approval)}</Link>
          {approval.flow?.version !== undefined && <span className="meta">v{approval.flow.version}</span>}
          <span className="slash">{approval.nodeId}</span>
          <span className="slash">
            <Link to={`runs/${approval.runId}`}>
              <code>{abbreviate(approval.runId, 10, 6)}</code>
            </Link>
          </span>
        </p>
      )}
      <span className="place">
        {place !== undefined && (
          <>
            {place[0].toLocaleString("en-GB")} of {place[1].toLocaleString("en-GB")}
          </>
        )}
        <button type="button" className="key-button" aria-label="Previous approval" onClick={() => step(-1)}>
          {wide ? <Kbd>k</Kbd> : <Icon name="back" />}
        </button>
        <button type="button" className="key-button" aria-label="Next approval" onClick={() => step(1)}>
          {wide ? <Kbd>j</Kbd> : <Icon name="chevron" />}
        </button>
        {wide && <CopyButton text={addressOf(`approvals/${id}`)} label="Copy link" />}
      </span>
    </div>
  );
}
