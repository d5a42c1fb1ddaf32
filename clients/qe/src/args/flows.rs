//! The commands for flows.

use std::path::PathBuf;

use clap::Subcommand;

use super::Paging;

/// The commands for flows.
#[derive(Debug, Subcommand)]
pub enum FlowsCommand {
    /// Create the flow that a file describes, or change the flow of that slug accordingly.
    Apply {
        /// JSON with the fields of a flow (`slug`, `name`, `spec`, …), or what `qe flows show --json` printed; `-` reads standard input.
        file: PathBuf,
        /// Only show what would change. The API validates it and saves nothing; the exit code is 1 if it would be refused.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the flows.
    List(Paging),
    /// Show a flow and its spec, without the secret of its webhook trigger.
    Show {
        /// Id or slug.
        flow: String,
        /// Show the secret of its webhook trigger instead. It is written to a terminal only, never to a file or a pipe.
        #[arg(long)]
        secret: bool,
    },
}
