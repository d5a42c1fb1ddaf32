//! People sign in at the identity provider of their organisation: `qe login` and `qe logout`.
//!
//! `qe` is a native, public client of the provider (RFC 8252). The browser shows the provider's pages, the code comes back to a [`callback`]
//! on this machine, and the [`provider`] gives [`tokens`] for it. The ID token is sent to the API where a key would be, and is renewed
//! with the refresh token when a command needs it.

mod callback;
mod provider;
mod tokens;

use std::path::Path;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::args::LoginArgs;
use crate::failure::{Failure, NOT_ALLOWED};
use crate::profile::{self, Profile, Profiles, variable};
use crate::secret::Secret;
use crate::session::Session;
use crate::{out, prompt, show};
use callback::{Expected, Listener};
use provider::Provider;
use tokens::Tokens;

/// The name of the profile that a login is stored in if nothing names one.
const DEFAULT_PROFILE: &str = "default";

/// This program as a client of an identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// The issuer, exactly as its tokens have it.
    pub issuer: String,
    /// The id of the client.
    pub client_id: String,
    /// The secret of the client, if the provider asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
}

/// A login that a profile has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Where the person signs in.
    #[serde(flatten)]
    pub registration: Registration,
    /// The tokens, until the person signs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
}

/// Signs a person in, and stores the tokens in a profile.
pub async fn run(named: Option<&str>, args: LoginArgs) -> Result<(), Failure> {
    let path = profile::path()?;
    let all = Profiles::load(&path)?;
    let name = name_of(named, &all);
    let secret = if args.ask_client_secret {
        Some(prompt::secret("The client secret that the identity provider has given")?)
    } else {
        variable("QE_CLIENT_SECRET")
    };
    let opens_browser = !args.no_browser;
    let (base_url, registration) = target(&name, all.profiles.get(&name), args, variable("QE_BASE_URL"), secret.map(Secret::from))?;

    let provider = Provider::discover(&registration).await?;
    let listener = Listener::bind().await?;
    let begun = provider.begin(listener.redirect_uri())?;
    out::remark(format!("Sign in at this address:\n\n  {}\n", begun.url))?;
    if opens_browser && open::that_detached(begun.url.as_str()).is_err() {
        out::remark("The browser could not be opened.")?;
    }
    let code = listener.code(Expected { state: begun.state.clone(), issuer: registration.issuer.clone() }).await?;
    let tokens = provider.exchange(begun, code).await?;

    let profile = Profile { base_url, api_key: None, login: Some(Login { registration, tokens: Some(tokens) }) };
    let current = Profiles::change(&path, |all| {
        all.profiles.insert(name.clone(), profile);
        Ok(all.current.get_or_insert_with(|| name.clone()).clone())
    })?;

    let data = Session::open(Some(&name)).await?.send(Method::GET, "/api/me", None).await?;
    let me = data.get("me").unwrap_or(&Value::Null);
    out::remark(format!("signed in as {} ({}), profile {name}", show::string(me, "name"), show::string(me, "actor")))?;
    let is_default = variable("QE_PROFILE").map_or_else(
        || current == name && variable("QE_BASE_URL").is_none() && variable("QE_API_KEY").is_none(),
        |default| default == name,
    );
    if !is_default {
        out::remark(format!("a command uses this login with `--profile {name}`"))?;
    }
    Ok(())
}

/// Forgets the tokens of a profile. The issuer and the client stay for the next login.
pub fn logout(named: Option<&str>) -> Result<(), Failure> {
    let name = Profiles::change(&profile::path()?, |all| {
        let name = name_of(named, all);
        all.named(&name)?;
        let Some(login) = all.profiles.get_mut(&name).and_then(|profile| profile.login.as_mut()) else {
            return Err(Failure::usage(format!("the profile `{name}` has a key and no login; `qe profiles remove` deletes it")));
        };
        login.tokens = None;
        Ok(name)
    })?;
    out::remark(format!("signed out, profile {name}"))
}

