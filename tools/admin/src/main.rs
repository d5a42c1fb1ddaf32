//! Creates what no endpoint can: an organisation's first key, and what private networks are open to it; and registers service
//! connections before there is a key. For whoever deploys; reads `TABLE_NAME` and the usual AWS environment.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::Write as _;

use clap::{Parser, Subcommand};
use domain::access::{Actor, ApiKey, Environment, Grant, OwnLimits, Scope, Secret, parse_actor};
use domain::connection::{Carrier, Connection, ConnectionKey, HealthPath, key_hash, parse_base_url, parse_key, parse_slug};
use domain::flow::ServiceSlug;
use domain::id::{ConnectionId, KeyId, OrgId};
use domain::network::{PrivateNetworkSwitch, PrivateNetworks, PrivateRange};
use domain::organisation::{CursorSecret, Organisation};
use domain::ports::{ApiKeys, Clock, ConnectionBook, Entropy, Organisations, Vault};
use domain::time::Time;
use runtime::{OsEntropy, SystemClock};
use store::Table;
use vault::KmsVault;

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
        #[arg(long, value_parser = parse_actor)]
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
        /// When it expires, e.g. 2027-01-01T00:00:00Z; never if left out.
        #[arg(long)]
        expires_at: Option<Time>,
        /// Reads that it may make in a minute, if not as many as every key.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        reads_per_minute: Option<u32>,
        /// Writes that it may make in a minute, if not as many as every key.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        writes_per_minute: Option<u32>,
    },
    /// Opens a private network to the flows of an organisation, and prints all that are open to it.
    AllowEgress {
        /// The organisation whose flows may call into it, over https.
        #[arg(long)]
        org: OrgId,
        /// Its addresses, e.g. 10.1.0.0/16. Only private ones can be opened.
        #[arg(long)]
        cidr: PrivateRange,
    },
    /// Closes a private network again, and prints all that are still open to the organisation.
    ForbidEgress {
        /// The organisation.
        #[arg(long)]
        org: OrgId,
        /// Its addresses, as they were allowed.
        #[arg(long)]
        cidr: PrivateRange,
    },
    /// Prints the private networks that are open to the flows of an organisation, one a line.
    ShowEgress {
        /// The organisation.
        #[arg(long)]
        org: OrgId,
    },
    /// Registers or replaces a service connection.
    PutConnection {
        /// The organisation that calls through it.
        #[arg(long)]
        org: OrgId,
        /// Its name, e.g. `aml` or `custom:crm`.
        #[arg(long, value_parser = parse_slug)]
        slug: ServiceSlug,
        /// Paths of service calls are appended to it.
        #[arg(long, value_parser = parse_base_url)]
        base_url: String,
        /// Reads the service's key from the standard input, and keeps it encrypted (under `SECRETS_KEY_ARN`). Without this, calls
        /// carry no key.
        #[arg(long)]
        api_key_stdin: bool,
        /// The header that carries the key, if not `Authorization: Bearer`.
        #[arg(long, requires = "api_key_stdin")]
        auth_header: Option<String>,
        /// What stands before the key in that header.
        #[arg(long, requires = "api_key_stdin")]
        auth_scheme: Option<String>,
        /// What a health check asks for, below the base URL.
        #[arg(long)]
        health_path: Option<HealthPath>,
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
        Command::CreateKey { org, actor, name, scopes, roles, teams, environment, expires_at, reads_per_minute, writes_per_minute } => {
            let grants: BTreeSet<Grant> =
                if scopes.is_empty() { Scope::ALL.into_iter().map(Grant::One).collect() } else { scopes.into_iter().collect() };
            let environment = if environment == "live" { Environment::Live } else { Environment::Sandbox };
            let secret = Secret::new(environment, [OsEntropy.random(), OsEntropy.random()]);
            let key = ApiKey {
                id: KeyId::new(now, OsEntropy.random()),
                org,
                name,
                actor: Actor { id: actor, roles: roles.into_iter().collect(), teams: teams.into_iter().collect() },
                grants,
                limits: OwnLimits { reads: reads_per_minute, writes: writes_per_minute },
                created_by: "runs-admin".to_owned(),
                valid_until: expires_at,
                revoked: None,
                last_used_at: None,
            };
            let table = table().await?;
            // An organisation that is older than its record gets one.
            table.cursor_secret(&key.org).await?;
            table.create_key(&key, &secret.sha256()).await?;
            Ok(secret.reveal().to_owned())
        }
        Command::AllowEgress { org, cidr } => {
            let table = table().await?;
            table.open_range(&org, &cidr).await?;
            open_ranges(&table, &org).await
        }
        Command::ForbidEgress { org, cidr } => {
            let table = table().await?;
            table.close_range(&org, &cidr).await?;
            open_ranges(&table, &org).await
        }
        Command::ShowEgress { org } => open_ranges(&table().await?, &org).await,
        Command::PutConnection { org, slug, base_url, api_key_stdin, auth_header, auth_scheme, health_path } => {
            let (id, table) = (ConnectionId::new(now, OsEntropy.random()), table().await?);
            let key = if api_key_stdin {
                let key = parse_key(std::io::read_to_string(std::io::stdin())?.trim_end_matches(['\r', '\n']))?;
                let hash = key_hash(&table.cursor_secret(&org).await?, &slug, &key);
                let vault = KmsVault::from_env(&runtime::operator_aws().await)?;
                let sealed = vault.seal(&Connection::place(&org, &slug), &key).await?;
                Some(ConnectionKey { sealed, hash, carrier: Carrier::parse(auth_header.as_deref(), auth_scheme.as_deref())? })
            } else {
                None
            };
            let (active, last_healthy_at, last_used_at) = (true, None, None);
            let connection = Connection { id, slug, base_url, health_path, key, active, last_healthy_at, last_used_at, updated_at: now };
            table.register(&org, &connection).await?;
            Ok(connection.slug.to_string())
        }
    }
}

async fn open_ranges(table: &Table, org: &OrgId) -> Result<String, Box<dyn Error>> {
    let ranges = table.private_ranges(org).await?;
    Ok(ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

async fn table() -> Result<Table, Box<dyn Error>> {
    Ok(Table::from_env(&runtime::operator_aws().await)?)
}
