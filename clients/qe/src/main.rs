//! `qe`: the command line of Runs.

mod args;
mod connections;
mod decide;
mod decisions;
mod diff;
mod edit;
mod failure;
mod flows;
mod gate;
mod input;
mod keys;
mod list;
mod login;
mod out;
mod profile;
mod prompt;
mod reassign;
mod request_changes;
mod runs;
mod secret;
mod session;
mod show;
mod text;
mod watch;
mod webhooks;
mod whoami;

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
    let profile = cli.profile.as_deref();
    let session = async || Session::open(profile).await;
    match cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "qe", &mut std::io::stdout());
            Ok(())
        }
        Command::Login(args) => login::run(profile, args).await,
        Command::Logout => login::logout(profile),
        Command::Profiles(command) => profile::run(command, json),
        Command::Flows(command) => flows::run(&session().await?, command, json).await,
        Command::Runs(command) => runs::run(&session().await?, command, json).await,
        Command::Approvals(args) => runs::approvals(&session().await?, args, json).await,
        Command::Reassign(args) => reassign::run(&session().await?, args, json).await,
        Command::Decisions(args) => decisions::list(&session().await?, args, json).await,
        Command::Retry(args) => runs::retry(&session().await?, args, json).await,
        Command::Keys(command) => keys::run(&session().await?, command, json).await,
        Command::Connections(command) => connections::run(&session().await?, command, json).await,
        Command::Webhooks(command) => webhooks::run(&session().await?, command, json).await,
        Command::Whoami => whoami::run(&session().await?, json).await,
    }
}
