//! `set-identity-provider`.

use std::error::Error;

use aws_config::SdkConfig;
use domain::access::{ADMIN_TOOL, Environment, RecordedActor};
use domain::login::{IdentityProvider, NewProvider};
use domain::ports::{CommitError, IdentityProviders as _, Vault as _};
use domain::problem::FieldErrors;
use domain::time::Time;
use login::{DiscoveryError, Web, discover};
use serde_json::{Map, Value};
use store::Table;
use vault::KmsVault;

use crate::cli::ProviderOptions;

/// Registers the provider that the standard input describes, as `PUT /api/org/identity-provider` takes it, and returns its issuer. The
/// operator may give any scope. The secret that is registered stays if none is sent and issuer and client are the same.
pub async fn set(table: &Table, aws: &SdkConfig, options: ProviderOptions, now: Time) -> Result<String, Box<dyn Error>> {
    let (web, vault) = (Web::from_env()?, KmsVault::from_env(aws)?);
    let body: Map<String, Value> = serde_json::from_str(&std::io::read_to_string(std::io::stdin())?)?;
    let new = NewProvider::parse(&body, |url| web.url_problem(url)).map_err(|errors| in_lines(&errors))?;
    let discovered = discover(&web, table, &options.org, &new.issuer).await.map_err(|error| match error {
        DiscoveryError::Unusable(why) => format!("issuer: {why}"),
        DiscoveryError::Port(error) => error.to_string(),
    })?;
    let before = table.identity_provider(&options.org).await?;
    let secret = match &new.client_secret {
        Some(secret) => Some(vault.seal(&IdentityProvider::place_of(options.org), secret).await?),
        None => new.kept_secret(before.as_ref()),
    };
    let environment = if options.environment == "live" { Environment::Live } else { Environment::Sandbox };
    let provider = new.with(options.org, secret, discovered, environment, (now, RecordedActor::named(ADMIN_TOOL)));
    match table.put_identity_provider(&provider, before.as_ref()).await {
        Ok(()) => Ok(provider.issuer),
        Err(CommitError::Changed) => Err("another organisation has registered the issuer with this client or audience".into()),
        Err(CommitError::Port(error)) => Err(error.into()),
    }
}

/// Returns each problem in a line of its own, at its field.
fn in_lines(errors: &FieldErrors) -> String {
    let lines = errors.by_path().iter().flat_map(|(path, problems)| problems.iter().map(move |problem| format!("{path}: {problem}")));
    lines.collect::<Vec<_>>().join("\n")
}
