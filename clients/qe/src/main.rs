//! `qe`: the command line of Runs.

mod args;
mod decide;
mod diff;
mod failure;
mod flows;
mod input;
mod list;
mod out;
mod runs;
mod session;
mod show;
mod text;
mod watch;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use failure::Failure;
use session::Session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If standard error is closed, there is no other way to report the failure.
            _ = out::remark(format!("qe: {failure}"));
            ExitCode::from(failure.code)
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let json = cli.json;
    match cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "qe", &mut std::io::stdout());
            Ok(())
        }
        Command::Flows(command) => flows::run(&Session::from_env()?, command, json).await,
        Command::Runs(command) => runs::run(&Session::from_env()?, command, json).await,
        Command::Approvals(args) => runs::approvals(&Session::from_env()?, args, json).await,
    }
}
