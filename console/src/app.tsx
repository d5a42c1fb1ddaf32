import { QueryClientProvider, useQuery } from "@tanstack/react-query";
import { Component, lazy, type ReactNode, Suspense, useEffect } from "react";
import { ApiError } from "./api/client";
import { useConnection } from "./api/connection";
import { client, meQuery } from "./api/queries";
import { Empty, Failure, Skeleton } from "./components/basic";
import { Link, useLocation } from "./lib/router";
import { SessionOver, SignIn } from "./shell/SignIn";
import { Shell } from "./shell/Shell";
import { ApprovalPage } from "./views/decision/ApprovalPage";
import { InboxView } from "./views/inbox/Inbox";

const SeveralView = lazy(() => import("./views/bulk/Several"));
const DecisionsView = lazy(() => import("./views/decisions/Decisions"));
const RunView = lazy(() => import("./views/run/RunView"));
const FlowsView = lazy(() => import("./views/flows/Flows"));
const FlowView = lazy(() => import("./views/flows/FlowView"));

export function App() {
  return (
    <QueryClientProvider client={client}>
      <div id="announcer" className="sr-only" role="status" aria-live="polite" />
      <Guard>
        <Session />
      </Guard>
    </QueryClientProvider>
  );
}

function Session() {
  const me = useQuery(meQuery);
  const { sessionIsOver } = useConnection();
  if (me.data === undefined) {
    if (me.error === null) return <Skeleton rows={6} label="Loading" />;
    if (me.error instanceof ApiError && (me.error.status === 401 || me.error.status === 404)) return <SignIn />;
    return <Failure title="The console cannot reach its service" error={me.error} retry={() => void me.refetch()} />;
  }
  return (
    <>
      <Suspense fallback={<Skeleton rows={6} label="Loading" />}>
        <View />
      </Suspense>
      {sessionIsOver && <SessionOver />}
    </>
  );
}

function View() {
  const { path } = useLocation();
  const [first = "", second, third] = path.split("/").map(decodeURIComponent);
  useEffect(() => {
    if (first !== "") document.title = `${first.charAt(0).toUpperCase()}${first.slice(1)} · Runs`;
  }, [first]);
  if (first === "") return <InboxView />;
  if (first === "several") return <SeveralView />;
  if (first === "approvals" && second !== undefined) return <ApprovalPage key={second} approvalId={second} />;
  if (first === "runs" && second !== undefined) return <RunView key={second} runId={second} />;
  if (first === "decisions") return <DecisionsView />;
  if (first === "flows" && second === undefined) return <FlowsView />;
  if (first === "flows" && second !== undefined) return <FlowView key={second} slug={second} tab={third ?? "graph"} />;
  return (
    <Shell page="inbox">
      <Empty title="There is no such page">
        <p>
          <Link to="">To the inbox</Link>
        </p>
      </Empty>
    </Shell>
  );
}

/** A defect of the page itself: what was typed is in the drafts. */
class Guard extends Component<{ children: ReactNode }, { error: Error | undefined }> {
  override state: { error: Error | undefined } = { error: undefined };
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  override render() {
    if (this.state.error === undefined) return this.props.children;
    return <Failure title="The console has a defect" error={this.state.error} retry={() => window.location.reload()} />;
  }
}
