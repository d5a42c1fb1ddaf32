//! The command line.

mod access;
mod flows;
mod runs;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub use access::{ConnectionsCommand, KeysCommand, LoginArgs, ProfilesCommand, PutConnection, WebhooksCommand};
pub use flows::FlowsCommand;
pub use runs::{ApprovalsArgs, DecisionsArgs, GateArgs, ReassignArgs, RetryArgs, RunsCommand, Status, Trigger, Verdict, WatchArgs};

const EXIT_CODES: &str = "\
The address and the key come from a profile, or from the environment: QE_BASE_URL and QE_API_KEY. `--profile` and QE_PROFILE name a
profile; without them the environment is used, and without that the current profile. A profile has a key, or a login that `qe login`
has stored. A key on a command line would show in the list of processes, so there is no flag for it.

Exit codes:
  0  done; of `watch`: the run succeeded
  1  the run failed, or this program did; of a dry run: the API would refuse
  2  the command line is not valid
  3  the API refused: a validation failure, a conflict, an unknown name
  4  the key or the login is missing, unknown, over, or lacks the scope
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
    /// The profile with the address, and the key or the login.
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
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
    /// Runs: start, follow, decide, retry.
    #[command(subcommand)]
    Runs(RunsCommand),
    /// The open approvals.
    Approvals(ApprovalsArgs),
    /// Assign an open approval to somebody else.
    Reassign(ReassignArgs),
    /// What was decided, newest first.
    Decisions(DecisionsArgs),
    /// Run a failed or cancelled run again, as a new run. The same as `runs retry`.
    Retry(RetryArgs),
    /// API keys: create, list, revoke.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Service connections: register, list, check, delete.
    #[command(subcommand)]
    Connections(ConnectionsCommand),
    /// Outbound webhooks and their deliveries.
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// Sign in at the identity provider of the organisation, in the browser.
    Login(LoginArgs),
    /// Sign out: the tokens of the profile are forgotten.
    Logout,
    /// Show which address and credential are used, and what the caller may do.
    Whoami,
    /// Stored addresses, keys and logins.
    #[command(subcommand)]
    Profiles(ProfilesCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// The size of a list.
#[derive(Debug, Args)]
pub struct Paging {
    /// The maximum number of rows.
    #[arg(long, default_value_t = 20, value_name = "ROWS")]
    pub limit: u64,
}
