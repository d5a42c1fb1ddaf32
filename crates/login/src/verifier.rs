//! Verifies tokens: whose they are, and which organisation's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::login::{IdentityProvider, Person, audience_sha256};
use domain::network::PrivateNetworks;
use domain::ports::{Logins, PortError};
use domain::time::Time;
use jsonwebtoken::{Algorithm, Validation, decode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::key_set::{self, ProviderKey};
use crate::ring_provider;
use crate::web::{Web, WebError};

/// The most bytes of a token. API Gateway takes 10,240 bytes of headers.
const MAX_TOKEN_BYTES: usize = 10_000;
/// The most audiences of a token that are looked up.
const MAX_AUDIENCES: usize = 5;
/// How far the clocks of a provider and ours may differ, in seconds.
const SKEW_SECONDS: u64 = 60;
/// How long a process uses what it knows of a provider, in seconds. A provider that was deleted, or changed, counts for no longer.
const PROVIDER_SECONDS: u64 = 60;
/// How long a process uses the keys of a provider, in seconds. A key that was withdrawn counts for no longer.
const KEYS_SECONDS: u64 = 600;
/// How often a process asks for keys that it does not know, in seconds: whoever invents key ids must not make it ask all the time.
const REFRESH_SECONDS: u64 = 30;
/// The most providers that a process remembers.
const MAX_REMEMBERED: usize = 200;

/// Why a token does not say who the caller is.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is not a token of a registered provider, is for somebody else, or not valid now. The caller does not learn which; the text is for
    /// the log.
    #[error("the token is not accepted: {0}")]
    Refused(&'static str),
    /// The keys of the provider, or the store, could not be read.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A token that was verified.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The provider that signed it.
    pub provider: Rc<IdentityProvider>,
    /// Who has signed in.
    pub person: Person,
    /// All claims of the token.
    pub claims: Map<String, Value>,
}

/// The header of a token. What it has besides is of no meaning for us, except `crit`.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

struct Remembered<T> {
    value: T,
    at: Time,
}

impl<T> Remembered<T> {
    fn is_younger_than(&self, seconds: u64, now: Time) -> bool {
        now < self.at.plus_seconds(seconds)
    }
}

/// Verifies tokens, and remembers providers and their keys for a while. It is created once for each process.
pub struct TokenVerifier {
    web: Web,
    providers: RefCell<HashMap<String, Remembered<Option<Rc<IdentityProvider>>>>>,
    keys: RefCell<HashMap<String, Remembered<Rc<Vec<ProviderKey>>>>>,
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenVerifier").field("web", &self.web).finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// Returns a verifier that fetches keys with `web`.
    pub fn new(web: Web) -> Self {
        ring_provider::install();
        Self { web, providers: RefCell::default(), keys: RefCell::default() }
    }

    /// Returns whether a credential has the form of a token: three parts with dots between them.
    pub fn is_token(text: &str) -> bool {
        text.len() <= MAX_TOKEN_BYTES && text.bytes().filter(|byte| *byte == b'.').count() == 2 && text.starts_with("ey")
    }

    /// Verifies a token that a caller has sent.
    pub async fn verify(&self, store: &(impl Logins + PrivateNetworks), token: &str, now: Time) -> Result<Accepted, TokenError> {
        let (header, algorithm) = header(token)?;
        // Nothing of the payload counts before the signature is verified; it only says where the key is.
        let unverified = payload(token)?;
        let issuer = unverified.get("iss").and_then(Value::as_str).ok_or(TokenError::Refused("it has no issuer"))?;
        let provider = self.provider(store, issuer, &unverified, now).await?;
        self.verify_for(store, &provider, token, (&header, algorithm), now).await
    }

    /// Verifies a token that `provider` has just given us.
    pub async fn verify_of(
        &self,
        store: &impl PrivateNetworks,
        provider: &Rc<IdentityProvider>,
        token: &str,
        now: Time,
    ) -> Result<Accepted, TokenError> {
        let (header, algorithm) = header(token)?;
        self.verify_for(store, provider, token, (&header, algorithm), now).await
    }

    async fn verify_for(
        &self,
        store: &impl PrivateNetworks,
        provider: &Rc<IdentityProvider>,
        token: &str,
        (header, algorithm): (&Header, Algorithm),
        now: Time,
    ) -> Result<Accepted, TokenError> {
        let known = self.keys_of(store, provider, now, false).await?;
        let claims = if let Some(claims) = signed_claims(&known, provider, token, header, algorithm) {
            claims
        } else {
            // The provider may have a new key. Without a `kid` a token does not say that it is signed with one.
            let renewed = self.keys_of(store, provider, now, true).await?;
            let found = if Rc::ptr_eq(&renewed, &known) { None } else { signed_claims(&renewed, provider, token, header, algorithm) };
            found.ok_or(TokenError::Refused("no key of the provider has signed it for us"))?
        };
        check_claims(&claims, provider, now)?;
        let person = Person::of(&claims, provider, now).map_err(|_| TokenError::Refused("it names no actor"))?;
        Ok(Accepted { provider: Rc::clone(provider), person, claims })
    }

    /// Returns the provider that has registered the issuer with one of the token's audiences.
    async fn provider(
        &self,
        store: &impl Logins,
        issuer: &str,
        unverified: &Map<String, Value>,
        now: Time,
    ) -> Result<Rc<IdentityProvider>, TokenError> {
        for audience in audiences(unverified).take(MAX_AUDIENCES) {
            let hash = audience_sha256(issuer, audience);
            let remembered = self
                .providers
                .borrow()
                .get(&hash)
                .filter(|known| known.is_younger_than(PROVIDER_SECONDS, now))
                .map(|known| known.value.clone());
            let found = if let Some(found) = remembered {
                found
            } else {
                let found = store.provider_for(issuer, audience).await?.map(Rc::new);
                remember(&mut self.providers.borrow_mut(), hash, found.clone(), now);
                found
            };
            // The store finds it by a hash.
            if let Some(provider) = found.filter(|provider| provider.issuer == issuer) {
                return Ok(provider);
            }
        }
        Err(TokenError::Refused("its issuer is not registered for one of its audiences"))
    }

    /// Returns the keys of a provider: those that are known, unless they are too old, or `renew` asks for newer ones and they may be asked
    /// for again.
    async fn keys_of(
        &self,
        store: &impl PrivateNetworks,
        provider: &IdentityProvider,
        now: Time,
        renew: bool,
    ) -> Result<Rc<Vec<ProviderKey>>, PortError> {
        let seconds = if renew { REFRESH_SECONDS } else { KEYS_SECONDS };
        let place = format!("{}\n{}", provider.org, provider.discovered.jwks_uri);
        if let Some(known) = self.keys.borrow().get(&place).filter(|known| known.is_younger_than(seconds, now)) {
            return Ok(Rc::clone(&known.value));
        }
        let document = self.web.get(store, &provider.org, &provider.discovered.jwks_uri).await.map_err(|error| match error {
            WebError::Port(error) => error,
            why => PortError::Unavailable(format!("the keys of {} were not read: {why}", provider.issuer)),
        })?;
        let keys = Rc::new(key_set::read(&document));
        remember(&mut self.keys.borrow_mut(), place, Rc::clone(&keys), now);
        Ok(keys)
    }
}

fn remember<T>(known: &mut HashMap<String, Remembered<T>>, name: String, value: T, now: Time) {
    if known.len() >= MAX_REMEMBERED && !known.contains_key(&name) {
        known.clear();
    }
    known.insert(name, Remembered { value, at: now });
}

/// Reads the header of a token. Fails unless the algorithm is an asymmetric one: `none` and those with a shared secret are refused before
/// anything is looked up.
fn header(token: &str) -> Result<(Header, Algorithm), TokenError> {
    let header: Header = part(token, 0).ok_or(TokenError::Refused("its header cannot be read"))?;
    if header.crit.is_some() {
        return Err(TokenError::Refused("its header has extensions that are not known"));
    }
    let algorithm = header.alg.parse().map_err(|_| TokenError::Refused("its algorithm is not known"))?;
    if matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
        return Err(TokenError::Refused("its algorithm has a shared secret"));
    }
    Ok((header, algorithm))
}