/// Returns the ID token of a profile's login. It is renewed if it expires within a minute, and the file is written again.
///
/// Only one process at a time renews: a provider may take a refresh token once, and end the login at the second time.
pub async fn id_token(path: &Path, name: &str, login: &Login) -> Result<Secret, Failure> {
    if let Some(tokens) = login.tokens.as_ref().filter(|tokens| tokens.is_fresh(tokens::now())) {
        return Ok(tokens.id_token.clone());
    }
    let signed_out = || Failure::not_allowed(format!("the profile `{name}` is signed out; run `qe login --profile {name}`"));
    if login.tokens.is_none() {
        return Err(signed_out());
    }
    let _lock = Profiles::lock(path)?;
    // Another process may have renewed them in the meantime, or have signed out.
    let mut all = Profiles::load(path)?;
    let login = all.profiles.get_mut(name).and_then(|profile| profile.login.as_mut()).ok_or_else(signed_out)?;
    let tokens = login.tokens.take().ok_or_else(signed_out)?;
    let Some(renewed) = renewed(&login.registration, &tokens, tokens::now()).await? else { return Ok(tokens.id_token) };
    let id_token = renewed.id_token.clone();
    login.tokens = Some(renewed);
    all.save(path)?;
    Ok(id_token)
}

/// Returns new tokens, or nothing if the old ones will do. Fails if the login has ended.
async fn renewed(registration: &Registration, tokens: &Tokens, now: u64) -> Result<Option<Tokens>, Failure> {
    let ended = |why: String| Failure::not_allowed(format!("the login has ended; run `qe login`{why}"));
    match &tokens.refresh_token {
        _ if tokens.is_fresh(now) => Ok(None),
        None if tokens.is_valid(now) => Ok(None),
        None => Err(ended(String::new())),
        Some(refresh_token) => {
            let new = Provider::discover(registration).await?.refresh(tokens, refresh_token).await;
            new.map(Some).map_err(|failure| if failure.code == NOT_ALLOWED { ended(format!(" ({failure})")) } else { failure })
        }
    }
}

/// Returns the name of the profile of a command: that of `--profile`, of `QE_PROFILE`, the current one, or `default`.
fn name_of(named: Option<&str>, all: &Profiles) -> String {
    let named = named.map(str::to_owned).or_else(|| variable("QE_PROFILE"));
    named.or_else(|| all.current.clone()).unwrap_or_else(|| DEFAULT_PROFILE.to_owned())
}

/// Returns the address of the API, and where the person signs in: from the command line, or else from the profile. Fails if something is
/// missing, and if the profile has a key, which would be lost.
fn target(
    name: &str,
    known: Option<&Profile>,
    args: LoginArgs,
    environment: Option<String>,
    secret: Option<Secret>,
) -> Result<(String, Registration), Failure> {
    if known.is_some_and(|profile| profile.api_key.is_some()) {
        return Err(Failure::usage(format!("the profile `{name}` has a key; name another one for the login with --profile")));
    }
    let missing = |flag: &str, what: &str| Failure::usage(format!("the first login of the profile `{name}` takes {flag}: {what}"));
    let known_registration = known.and_then(|profile| profile.login.as_ref()).map(|login| &login.registration);
    let base_url = args.base_url.or_else(|| known.map(|profile| profile.base_url.clone())).or(environment);
    let base_url = base_url.ok_or_else(|| missing("--base-url", "the address of the API, also in QE_BASE_URL"))?;
    let issuer = args.issuer.or_else(|| known_registration.map(|known| known.issuer.clone()));
    let issuer = issuer.ok_or_else(|| missing("--issuer", "the URL of the organisation's identity provider"))?;
    let client_id = args.client_id.or_else(|| known_registration.map(|known| known.client_id.clone()));
    let client_id = client_id.ok_or_else(|| missing("--client-id", "the client that the provider knows `qe` as"))?;
    // A secret is for one client of one provider, and sent to no other.
    let same = known_registration.filter(|known| known.issuer == issuer && known.client_id == client_id);
    let client_secret = secret.or_else(|| same.and_then(|known| known.client_secret.clone()));
    Ok((base_url, Registration { issuer, client_id, client_secret }))
}

#[cfg(test)]
mod tests;
