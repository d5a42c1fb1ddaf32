//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const EXIT_CODES: &str = "\
The address and the key come from the environment: QE_BASE_URL and QE_API_KEY. A key on a command line would show in the list of
processes, so there is no flag for it.

Exit codes:
  0  done; of `watch`: the run succeeded
  1  the run failed, or this program did
  2  the command line is not valid
  3  the API refused: a validation failure, a conflict, an unknown name
  4  the key is missing, unknown, or lacks the scope
  5  the API could not be reached, was busy, or failed; another try may succeed
  6  of `watch`: the run was cancelled
  7  of `watch`: the run waits for a person (with --until-approval), or has not ended in time";

/// Runs from a terminal: apply flows, start and watch runs, decide on approvals.
#[derive(Debug, Parser)]
#[command(name = "qe", version, after_long_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    /// Print the API's JSON instead of tables.
    #[arg(long, global = true)]
    pub json: bool,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Flows: apply a file, list, show.
    #[command(subcommand)]
    Flows(FlowsCommand),
    /// Runs: start, follow, decide.
    #[command(subcommand)]
    Runs(RunsCommand),
    /// The open approvals.
    Approvals(ApprovalsArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// The commands for flows.
#[derive(Debug, Subcommand)]
pub enum FlowsCommand {
    /// Create the flow that a file describes, or change the flow of that slug accordingly.
    Apply {
        /// JSON with the fields of a flow (`slug`, `name`, `spec`, …), or what `qe flows show --json` printed; `-` reads standard input.
        file: PathBuf,
        /// Only show what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the flows.
    List(Paging),
    /// Show a flow and its spec.
    Show {
        /// Id or slug.
        flow: String,
    },
}

/// The size of a list.
#[derive(Debug, Args)]
pub struct Paging {
    /// The maximum number of rows.
    #[arg(long, default_value_t = 20, value_name = "ROWS")]
    pub limit: u64,
}

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
    },
    /// Reject an open approval. The flow decides what happens then.
    Reject {
        #[command(flatten)]
        gate: GateArgs,
    },
    /// Cancel a run: no further step starts.
    Cancel {
        /// The run.
        run: String,
        /// The reason, which is kept with the run.
        #[arg(long)]
        reason: Option<String>,
    },
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
