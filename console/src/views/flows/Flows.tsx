import { useInfiniteQuery, useQueries } from "@tanstack/react-query";
import { listFlows } from "../../api/endpoints";
import { runsQuery } from "../../api/queries";
import type { FlowSummary } from "../../api/types";
import { Ago, Empty, Failure, Skeleton } from "../../components/basic";
import { Link } from "../../lib/router";
import { absoluteTime, shortDuration, useNow } from "../../lib/time";
import { Shell } from "../../shell/Shell";
import "../../styles/pages.css";

/** How many of the last runs the success rate is of. */
const LAST_RUNS = 20;

/** The flows: how each starts, when it is due, how its last runs ended. */
export default function FlowsView() {
  const list = useInfiniteQuery({
    queryKey: ["flows", "all"],
    queryFn: ({ pageParam, signal }) => listFlows(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.meta?.nextCursor ?? undefined,
  });
  const flows = list.data?.pages.flatMap((page) => page.data) ?? [];
  return (
    <Shell page="flows">
      <div className="page">
        <header className="page-head">
          <h1>Flows</h1>
        </header>
        {list.isPending ? (
          <Skeleton rows={6} label="Loading the flows" />
        ) : list.error !== null && flows.length === 0 ? (
          <Failure title="The flows could not be loaded" error={list.error} retry={() => void list.refetch()} />
        ) : flows.length === 0 ? (
          <Empty title="There are no flows yet">
            <p>A flow is made with the API, or from a file with qe.</p>
          </Empty>
        ) : (
          <Table flows={flows} />
        )}
        {list.hasNextPage && (
          <button type="button" className="button" onClick={() => void list.fetchNextPage()}>
            Show more
          </button>
        )}
      </div>
    </Shell>
  );
}

function Table({ flows }: { flows: readonly FlowSummary[] }) {
  const now = useNow();
  const runs = useQueries({
    queries: flows.slice(0, 30).map((flow) => ({ ...runsQuery(flow.slug, { limit: LAST_RUNS }), staleTime: 120_000 })),
  });
  return (
    <table className="rows">
      <thead>
        <tr>
          <th scope="col">Flow</th>
          <th scope="col">Starts by</th>
          <th scope="col">Next</th>
          <th scope="col">Last runs</th>
          <th scope="col">Version</th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {flows.map((flow, index) => {
          const last = runs[index]?.data?.data;
          const ended = last?.filter((run) => run.status === "succeeded" || run.status === "failed") ?? [];
          const good = ended.filter((run) => run.status === "succeeded").length;
          return (
            <tr key={flow.id}>
              <th scope="row">
                <Link to={`flows/${flow.slug}`}>{flow.name}</Link>
                {flow.description !== "" && <small>{flow.description}</small>}
              </th>
              <td>
                {flow.triggerType === "cron" ? "schedule" : flow.triggerType === "webhook" ? "webhook" : "API"}
                {flow.cronExpression !== undefined && (
                  <small>
                    <code>{flow.cronExpression}</code> {flow.cronTimezone}
                  </small>
                )}
              </td>
              <td className="nowrap">
                {flow.nextCronRunAt !== undefined && (
                  <time dateTime={flow.nextCronRunAt} title={absoluteTime(Date.parse(flow.nextCronRunAt))}>
                    in {shortDuration(Date.parse(flow.nextCronRunAt) - now)}
                  </time>
                )}
              </td>
              <td className="nowrap">
                {ended.length > 0
                  ? `${good} of ${ended.length} succeeded`
                  : last === undefined
                    ? ""
                    : last.length === 0
                      ? "none"
                      : "none has ended"}
                {last?.[0] !== undefined && (
                  <small>
                    <Ago at={last[0].startedAt} />
                  </small>
                )}
              </td>
              <td>v{flow.version}</td>
              <td>{flow.status}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
