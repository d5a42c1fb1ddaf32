//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const EXIT_CODES: &str = "\
The address and the key come from the environment: QE_BASE_URL and QE_API_KEY. A key on a command line would show in the list of
processes, so there is no flag for it.

Exit codes:
  0  done; of `watch`: the run succeeded
  1  the run failed, or something on this side did
  2  the command line makes no sense
  3  the API refused: validation, a conflict, nothing of that name
  4  the key is missing, unknown, or lacks the scope
  5  the API could not be reached, was busy, or had a fault of its own; trying again may help
  6  of `watch`: the run was cancelled
  7  of `watch`: the run waits for a person (with --until-approval), or is not done when the time is up";

/// Runs from a terminal: apply flows, start and watch runs, decide on approvals.
#[derive(Debug, Parser)]
#[command(name = "qe", version, after_long_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    /// Print the API's JSON instead of tables.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
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
        /// Which shell.
        shell: Shell,
    },
}

/// What can be done with flows.
#[derive(Debug, Subcommand)]
pub enum FlowsCommand {
    /// Create the flow that a file describes, or bring the flow of that slug to what it says.
    Apply {
        /// JSON with the fields of a flow (`slug`, `name`, `spec`, …), or what `qe flows show --json` printed; `-` reads standard input.
        file: PathBuf,
        /// Only say what would change.
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

/// How much of a list.
#[derive(Debug, Args)]
pub struct Paging {
    /// At most so many rows.
    #[arg(long, default_value_t = 20, value_name = "ROWS")]
    pub limit: u64,
}

/// What can be done with runs.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Start a run.
    Start {
        /// Id or slug of the flow.
        flow: String,
        /// The input: JSON, `@file`, or `-` for standard input.
        #[arg(long, default_value = "{}")]
        input: String,
        /// The same key gives the same run for 24 hours.
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
        /// Stay and watch it.
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
        /// Do not ask before sending. Without a terminal there is nobody to ask, and this is needed.
        #[arg(long, short)]
        yes: bool,
    },
    /// Reject an open approval; the flow says what happens then.
    Reject {
        #[command(flatten)]
        gate: GateArgs,
    },
    /// Cancel a run: no further step starts.
    Cancel {
        /// The run.
        run: String,
        /// Why; kept on the run.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Which run to follow, and how far.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The run.
    pub run: String,
    /// End when the run waits for a person, too.
    #[arg(long)]
    pub until_approval: bool,
    /// Give up after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

/// Which approval.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// The run.
    pub run: String,
    /// The node, if several approvals of the run are open.
    #[arg(long)]
    pub node: Option<String>,
    /// A note; kept with the decision.
    #[arg(long)]
    pub note: Option<String>,
}

/// Which approvals.
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

/// Where a run stands.
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
