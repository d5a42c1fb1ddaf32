//! The commands for keys, connections, webhooks, logins and profiles.

use clap::{Args, Subcommand};

use super::Paging;

/// The commands for API keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Create a key. Its secret is printed once, and only a hash of it is stored.
    Create {
        /// A name for people.
        #[arg(long)]
        name: String,
        /// The actor of the records: `usr_…`, or the name of a service.
        #[arg(long)]
        actor: String,
        /// A scope such as `runs:read`; may be given several times.
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<String>,
        /// A role of the actor; may be given several times.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// A team of the actor; may be given several times.
        #[arg(long = "team", value_name = "TEAM")]
        teams: Vec<String>,
        /// The time at which the key expires (RFC 3339).
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// List the keys, newest first.
    List(Paging),
    /// Revoke a key: no request that begins afterwards is admitted.
    Revoke {
        /// The id of the key.
        key: String,
        /// Do not ask. It is required without a terminal.
        #[arg(long, short)]
        yes: bool,
    },
}

/// The commands for service connections.
#[derive(Debug, Subcommand)]
pub enum ConnectionsCommand {
    /// Register a service, or replace its registration. The key of the service is read from standard input.
    Put(PutConnection),
    /// List the connections, newest first.
    List(Paging),
    /// Check whether a service responds; the exit code is 1 if it is not healthy.
    Check {
        /// The slug of the service.
        service: String,
    },
    /// Delete a connection and its key.
    Delete {
        /// The slug of the service.
        service: String,
        /// Do not ask. It is required without a terminal.
        #[arg(long, short)]
        yes: bool,
    },
}

/// A registration of a service.
#[derive(Debug, Args)]
pub struct PutConnection {
    /// The slug of the service, such as `aml` or `custom:crm`.
    pub service: String,
    /// The URL that paths are appended to.
    #[arg(long)]
    pub base_url: String,
    /// The header that carries the key; `Authorization` without it.
    #[arg(long, value_name = "HEADER")]
    pub auth_header: Option<String>,
    /// The word before the key.
    #[arg(long, value_name = "WORD")]
    pub auth_scheme: Option<String>,
    /// The path of a health check.
    #[arg(long, value_name = "PATH")]
    pub health_path: Option<String>,
}

/// The commands for outbound webhooks.
#[derive(Debug, Subcommand)]
pub enum WebhooksCommand {
    /// Register a URL. Its secret is printed once.
    Create {
        /// The URL.
        url: String,
        /// An event, a prefix such as `flow.run.*`, or `*`; may be given several times.
        #[arg(long = "event", required = true, value_name = "EVENT")]
        events: Vec<String>,
        /// A description for people.
        #[arg(long)]
        description: Option<String>,
    },
    /// List the webhooks, newest first.
    List(Paging),
    /// Delete a webhook: no attempt begins afterwards.
    Delete {
        /// The id of the webhook.
        webhook: String,
        /// Do not ask. It is required without a terminal.
        #[arg(long, short)]
        yes: bool,
    },
    /// Send `webhook.test` to a webhook.
    Test {
        /// The id of the webhook.
        webhook: String,
    },
    /// Give a webhook a new secret, which is printed once.
    RotateSecret {
        /// The id of the webhook.
        webhook: String,
        /// Do not ask. It is required without a terminal.
        #[arg(long, short)]
        yes: bool,
    },
    /// List the deliveries to a webhook, newest first.
    Deliveries {
        /// The id of the webhook.
        webhook: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// Deliver an event again.
    Redeliver {
        /// The id of the webhook.
        webhook: String,
        /// The id of the delivery.
        delivery: String,
    },
}

/// A login. The first one of a profile names the address, the issuer and the client, which the profile keeps for later ones.
///
/// If the provider asks for a client secret, it comes from the variable `QE_CLIENT_SECRET` or from a question, and is stored in the profile.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The address of the API; for a new profile also from `QE_BASE_URL`.
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// The issuer of the organisation's identity provider, exactly as it is registered.
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// The id under which the provider knows this client.
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Only print the address to sign in at. The browser must run on this machine in any case.
    #[arg(long)]
    pub no_browser: bool,
    /// Ask for the client secret, or read it from standard input.
    #[arg(long)]
    pub ask_client_secret: bool,
}

/// The commands for profiles.
#[derive(Debug, Subcommand)]
pub enum ProfilesCommand {
    /// Store an address and a key under a name. The key is read from standard input.
    Set {
        /// The name of the profile.
        name: String,
        /// The address of the API.
        #[arg(long)]
        base_url: String,
    },
    /// Make a profile the current one.
    Use {
        /// The name of the profile.
        name: String,
    },
    /// List the profiles, without their keys.
    List,
    /// Delete a profile.
    Remove {
        /// The name of the profile.
        name: String,
    },
}
