import { useInfiniteQuery } from "@tanstack/react-query";
import { listRuns } from "../../api/endpoints";
import type { RunStatus, RunSummary } from "../../api/types";
import { Ago, Empty, Failure, Skeleton } from "../../components/basic";
import { abbreviate } from "../../lib/format";
import { Link, setQuery, useLocation } from "../../lib/router";
import { exactDuration } from "../../lib/time";

const STATES: readonly RunStatus[] = ["running", "awaiting_approval", "succeeded", "failed", "cancelled"];
const TRIGGERS = ["manual", "webhook", "cron"] as const;

/** The runs of a flow, with every filter that the API has. */
export function FlowRuns({ slug }: { slug: string }) {
  const { query } = useLocation();
  const status = STATES.find((state) => state === query.get("status"));
  const trigger = TRIGGERS.find((one) => one === query.get("trigger"));
  const day = (name: string, end: boolean) => {
    const text = query.get(name);
    return text === null ? undefined : new Date(`${text}T${end ? "23:59:59.999" : "00:00:00"}`).toISOString();
  };
  const filters = { status, trigger, from: day("from", false), to: day("to", true) };
  const list = useInfiniteQuery({
    queryKey: ["runs", slug, "all", filters],
    queryFn: ({ pageParam, signal }) => listRuns(slug, { ...filters, limit: 50, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.meta?.nextCursor ?? undefined,
  });
  const rows = list.data?.pages.flatMap((page) => page.data) ?? [];
  const field = (name: string) => ({
    value: query.get(name) ?? "",
    onChange: (event: { target: { value: string } }) => setQuery({ [name]: event.target.value }),
  });
  return (
    <>
      <form className="filter-row" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          State
          <select {...field("status")}>
            <option value="">all</option>
            {STATES.map((state) => (
              <option key={state} value={state}>
                {state.replace("_", " ")}
              </option>
            ))}
          </select>
        </label>
        <label>
          Started by
          <select {...field("trigger")}>
            <option value="">anything</option>
            {TRIGGERS.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
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
        <Skeleton rows={6} label="Loading the runs" />
      ) : list.error !== null && rows.length === 0 ? (
        <Failure title="The runs could not be loaded" error={list.error} retry={() => void list.refetch()} />
      ) : rows.length === 0 ? (
        <Empty title="No run matches" />
      ) : (
        <Table rows={rows} />
      )}
      {list.hasNextPage && (
        <button type="button" className="button" onClick={() => void list.fetchNextPage()}>
          Show more
        </button>
      )}
    </>
  );
}

function Table({ rows }: { rows: readonly RunSummary[] }) {
  return (
    <table className="rows">
      <thead>
        <tr>
          <th scope="col">Run</th>
          <th scope="col">State</th>
          <th scope="col">Started</th>
          <th scope="col">By</th>
          <th scope="col">Took</th>
          <th scope="col">Version</th>
          <th scope="col">Error</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((run) => (
          <tr key={run.id}>
            <th scope="row">
              <Link to={`runs/${run.id}`}>
                <code>{abbreviate(run.id, 12, 8)}</code>
              </Link>
            </th>
            <td className={run.status === "succeeded" ? "good" : run.status === "failed" ? "bad" : ""}>
              {run.status.replace("_", " ")}
            </td>
            <td className="nowrap">
              <Ago at={run.startedAt} />
            </td>
            <td>{run.trigger}</td>
            <td className="nowrap">
              {run.finishedAt === undefined
                ? ""
                : exactDuration(Date.parse(run.finishedAt) - Date.parse(run.startedAt))}
            </td>
            <td>v{run.flowVersion}</td>
            <td className="note">{run.error?.message}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
