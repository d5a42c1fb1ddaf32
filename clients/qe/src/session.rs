//! The connection to the API.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use runs_client::{Client, types};
use serde_json::Value;

use crate::failure::Failure;
use crate::login;
use crate::profile::{self, Profiles, variable};
use crate::secret::Secret;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// API Gateway ends a request after 29 seconds.
const TIMEOUT: Duration = Duration::from_secs(35);
/// The maximum number of rows of a page of the API.
const PAGE: u64 = 100;

/// An address of the API, and a key or a login.
#[derive(Debug)]
pub struct Session {
    /// The generated client.
    pub api: Client,
    /// The address, without a slash at its end.
    pub base_url: String,
    /// Where the address and the credential come from, in words.
    pub source: String,
    /// Whether the credential is a login.
    pub is_login: bool,
    http: reqwest::Client,
}

impl Session {
    /// Opens a session with the profile of that name, or that of `QE_PROFILE`; or else with `QE_BASE_URL` and `QE_API_KEY`; or else with
    /// the current profile.
    ///
    /// The token of a login is renewed if it is about to expire. A command that takes longer than a token is valid ends with a 401.
    pub async fn open(profile: Option<&str>) -> Result<Self, Failure> {
        let Credential { base_url, bearer, is_login, source } = credential(profile).await?;
        let mut key = HeaderValue::try_from(format!("Bearer {}", bearer.expose()))
            .map_err(|_| Failure::usage("the key has a character that is not valid in a header; was it copied with a line break?"))?;
        key.set_sensitive(true);
        let http = http()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, key)]))
            .build()
            .map_err(|error| Failure::here(format!("no HTTP client: {error}")))?;
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { api: Client::new_with_client(&base_url, http.clone()), http, base_url, source, is_login })
    }

    /// Sends JSON unchanged and returns the `data` of the response unchanged, or nothing for a 404. It is for values that must not lose
    /// fields which this client did not know when it was built.
    pub async fn find(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Option<Value>, Failure> {
        let response = self.response(method, path, body).await?;
        if response.status().as_u16() == 404 {
            return Ok(None);
        }
        body_of(response).await.map(|mut body| body.get_mut("data").map(Value::take))
    }

    /// Sends JSON unchanged and returns the `data` of the response unchanged.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let mut body = body_of(self.response(method, path, body).await?).await?;
        Ok(body.get_mut("data").map(Value::take).unwrap_or_default())
    }

    /// Returns at most `limit` rows of a list, from as many pages as necessary.
    pub async fn list(&self, path: &str, limit: u64) -> Result<Vec<Value>, Failure> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let missing = limit.saturating_sub(rows.len() as u64).min(PAGE);
            if missing == 0 {
                return Ok(rows);
            }
            let mut page = body_of(self.response(Method::GET, &format!("{path}?limit={missing}{cursor}"), None).await?).await?;
            if let Some(Value::Array(mut found)) = page.get_mut("data").map(Value::take) {
                rows.append(&mut found);
            }
            match page.pointer("/meta/nextCursor").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(rows),
            }
        }
    }

    /// Returns the JSON at a signed URL. The key is not sent to it.
    pub async fn fetch(&self, url: &str) -> Result<Value, Failure> {
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).build();
        let response = http.map_err(Failure::unreachable)?.get(url).send().await.and_then(Response::error_for_status);
        read(response.map_err(|error| Failure::unreachable(error.without_url()))?).await
    }

    async fn response(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.base_url));
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.map_err(Failure::unreachable)
    }
}

/// Returns the settings of every HTTP client of this program.
pub fn http() -> reqwest::ClientBuilder {
    // Fails if a provider is installed already, which serves as well.
    _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().user_agent(concat!("qe/", env!("CARGO_PKG_VERSION")));
    builder.connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT)
}

/// Returns a text as a segment of a path. Fails if it has a character that no id and no slug has: it would name another path.
pub fn segment(text: &str) -> Result<&str, Failure> {
    let valid = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | ':');
    if !text.is_empty() && text.chars().all(valid) { Ok(text) } else { Err(Failure::usage(format!("`{text}` is not an id or a slug"))) }
}

/// Returns the body of a successful response. Fails with the error of the API otherwise.
async fn body_of(response: Response) -> Result<Value, Failure> {
    let status = response.status();
    if !status.is_success() {
        return Err(Failure::of_response(status.as_u16(), &read::<types::AnyError>(response).await?));
    }
    read(response).await
}

async fn read<T: serde::de::DeserializeOwned>(response: Response) -> Result<T, Failure> {
    let status = response.status().as_u16();
    response.json().await.map_err(|_| Failure::unknown_response(status))
}

/// What a session is opened with.
#[derive(Debug)]
struct Credential {
    base_url: String,
    bearer: Secret,
    is_login: bool,
    source: String,
}

/// Returns the credential of the profile or the environment.
async fn credential(profile: Option<&str>) -> Result<Credential, Failure> {
    let named = profile.map(str::to_owned).or_else(|| variable("QE_PROFILE"));
    if let Some(name) = named {
        return of_profile(&Profiles::load(&profile::path()?)?, &name).await;
    }
    let (base_url, api_key) = (variable("QE_BASE_URL"), variable("QE_API_KEY"));
    if base_url.is_none() && api_key.is_none() {
        let all = profile::path().and_then(|path| Profiles::load(&path))?;
        if let Some(name) = &all.current {
            return of_profile(&all, name).await;
        }
    }
    let missing = |name: &str, what: &str| {
        let hint = "`make up` writes that of the local stack to .dev/env, `qe profiles set` stores one, and `qe login` signs in";
        Failure::usage(format!("{name} is not set: {what}. {hint}"))
    };
    let base_url = base_url.ok_or_else(|| missing("QE_BASE_URL", "the address of the API, such as http://127.0.0.1:4566/…"))?;
    let api_key = api_key.ok_or_else(|| missing("QE_API_KEY", "an API key, qe_sk_…"))?;
    Ok(Credential { base_url, bearer: api_key.into(), is_login: false, source: "the environment".to_owned() })
}

async fn of_profile(all: &Profiles, name: &str) -> Result<Credential, Failure> {
    let profile = all.named(name)?;
    let bearer = match (&profile.login, profile.api_key) {
        (Some(login), _) => login::id_token(&profile::path()?, name, login).await?,
        (None, Some(key)) => key,
        (None, None) => return Err(Failure::usage(format!("the profile `{name}` has neither a key nor a login"))),
    };
    Ok(Credential { base_url: profile.base_url, bearer, is_login: profile.login.is_some(), source: format!("profile {name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_names_one_segment_of_a_path() {
        for good in ["run_01M85EXE14SECWM1TBH3987TR1", "custom:crm", "ticket-triage-v1"] {
            assert_eq!(segment(good).unwrap(), good);
        }
        for bad in ["", "..", "a/b", "a?x=1", "a#b", "a%2fb", "é"] {
            assert_eq!(segment(bad).unwrap_err().code, crate::failure::USAGE, "{bad}");
        }
    }
}
