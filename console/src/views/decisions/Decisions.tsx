import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { type DecisionFilters, listDecisions } from "../../api/endpoints";
import { flowsQuery, meQuery } from "../../api/queries";
import type { DecisionRow } from "../../api/types";
import { Empty, Failure, Skeleton } from "../../components/basic";
import { Icon } from "../../components/Icon";
import { abbreviate, personName, plural } from "../../lib/format";
import { Link, setQuery, useLocation } from "../../lib/router";
import { absoluteTime, dayAndTime, useNow } from "../../lib/time";
import { Shell } from "../../shell/Shell";
import { csvOf, save } from "./csv";
import "../../styles/pages.css";

const ROWS = 100;

/** Who decided what: by actor, flow, time, verdict, edited or not; and an export. */
export default function DecisionsView() {
  const { query } = useLocation();
  const me = useQuery(meQuery).data;
  const flows = useQuery(flowsQuery).data?.data ?? [];
  const day = (name: string, end: boolean) => {
    const text = query.get(name);
    return text === null ? undefined : new Date(`${text}T${end ? "23:59:59.999" : "00:00:00"}`).toISOString();
  };
  const filters: DecisionFilters = {
    actor: query.get("actor") ?? undefined,
    flow: query.get("flow") ?? undefined,
    verdict: query.get("verdict") ?? undefined,
    edited: query.get("edited") ?? undefined,
    from: day("from", false),
    to: day("to", true),
  };
  const list = useInfiniteQuery({
    queryKey: ["decisions", "all", filters],
    queryFn: ({ pageParam, signal }) => listDecisions({ ...filters, limit: ROWS, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.meta?.nextCursor ?? undefined,
  });
  const rows = list.data?.pages.flatMap((page) => page.data) ?? [];
  const hasFilters = ["actor", "flow", "verdict", "edited", "from", "to"].some((name) => query.has(name));
  const field = (name: string) => ({
    value: query.get(name) ?? "",
    onChange: (event: { target: { value: string } }) => setQuery({ [name]: event.target.value }),
  });
  return (
    <Shell page="decisions">
      <div className="page">
        <header className="page-head">
          <h1>Decisions</h1>
          <button
            type="button"
            className="button"
            disabled={rows.length === 0}
            onClick={() => save("decisions.csv", csvOf(rows))}
          >
            <Icon name="download" /> {list.hasNextPage ? `Export these ${rows.length}` : "Export"}
          </button>
        </header>
        <form className="filter-row" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
          <label>
            By
            <select {...field("actor")}>
              <option value="">anybody</option>
              {me !== undefined && <option value={me.actor}>me</option>}
              {[
                ...new Map(
                  rows
                    .filter((row) => row.actor !== me?.actor)
                    .map((row) => [row.actor ?? "", personName(row.actor, row.identity)]),
                ),
              ]
                .filter(([actor]) => actor !== "")
                .map(([actor, name]) => (
                  <option key={actor} value={actor}>
                    {name}
                  </option>
                ))}
              {query.get("actor") !== null &&
                query.get("actor") !== me?.actor &&
                !rows.some((row) => row.actor === query.get("actor")) && (
                  <option value={query.get("actor") ?? ""}>{query.get("actor")}</option>
                )}
            </select>
          </label>
          <label>
            Flow
            <select {...field("flow")}>
              <option value="">all</option>
              {flows.map((flow) => (
                <option key={flow.id} value={flow.slug}>
                  {flow.name}
                </option>
              ))}
              {query.get("flow") !== null && !flows.some((flow) => flow.slug === query.get("flow")) && (
                <option value={query.get("flow") ?? ""}>{query.get("flow")}</option>
              )}
            </select>
          </label>
          <label>
            Verdict
            <select {...field("verdict")}>
              <option value="">all</option>
              <option value="approved">approved</option>
              <option value="rejected">rejected</option>
              <option value="expired">expired</option>
            </select>
          </label>
          <label>
            Edited
            <select {...field("edited")}>
              <option value="">either</option>
              <option value="true">with an edit</option>
              <option value="false">as proposed</option>
            </select>
          </label>
          <label>
            From
            <input type="date" {...field("from")} />
          </label>
          <label>
            To
            <input type="date" {...field("to")} />
          </label>
        </form>
        {list.isPending ? (
          <Skeleton rows={8} label="Loading the decisions" />
        ) : list.error !== null && rows.length === 0 ? (
          <Failure title="The decisions could not be loaded" error={list.error} retry={() => void list.refetch()} />
        ) : rows.length === 0 ? (
          <Empty title={hasFilters ? "No decision matches" : "Nothing has been decided yet"} />
        ) : (
          <Table rows={rows} you={me?.actor} names={new Map(flows.map((flow) => [flow.slug, flow.name]))} />
        )}
        {list.hasNextPage && (
          <button
            type="button"
            className="button"
            disabled={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            {list.isFetchingNextPage ? "Loading…" : "Show more"}
          </button>
        )}
        {rows.length > 0 && !list.hasNextPage && <p className="quiet">{plural(rows.length, "decision")}</p>}
      </div>
    </Shell>
  );
}

function Table({
  rows,
  you,
  names,
}: {
  rows: readonly DecisionRow[];
  you: string | undefined;
  names: ReadonlyMap<string, string>;
}) {
  const now = useNow();
  return (
    <table className="rows">
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">What</th>
          <th scope="col">Flow</th>
          <th scope="col">Verdict</th>
          <th scope="col">By</th>
          <th scope="col">Note</th>
          <th scope="col">SHA-256</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.approvalId}>
            <td className="nowrap">
              <time dateTime={row.decidedAt} title={absoluteTime(Date.parse(row.decidedAt))}>
                {dayAndTime(Date.parse(row.decidedAt), now)}
              </time>
            </td>
            <th scope="row">
              <Link to={`approvals/${row.approvalId}`}>{row.actionLabel}</Link>
            </th>
            <td>
              <Link to={`flows/${row.flow.slug}`}>{names.get(row.flow.slug) ?? row.flow.slug}</Link>
              <span className="meta"> v{row.flow.version}</span>
            </td>
            <td className={row.verdict === "rejected" ? "bad" : ""}>
              {row.verdict === "approved" && row.edited ? <b className="edited">edited</b> : row.verdict}
            </td>
            <td>
              {row.actor === you && you !== undefined
                ? "you"
                : row.actor === null || row.actor === undefined
                  ? ""
                  : personName(row.actor, row.identity)}
            </td>
            <td className="note">{row.note}</td>
            <td>
              <code title={row.decidedSha256}>{abbreviate(row.decidedSha256)}</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
