//! The commands for runs and approvals.

use clap::{Args, Subcommand, ValueEnum};

use super::Paging;

/// The commands for runs.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Start a run.
    Start {
        /// Id or slug of the flow.
        flow: String,
        /// The input: JSON, `@file`, or `-` for standard input.
        #[arg(long, default_value = "{}")]
        input: String,
        /// A key that returns the same run for 24 hours.
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
        /// Follow the run until it ends.
        #[arg(long)]
        watch: bool,
    },
    /// List the runs of a flow, newest first.
    List {
        /// Id or slug of the flow.
        flow: String,
        /// Only with this status.
        #[arg(long)]
        status: Option<Status>,
        /// Only with this trigger.
        #[arg(long)]
        trigger: Option<Trigger>,
        /// Only created then or later (RFC 3339).
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Only created before (RFC 3339).
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a run: its steps, what was approved, how it ended.
    Show {
        /// The run.
        run: String,
    },
    /// Follow a run until it ends.
    Watch(WatchArgs),
    /// Approve an open approval, as proposed or with an override.
    Approve {
        #[command(flatten)]
        gate: GateArgs,
        /// Edit the proposed action in $EDITOR, see the difference, then send it.
        #[arg(long, conflicts_with = "override_with")]
        edit: bool,
        /// Send this action instead: JSON, `@file`, or `-` for standard input.
        #[arg(long = "override", value_name = "JSON")]
        override_with: Option<String>,
        /// Do not ask before sending. It is required without a terminal.
        #[arg(long, short)]
        yes: bool,
        /// Only show what would be approved. The API validates it and records nothing; the exit code is 1 if it would be refused.
        #[arg(long)]
        dry_run: bool,
    },
    /// Reject an open approval. The flow decides what happens then.
    Reject {
        #[command(flatten)]
        gate: GateArgs,
        /// Do not ask before sending. It is required without a terminal.
        #[arg(long, short)]
        yes: bool,
    },
    /// Send a run back to the draft of an open approval, with a note for the model. The approval opens anew with the revised draft.
    RequestChanges {
        /// The run.
        run: String,
        /// What is to be changed, word for word as the model gets it.
        #[arg(long)]
        note: String,
        /// The node; needed if several approvals of the run are open.
        #[arg(long)]
        node: Option<String>,
        /// Do not ask before sending. It is required without a terminal.
        #[arg(long, short)]
        yes: bool,
    },
    /// Run a failed or cancelled run again, as a new run.
    Retry(RetryArgs),
    /// Cancel a run: no further step starts.
    Cancel {
        /// The run.
        run: String,
        /// The reason, which is kept with the run.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// The run to run again, and how.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The run.
    pub run: String,
    /// Begin with this node. Without it, begin with the first step that did not succeed.
    #[arg(long, value_name = "NODE")]
    pub from: Option<String>,
    /// Use the newest version of the flow. Without it, the version of the run is used.
    #[arg(long)]
    pub latest: bool,
    /// A key that returns the same run for 24 hours.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Follow the new run until it ends.
    #[arg(long)]
    pub watch: bool,
}

/// The run to follow, and until when.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The run.
    pub run: String,
    /// Also end when the run waits for a person.
    #[arg(long)]
    pub until_approval: bool,
    /// Stop after this number of seconds.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

impl WatchArgs {
    /// Returns the arguments that follow a run until it ends.
    pub fn to_the_end(run: String) -> Self {
        Self { run, until_approval: false, timeout: None }
    }
}

/// An approval.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// The run.
    pub run: String,
    /// The node; needed if several approvals of the run are open.
    #[arg(long)]
    pub node: Option<String>,
    /// A note, which is kept with the decision.
    #[arg(long)]
    pub note: Option<String>,
}

/// The approval to reassign, and to whom.
#[derive(Debug, Args)]
pub struct ReassignArgs {
    #[command(flatten)]
    pub gate: GateArgs,
    /// Who may decide from now on: `role:…`, `user:…` or `team:…`.
    #[arg(long, value_name = "ASSIGNEE")]
    pub to: String,
}

/// A filter on approvals.
#[derive(Debug, Args)]
pub struct ApprovalsArgs {
    /// Only those of `me`, `role:…`, `user:…` or `team:…`.
    #[arg(long)]
    pub assignee: Option<String>,
    /// Only those of this flow: id or slug.
    #[arg(long)]
    pub flow: Option<String>,
    #[command(flatten)]
    pub paging: Paging,
}

/// A filter on decisions.
#[derive(Debug, Args)]
pub struct DecisionsArgs {
    /// Only by this actor.
    #[arg(long)]
    pub actor: Option<String>,
    /// Only in runs of this flow: id or slug.
    #[arg(long)]
    pub flow: Option<String>,
    /// Only this verdict.
    #[arg(long)]
    pub verdict: Option<Verdict>,
    /// Only those for another action than the proposed one; `--edited false`: only the others.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    pub edited: Option<bool>,
    /// Only decided then or later (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only decided before (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    #[command(flatten)]
    pub paging: Paging,
}

/// How an approval was decided.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Verdict {
    Approved,
    Rejected,
    Expired,
}

/// The status of a run.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Status {
    Running,
    AwaitingApproval,
    Succeeded,
    Failed,
    Cancelled,
}

/// What started a run.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Trigger {
    Manual,
    Webhook,
    Cron,
}
