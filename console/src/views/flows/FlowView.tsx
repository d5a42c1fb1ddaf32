import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { flowQuery, meQuery } from "../../api/queries";
import type { Flow } from "../../api/types";
import { Failure, Fold, Skeleton } from "../../components/basic";
import { writeJson } from "../../lib/json";
import { Link, setQuery, useLocation } from "../../lib/router";
import { Shell } from "../../shell/Shell";
import { FlowRuns } from "./FlowRuns";
import { StartRun } from "./StartRun";
import "../../styles/pages.css";

const Graph = lazy(() => import("../run/Graph"));

const TABS = [
  ["graph", "Graph"],
  ["runs", "Runs"],
] as const;

/** One flow: its graph, its runs, and a form to start one. */
export default function FlowView({ slug, tab }: { slug: string; tab: string }) {
  const query = useQuery(flowQuery(slug));
  const flow = query.data;
  return (
    <Shell page="flows">
      {flow === undefined ? (
        query.error === null ? (
          <Skeleton rows={6} label="Loading the flow" />
        ) : (
          <Failure title="The flow could not be loaded" error={query.error} retry={() => void query.refetch()} />
        )
      ) : (
        <Loaded flow={flow} tab={tab} />
      )}
    </Shell>
  );
}

function Loaded({ flow, tab }: { flow: Flow; tab: string }) {
  const me = useQuery(meQuery).data;
  const [isStarting, setStarting] = useState(false);
  const mayStart =
    (me?.scopes.some((scope) => scope === "runs:write" || scope === "write") ?? false) && flow.status === "active";
  return (
    <>
      <div className="bar flow-bar">
        <p className="crumbs">
          <Link to="flows">Flows</Link>
          <span className="slash">{flow.name}</span>
          <span className="meta">v{flow.version}</span>
        </p>
        <nav className="tabs" aria-label="Of this flow">
          {TABS.map(([name, label]) => (
            <Link
              key={name}
              to={`flows/${flow.slug}${name === "graph" ? "" : `/${name}`}`}
              aria-current={name === tab ? "page" : undefined}
            >
              {label}
            </Link>
          ))}
          <Link to={`decisions?flow=${flow.slug}`}>Decisions</Link>
        </nav>
        {mayStart && (
          <button type="button" className="button push" onClick={() => setStarting(true)}>
            Start a run…
          </button>
        )}
      </div>
      <div className="page">
        <h1>{flow.name}</h1>
        {flow.description !== "" && <p className="lead">{flow.description}</p>}
        {tab === "runs" ? <FlowRuns slug={flow.slug} /> : <Picture flow={flow} />}
      </div>
      {isStarting && <StartRun flow={flow} onClose={() => setStarting(false)} />}
    </>
  );
}

function Picture({ flow }: { flow: Flow }) {
  const { query } = useLocation();
  const node = flow.spec.nodes.find((one) => one.id === query.get("node"));
  return (
    <>
      <section className="run-graph" aria-label="Graph">
        <Suspense fallback={<Skeleton rows={4} label="Loading the graph" />}>
          <Graph spec={flow.spec} selected={node?.id} onSelect={(nodeId) => setQuery({ node: nodeId })} />
        </Suspense>
      </section>
      {node !== undefined && (
        <section aria-label={`Step ${node.id}`}>
          <header className="section-head">
            <h2>{node.id}</h2>
            <span className="meta">{node.type}</span>
          </header>
          <pre className="bytes" tabIndex={0}>
            {writeJson(node, 2)}
          </pre>
        </section>
      )}
      <Fold summary="The whole definition" side={`version ${flow.version}`}>
        <pre className="bytes" tabIndex={0}>
          {writeJson(flow.spec, 2)}
        </pre>
      </Fold>
    </>
  );
}