fn payload(token: &str) -> Result<Map<String, Value>, TokenError> {
    part(token, 1).ok_or(TokenError::Refused("its payload cannot be read"))
}

fn part<T: for<'de> Deserialize<'de>>(token: &str, number: usize) -> Option<T> {
    let text = token.split('.').nth(number).filter(|_| TokenVerifier::is_token(token))?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// Returns the claims if one of the keys has signed the token for us.
fn signed_claims(
    keys: &[ProviderKey],
    provider: &IdentityProvider,
    token: &str,
    header: &Header,
    algorithm: Algorithm,
) -> Option<Map<String, Value>> {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[&provider.issuer]);
    validation.set_audience(&provider.audiences().collect::<Vec<_>>());
    validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    // Times are checked against the clock of the request, with the same skew for each.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    key_set::candidates(keys, header.kid.as_deref(), algorithm).find_map(|key| Some(decode(token, &key.key, &validation).ok()?.claims))
}

/// Checks the times of a token, and that it was made for us alone if it says for whom.
fn check_claims(claims: &Map<String, Value>, provider: &IdentityProvider, now: Time) -> Result<(), TokenError> {
    let time =
        |name: &str| claims.get(name).map(|claim| seconds(claim).ok_or(TokenError::Refused("one of its times is not a time"))).transpose();
    let expires = time("exp")?.ok_or(TokenError::Refused("it does not expire"))?;
    if now.seconds() >= expires.saturating_add(SKEW_SECONDS) {
        return Err(TokenError::Refused("it has expired"));
    }
    for name in ["nbf", "iat"] {
        if time(name)?.is_some_and(|from| now.seconds().saturating_add(SKEW_SECONDS) < from) {
            return Err(TokenError::Refused("it is not valid yet"));
        }
    }
    // A token for several audiences says to whom it was given (OpenID Connect Core 1.0, section 3.1.3.7).
    let party = claims.get("azp").and_then(Value::as_str);
    if audiences(claims).count() > 1 && party.is_some_and(|party| !provider.audiences().any(|audience| audience == party)) {
        return Err(TokenError::Refused("it was given to somebody else"));
    }
    Ok(())
}

fn audiences(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let (one, several) = match claims.get("aud") {
        Some(Value::String(audience)) => (Some(audience.as_str()), None),
        Some(Value::Array(audiences)) => (None, Some(audiences)),
        _ => (None, None),
    };
    one.into_iter().chain(several.into_iter().flatten().filter_map(Value::as_str))
}

/// Returns a time in seconds since the epoch; it may have a fraction.
fn seconds(claim: &Value) -> Option<u64> {
    claim.as_u64().or_else(|| {
        let seconds = claim.as_f64().filter(|seconds| (0.0..1e11).contains(seconds))?;
        format!("{:.0}", seconds.floor()).parse().ok()
    })
}
