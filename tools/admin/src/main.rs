//! Creates what no endpoint can: an organisation's first key, and (until there is an endpoint) its service connections.
//! For whoever deploys; reads `TABLE_NAME` and the usual AWS environment.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::Write as _;

use clap::{Parser, Subcommand};
use domain::access::{Actor, ApiKey, Grant, Scope};
use domain::flow::ServiceSlug;
use domain::id::{KeyId, OrgId};
use domain::json::sha256_hex_of;
use domain::organisation::{CursorSecret, Organisation};
use domain::ports::{Clock, Connection, Entropy, Organisations};
use runtime::{OsEntropy, SystemClock};
use store::Table;

/// Sets up organisations: what is printed is the id or the key, and nothing else.
#[derive(Parser)]
#[command(name = "runs-admin")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Creates an organisation and prints its id.
    NewOrg,
    /// Creates an API key and prints it; it cannot be shown again.
    CreateKey {
        /// The organisation the key belongs to.
        #[arg(long)]
        org: OrgId,
        /// Who acts when the key is used: `usr_…`, or the name of a service.
        #[arg(long)]
        actor: String,
        /// What people call the key.
        #[arg(long)]
        name: String,
        /// What it may do; all scopes if left out.
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<Grant>,
        /// Roles of the actor, for `role:…` assignments.
        #[arg(long, value_delimiter = ',')]
        roles: Vec<String>,
        /// Teams of the actor, for `team:…` assignments.
        #[arg(long, value_delimiter = ',')]
        teams: Vec<String>,
        /// Whether it is a key for production or for trying things out; only its look differs.
        #[arg(long, default_value = "sandbox", value_parser = ["sandbox", "live"])]
        environment: String,
    },
    /// Registers or replaces a service connection.
    PutConnection {
        /// The organisation that calls through it.
        #[arg(long)]
        org: OrgId,
        /// Its name, e.g. `aml` or `custom:crm`.
        #[arg(long)]
        slug: ServiceSlug,
        /// Paths of service calls are appended to it.
        #[arg(long)]
        base_url: String,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let line = run(Cli::parse().command).await?;
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

async fn run(command: Command) -> Result<String, Box<dyn Error>> {
    let now = SystemClock.now();
    match command {
        Command::NewOrg => {
            let id = OrgId::new(now, OsEntropy.random());
            let cursor_secret = CursorSecret::of_random(OsEntropy.random(), OsEntropy.random());
            table().await?.put_organisation(&Organisation { id, long_retention: false, cursor_secret, created_at: now }).await?;
            Ok(id.to_string())
        }
        Command::CreateKey { org, actor, name, scopes, roles, teams, environment } => {
            let grants: BTreeSet<Grant> =
                if scopes.is_empty() { Scope::ALL.into_iter().map(Grant::One).collect() } else { scopes.into_iter().collect() };
            let secret = format!("qe_sk_{environment}_{}", base32(OsEntropy.random(), OsEntropy.random()));
            let key = ApiKey {
                id: KeyId::new(now, OsEntropy.random()),
                org,
                name,
                actor: Actor { id: actor, roles: roles.into_iter().collect(), teams: teams.into_iter().collect() },
                grants,
                valid_until: None,
                revoked_at: None,
            };
            let table = table().await?;
            // An organisation that is older than its record gets one.
            table.cursor_secret(&key.org).await?;
            table.put_key(&key, &sha256_hex_of(secret.as_bytes())).await?;
            Ok(secret)
        }
        Command::PutConnection { org, slug, base_url } => {
            table().await?.put_connection(&org, &Connection { slug: slug.clone(), base_url }).await?;
            Ok(slug.to_string())
        }
    }
}

async fn table() -> Result<Table, Box<dyn Error>> {
    Ok(Table::from_env(&runtime::aws().await)?)
}

/// 160 random bits as 32 characters of base32 (RFC 4648, lower case).
fn base32(high: u128, low: u128) -> String {
    let bits = [high, low].into_iter().flat_map(|word| (0..16).map(move |place| ((word >> (place * 5)) & 31) as u8));
    bits.map(|five| char::from(if five < 26 { b'a' + five } else { b'2' + five - 26 })).collect()
}
