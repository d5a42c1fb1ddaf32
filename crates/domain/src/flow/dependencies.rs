//! What a flow needs of its organisation: services that are registered, and actors who decide.

use super::node::NodeKind;
use super::spec::{NodeIx, Spec};
use crate::access::Assignee;
use crate::name::ServiceSlug;

/// What a spec names outside of itself, each with its JSON path. It may be there later, so that it is missing keeps no flow from being saved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// The services that are called, by `service_call` nodes and as tools of models.
    pub services: Vec<(String, ServiceSlug)>,
    /// Who decides on approvals, where that does not depend on the run.
    pub reviewers: Vec<Reviewers>,
}

/// Who decides on one approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewers {
    /// The JSON path of `assignTo`.
    pub path: String,
    /// The role, the team or the user.
    pub assignee: Assignee,
    /// How many different actors have to approve.
    pub required: u32,
}

impl Spec {
    /// Returns what the spec names outside of itself.
    pub fn dependencies(&self) -> Dependencies {
        let mut found = Dependencies::default();
        for (at, node) in (0..self.len()).map(|at| (at, self.node(NodeIx::new(at)))) {
            let path = format!("spec.nodes[{at}]");
            match &node.kind {
                NodeKind::Service(call) => found.services.push((format!("{path}.service"), call.service.clone())),
                NodeKind::Llm(step) => {
                    let tools = step.tools.iter().enumerate();
                    found.services.extend(tools.map(|(number, tool)| (format!("{path}.tools[{number}].slug"), tool.slug.clone())));
                }
                NodeKind::Approval(gate) => {
                    let assignee = gate.assign_to.as_ref().and_then(|text| text.literal()).and_then(|text| text.parse().ok());
                    let reviewers = assignee.map(|assignee| Reviewers {
                        path: format!("{path}.assignTo"),
                        assignee,
                        required: gate.required_approvals,
                    });
                    found.reviewers.extend(reviewers);
                }
                _ => {}
            }
        }
        found
    }
}
