//! The states of runs and nodes, what starts a run, and how an approval ends.

word_enum!(
    /// The state of a run.
    RunStatus {
        /// Nodes run, or the run waits for a time.
        Running = "running",
        /// At least one gate is open.
        AwaitingApproval = "awaiting_approval",
        /// Every node that had to run has succeeded.
        Succeeded = "succeeded",
        /// A node failed without a route for its error, or an approval was rejected and its policy is `fail`.
        Failed = "failed",
        /// An actor cancelled the run.
        Cancelled = "cancelled",
    }
);

impl RunStatus {
    /// Returns whether the run has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

word_enum!(
    /// What started a run.
    Trigger {
        /// A call of `execute`.
        Manual = "manual",
        /// A signed call of an inbound webhook.
        Webhook = "webhook",
        /// A schedule.
        Cron = "cron",
    }
);

word_enum!(
    /// The state of a node in a run, as the public contract names it.
    NodeStatus {
        /// A node upstream has not finished.
        Pending = "pending",
        /// An attempt is under way, or the next attempt is due later.
        Running = "running",
        /// The gate of the node is open.
        AwaitingApproval = "awaiting_approval",
        /// The node has finished.
        Succeeded = "succeeded",
        /// All attempts failed, or the approval was rejected.
        Failed = "failed",
        /// The run ended before the node did.
        Cancelled = "cancelled",
        /// The node is on a branch that was not taken.
        Skipped = "skipped",
    }
);

impl NodeStatus {
    /// Returns whether nothing more happens to the node.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Skipped)
    }
}

word_enum!(
    /// How a gate was decided.
    Verdict {
        /// The action may be executed, as proposed or as overridden.
        Approved = "approved",
        /// The action may not be executed.
        Rejected = "rejected",
        /// The deadline passed without a decision. This is not a rejection: no reviewer said no.
        Expired = "expired",
    }
);
