//! `put-connection`.

use std::error::Error;

use aws_config::SdkConfig;
use domain::connection::{Carrier, Connection, ConnectionKey, key_hash, parse_key};
use domain::id::ConnectionId;
use domain::ports::{ConnectionBook as _, Entropy as _, Organisations as _, Vault as _};
use domain::time::Time;
use runtime::OsEntropy;
use store::Table;
use vault::KmsVault;

use crate::cli::ConnectionOptions;

/// Registers or replaces a connection and returns its slug.
pub async fn put(table: &Table, aws: &SdkConfig, options: ConnectionOptions, now: Time) -> Result<String, Box<dyn Error>> {
    let key = if options.api_key_stdin { Some(sealed_key(table, aws, &options).await?) } else { None };
    let ConnectionOptions { org, slug, base_url, health_path, .. } = options;
    let connection = Connection {
        id: ConnectionId::new(now, OsEntropy.random()),
        slug,
        base_url,
        health_path,
        key,
        active: true,
        last_healthy_at: None,
        last_used_at: None,
        updated_at: now,
    };
    table.register(&org, &connection).await?;
    Ok(connection.slug.to_string())
}

/// Reads the key from the standard input and seals it for its connection.
async fn sealed_key(table: &Table, aws: &SdkConfig, options: &ConnectionOptions) -> Result<ConnectionKey, Box<dyn Error>> {
    let key = parse_key(std::io::read_to_string(std::io::stdin())?.trim_end_matches(['\r', '\n']))?;
    let hash = key_hash(&table.cursor_secret(&options.org).await?, &options.slug, &key);
    let sealed = KmsVault::from_env(aws)?.seal(&Connection::place(&options.org, &options.slug), &key).await?;
    let carrier = Carrier::parse(options.auth_header.as_deref(), options.auth_scheme.as_deref())?;
    Ok(ConnectionKey { sealed, hash, carrier })
}
