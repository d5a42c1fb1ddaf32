//! `runs-admin`: what no endpoint can do. It creates organisations and their first keys, opens private networks to them, and
//! registers service connections before there is a key. For the operator of a deployment; it reads `TABLE_NAME` and the usual AWS
//! environment.

mod cli;
mod command;

use std::error::Error;
use std::io::Write as _;

use clap::Parser as _;
use cli::{Cli, Command};
use domain::ports::Clock as _;
use runtime::SystemClock;
use store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let line = run(Cli::parse().command).await?;
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// Runs one command and returns what it prints.
async fn run(command: Command) -> Result<String, Box<dyn Error>> {
    let now = SystemClock.now();
    let aws = runtime::operator_aws().await;
    let table = Table::from_env(&aws)?;
    match command {
        Command::NewOrg => command::organisation::create(&table, now).await,
        Command::CreateKey(options) => command::api_key::create(&table, options, now).await,
        Command::AllowEgress { org, cidr } => command::egress::allow(&table, &org, &cidr).await,
        Command::ForbidEgress { org, cidr } => command::egress::forbid(&table, &org, &cidr).await,
        Command::ShowEgress { org } => command::egress::show(&table, &org).await,
        Command::IndexDecisions { org } => command::decisions::index(&table, &aws, &org).await,
        Command::SetIdentityProvider(options) => command::identity_provider::set(&table, &aws, options, now).await,
        Command::PutConnection(options) => command::connection::put(&table, &aws, options, now).await,
    }
}
