//! The commands and their options.

use clap::{Args, Parser, Subcommand};
use domain::access::{Grant, parse_actor};
use domain::connection::{HealthPath, parse_base_url, parse_slug};
use domain::flow::ServiceSlug;
use domain::id::OrgId;
use domain::network::PrivateRange;
use domain::time::Time;

/// Sets up organisations. Each command prints the id or the key that it made, and nothing else.
#[derive(Parser)]
#[command(name = "runs-admin")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Creates an organisation and prints its id.
    NewOrg,
    /// Creates an API key and prints it; it cannot be shown again.
    CreateKey(KeyOptions),
    /// Opens a private network to the flows of an organisation, and prints all networks that are open to it.
    AllowEgress {
        /// The organisation whose flows may call into the network, over https.
        #[arg(long)]
        org: OrgId,
        /// The addresses of the network, e.g. 10.1.0.0/16. Only private ones can be opened.
        #[arg(long)]
        cidr: PrivateRange,
    },
    /// Closes a private network, and prints all networks that are still open to the organisation.
    ForbidEgress {
        /// The organisation.
        #[arg(long)]
        org: OrgId,
        /// The addresses of the network, as they were allowed.
        #[arg(long)]
        cidr: PrivateRange,
    },
    /// Prints the private networks that are open to the flows of an organisation, one per line.
    ShowEgress {
        /// The organisation.
        #[arg(long)]
        org: OrgId,
    },
    /// Adds the decisions of an organisation that the history lacks, and prints their number. It reads every run.
    IndexDecisions {
        /// The organisation.
        #[arg(long)]
        org: OrgId,
    },
    /// Registers or replaces where the people of an organisation sign in. Reads the body of `PUT /api/org/identity-provider` from the
    /// standard input, and keeps the client secret in it encrypted (under `SECRETS_KEY_ARN`). Prints the issuer.
    SetIdentityProvider(ProviderOptions),
    /// Registers or replaces a service connection.
    PutConnection(ConnectionOptions),
}

#[derive(Args)]
pub struct KeyOptions {
    /// The organisation that the key belongs to.
    #[arg(long)]
    pub org: OrgId,
    /// The actor of every call with the key: `usr_…`, or the name of a service.
    #[arg(long, value_parser = parse_actor)]
    pub actor: String,
    /// The key's name.
    #[arg(long)]
    pub name: String,
    /// The scopes of the key; all scopes if left out.
    #[arg(long, value_delimiter = ',')]
    pub scopes: Vec<Grant>,
    /// The roles of the actor, for `role:…` assignments.
    #[arg(long, value_delimiter = ',')]
    pub roles: Vec<String>,
    /// The teams of the actor, for `team:…` assignments.
    #[arg(long, value_delimiter = ',')]
    pub teams: Vec<String>,
    /// Whether the key says `sandbox` or `live`; only its text differs.
    #[arg(long, default_value = "sandbox", value_parser = ["sandbox", "live"])]
    pub environment: String,
    /// The time at which it expires, e.g. 2027-01-01T00:00:00Z; it never expires if left out.
    #[arg(long)]
    pub expires_at: Option<Time>,
    /// The reads that it may make in a minute, if not the usual number.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub reads_per_minute: Option<u32>,
    /// The writes that it may make in a minute, if not the usual number.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub writes_per_minute: Option<u32>,
}

#[derive(Args)]
pub struct ProviderOptions {
    /// The organisation.
    #[arg(long)]
    pub org: OrgId,
    /// Whether those who sign in count as `sandbox` or `live`.
    #[arg(long, default_value = "sandbox", value_parser = ["sandbox", "live"])]
    pub environment: String,
}

#[derive(Args)]
pub struct ConnectionOptions {
    /// The organisation that calls through the connection.
    #[arg(long)]
    pub org: OrgId,
    /// The connection's name, e.g. `aml` or `custom:crm`.
    #[arg(long, value_parser = parse_slug)]
    pub slug: ServiceSlug,
    /// The URL to which the paths of service calls are appended.
    #[arg(long, value_parser = parse_base_url)]
    pub base_url: String,
    /// Reads the service's key from the standard input, and keeps it encrypted (under `SECRETS_KEY_ARN`). Without this option, calls
    /// carry no key.
    #[arg(long)]
    pub api_key_stdin: bool,
    /// The header that carries the key, if not `Authorization: Bearer`.
    #[arg(long, requires = "api_key_stdin")]
    pub auth_header: Option<String>,
    /// The word before the key in that header.
    #[arg(long, requires = "api_key_stdin")]
    pub auth_scheme: Option<String>,
    /// The path that a health check calls, below the base URL.
    #[arg(long)]
    pub health_path: Option<HealthPath>,
}
