//! What a function declares about its endpoint.

use domain::access::{Bucket, Caller, Scope};

/// An endpoint that takes an API key.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// The name of the function, and of its folder, package and binary.
    pub name: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The path with its parameters, as in `template.yaml` and `openapi.yaml`.
    pub path: &'static str,
    /// The scope that the caller's key needs; none if every valid key may call.
    pub scope: Option<Scope>,
    /// The names of the query parameters, as in `openapi.yaml`. A request with any other one is refused.
    pub query: &'static [&'static str],
}

/// The endpoints that a caller with `approvals:decide` may call besides those that require it: this scope is enough to see approvals and to
/// decide them, and for nothing else.
const FOR_REVIEWERS: [&str; 5] = ["list-approvals", "get-approval", "list-decisions", "approve-run", "reject-run"];

/// The endpoints that a caller with `flows:write` may call besides those with the scope that they require.
const FOR_EDITORS: [&str; 1] = ["reassign-approval"];

impl Endpoint {
    /// Returns the scope that the caller would need and lacks; none if it may call.
    pub(crate) fn missing_scope(&self, caller: &Caller) -> Option<Scope> {
        let decides = || FOR_REVIEWERS.contains(&self.name) && caller.allows(Scope::ApprovalsDecide);
        let edits = || FOR_EDITORS.contains(&self.name) && caller.allows(Scope::FlowsWrite);
        self.scope.filter(|scope| !caller.allows(*scope) && !decides() && !edits())
    }

    /// Returns the rate limit bucket that calls of this endpoint count against.
    pub fn bucket(&self) -> Bucket {
        // A call that needs no scope counts as a call about runs: no key has a bucket of its own for it.
        Bucket::of(self.scope.unwrap_or(Scope::RunsRead), self.method != "GET")
    }
}

/// An endpoint that takes no API key. API Gateway throttles it, because there is no key to count calls on.
#[derive(Debug, Clone, Copy)]
pub struct PublicEndpoint {
    /// The name of the function, and of its folder, package and binary.
    pub name: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The path with its parameters, as in `template.yaml` and `openapi.yaml`.
    pub path: &'static str,
    /// The names of the query parameters, as in `openapi.yaml`. A request with any other one is refused.
    pub query: &'static [&'static str],
}
