//! Service connections: where a registered service is, and the key that its calls carry.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::body_fields::BodyFields;
use crate::id::{ConnectionId, OrgId};
use crate::name::ServiceSlug;
use crate::organisation::CursorSecret;
use crate::path_guard::has_dot_segment;
use crate::problem::FieldErrors;
use crate::secret::{Sealed, SecretKind, SecretPlace};
use crate::time::Time;

/// The services of the platform. Every other slug begins with [`CUSTOM`].
const PLATFORM: [&str; 6] = ["identity", "aml", "anti-fraud", "document-intelligence", "bank-statement", "orchestration"];
const CUSTOM: &str = "custom:";
const MAX_URL_BYTES: usize = 2_048;
const MAX_PATH_BYTES: usize = 512;
/// The fewest bytes of a key. A key that appears in a response is removed from what is stored of it; a shorter key would be removed
/// from ordinary words.
const MIN_KEY_BYTES: usize = 8;
/// The most bytes of a key: KMS encrypts at most 4,096 bytes, and servers accept headers of 8 KB together.
const MAX_KEY_BYTES: usize = 2_048;
const MAX_WORD_BYTES: usize = 64;
/// Headers that describe the request and not the caller. Every call sets its own.
const TAKEN: [&str; 15] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-quantum-trace-id",
];

/// A registered service.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// The id.
    pub id: ConnectionId,
    /// The name within the organisation.
    pub slug: ServiceSlug,
    /// The base URL, to which paths are appended.
    pub base_url: String,
    /// The path of a health check, below the base URL.
    pub health_path: Option<HealthPath>,
    /// The key of the service, unless it needs none.
    pub key: Option<ConnectionKey>,
    /// Whether flows may call through the connection.
    pub active: bool,
    /// When a health check last succeeded.
    pub last_healthy_at: Option<Time>,
    /// When it was last used, to the hour.
    pub last_used_at: Option<Time>,
    /// When it was registered or last replaced.
    pub updated_at: Time,
}

/// The key of a service, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionKey {
    /// The key itself.
    pub sealed: Sealed,
    /// The hash that callers see; see [`key_hash`].
    pub hash: String,
    /// How the key is sent.
    pub carrier: Carrier,
}

impl Connection {
    /// Returns the place that the key of the connection of that name is sealed for.
    pub fn place(org: &OrgId, slug: &ServiceSlug) -> SecretPlace {
        SecretPlace { org: *org, kind: SecretKind::ServiceConnection, name: slug.to_string() }
    }
}

/// How a key is sent: the header, and the scheme before the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carrier {
    /// The name of the header, as it was sent to us.
    pub header: String,
    /// The scheme, such as `Bearer`; none: the header has only the key.
    pub scheme: Option<String>,
}

impl Default for Carrier {
    /// Returns `Authorization: Bearer <key>`.
    fn default() -> Self {
        Self { header: "Authorization".to_owned(), scheme: Some("Bearer".to_owned()) }
    }
}

impl Carrier {
    /// Returns the value of the header.
    pub fn value(&self, key: &SecretString) -> SecretString {
        match &self.scheme {
            Some(scheme) => SecretString::from(format!("{scheme} {}", key.expose_secret())),
            None => key.clone(),
        }
    }

    /// Reads the header and the scheme of a registration. Fails with what is wrong with them.
    pub fn parse(header: Option<&str>, scheme: Option<&str>) -> Result<Self, String> {
        Ok(Self::of(header.map(parse_header).transpose()?, scheme.map(parse_scheme).transpose()?))
    }

    /// Returns the carrier of a registration. `Authorization` has the scheme `Bearer` by default, every other header has none.
    fn of(header: Option<String>, scheme: Option<String>) -> Self {
        let Some(header) = header else { return Self { scheme: scheme.or(Self::default().scheme), ..Self::default() } };
        let usual = header.eq_ignore_ascii_case("authorization").then(|| Self::default().scheme).flatten();
        Self { scheme: scheme.or(usual), header }
    }
}

/// A path below the base URL, perhaps with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthPath(String);

impl HealthPath {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HealthPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error for a text that is not a path for a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a path such as /health: visible ASCII, {MAX_PATH_BYTES} characters at most, begun with `/`, without `\\`, `#`, and segments `.` or `..`"
)]
pub struct BadHealthPath;

impl FromStr for HealthPath {
    type Err = BadHealthPath;

    fn from_str(text: &str) -> Result<Self, BadHealthPath> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
        let fits = text.starts_with('/') && text.len() <= MAX_PATH_BYTES && visible && !has_dot_segment(text);
        if fits { Ok(Self(text.to_owned())) } else { Err(BadHealthPath) }
    }
}

/// A connection as a caller registers it. Each field is valid by itself. Whether the URL may be called is for the egress guard to decide.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// The name.
    pub slug: ServiceSlug,
    /// The base URL.
    pub base_url: String,
    /// The key.
    pub key: SecretString,
    /// How the key is sent.
    pub carrier: Carrier,
    /// The path of a health check.
    pub health_path: Option<HealthPath>,
    /// Whether flows may call through the connection.
    pub active: bool,
}

impl NewConnection {
    /// Reads a body. Fails with all problems at once, each at its path. No problem quotes the key.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut fields = BodyFields::of(body);
        let slug = fields.text("serviceSlug", parse_slug);
        let base_url = fields.text("baseUrl", parse_base_url);
        let key = fields.text("apiKey", parse_key);
        let header = fields.optional_text("authHeader", parse_header);
        let scheme = fields.optional_text("authScheme", parse_scheme);
        let health_path = fields.optional_text("healthPath", |path| path.parse().map_err(|bad: BadHealthPath| bad.to_string()));
        let active = fields.switch("active").unwrap_or(true);
        let errors = fields.finish();
        match (slug, base_url, key) {
            (Some(slug), Some(base_url), Some(key)) if errors.is_empty() => {
                Ok(Self { slug, base_url, key, carrier: Carrier::of(header, scheme), health_path, active })
            }
            _ => Err(errors),
        }
    }

    /// Returns the connection with its sealed key.
    pub fn with_key(self, id: ConnectionId, sealed: Sealed, hash: String, now: Time) -> Connection {
        Connection {
            id,
            slug: self.slug,
            base_url: self.base_url,
            health_path: self.health_path,
            key: Some(ConnectionKey { sealed, hash, carrier: self.carrier }),
            active: self.active,
            last_healthy_at: None,
            last_used_at: None,
            updated_at: now,
        }
    }
}

/// A slug that a connection may be registered under: one of the platform's services, or one's own after `custom:`.
pub fn parse_slug(text: &str) -> Result<ServiceSlug, String> {
    let own = text.strip_prefix(CUSTOM).is_some_and(|name| !name.is_empty() && !name.contains(':'));
    let known = own || PLATFORM.contains(&text);
    known.then(|| text.parse().ok()).flatten().ok_or_else(|| {
        format!(
            "must be one of {}, or `{CUSTOM}` and a name of your own of lower-case letters, digits and `-`, 64 characters at most",
            PLATFORM.join(", ")
        )
    })
}

/// Reads a base URL. Parts other than scheme, host and path are refused: they would be lost, or be a secret that every caller can read.
pub fn parse_base_url(text: &str) -> Result<String, String> {
    if text.len() > MAX_URL_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("must be a URL of at most {MAX_URL_BYTES} visible ASCII characters"));
    }
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = authority.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not have user info before its host; the key belongs into apiKey".to_owned());
    }
    if text.contains('#') { Err("must not have a fragment".to_owned()) } else { Ok(text.to_owned()) }
}

/// A key that can be sent in a header.
pub fn parse_key(text: &str) -> Result<SecretString, String> {
    let fits = (MIN_KEY_BYTES..=MAX_KEY_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| SecretString::from(text))
        .ok_or_else(|| format!("must have {MIN_KEY_BYTES} to {MAX_KEY_BYTES} visible ASCII characters, without blanks or line breaks"))
}

fn parse_header(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let free = is_token(text) && !TAKEN.contains(&lower.as_str());
    if free {
        Ok(text.to_owned())
    } else {
        Err(format!("must be the name of a header, {MAX_WORD_BYTES} characters at most, and none of {}", TAKEN.join(", ")))
    }
}

fn parse_scheme(text: &str) -> Result<String, String> {
    if is_token(text) { Ok(text.to_owned()) } else { Err(format!("must be one word such as Bearer, {MAX_WORD_BYTES} characters at most")) }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_WORD_BYTES).contains(&text.len()) && text.bytes().all(fits)
}

/// Returns the hash of a key that callers see: enough to find out whether two registrations of a connection have the same key, and
/// nothing to guess the key with. It is keyed with a secret of the organisation, so that outsiders cannot try keys on it, however short
/// they are; and with the slug, so that members cannot try keys on a connection of their own.
pub fn key_hash(secret: &CursorSecret, slug: &ServiceSlug, key: &SecretString) -> String {
    // HMAC takes a key of any length, so this never fails.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal()) else { return String::new() };
    // No slug has a NUL in it, and no cursor begins like this.
    for part in ["service-connection-key", slug.as_str()] {
        mac.update(part.as_bytes());
        mac.update(&[0]);
    }
    mac.update(key.expose_secret().as_bytes());
    let mut digits = hex::encode(mac.finalize().into_bytes());
    digits.truncate(16);
    format!("hmac-sha256:{digits}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(changes: &Value) -> Result<NewConnection, FieldErrors> {
        let mut body = json!({"serviceSlug": "custom:crm", "baseUrl": "https://crm.example.com/v2", "apiKey": "sk-12345678"});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        NewConnection::parse(body.as_object().unwrap())
    }

    fn sent(changes: &Value) -> (String, String) {
        let new = read(changes).unwrap();
        (new.carrier.header.clone(), new.carrier.value(&new.key).expose_secret().to_owned())
    }

    #[test]
    fn a_connection_is_read_with_all_its_fields() {
        let new = read(&json!({"healthPath": "/health?deep=1", "active": false, "authHeader": "X-Api-Key"})).unwrap();
        assert_eq!((new.slug.as_str(), new.base_url.as_str(), new.active), ("custom:crm", "https://crm.example.com/v2", false));
        assert_eq!(new.health_path.as_ref().map(HealthPath::as_str), Some("/health?deep=1"));
        assert!(!format!("{new:?}").contains("sk-12345678"));
        let plain = read(&json!({})).unwrap();
        assert_eq!((plain.active, plain.health_path), (true, None));
    }

    #[test]
    fn the_key_is_sent_as_the_registration_says() {
        assert_eq!(sent(&json!({})), ("Authorization".to_owned(), "Bearer sk-12345678".to_owned()));
        assert_eq!(sent(&json!({"authScheme": "Token"})), ("Authorization".to_owned(), "Token sk-12345678".to_owned()));
        assert_eq!(sent(&json!({"authHeader": "authorization"})), ("authorization".to_owned(), "Bearer sk-12345678".to_owned()));
        assert_eq!(sent(&json!({"authHeader": "X-Api-Key"})), ("X-Api-Key".to_owned(), "sk-12345678".to_owned()));
        assert_eq!(sent(&json!({"authHeader": "X-Auth", "authScheme": "Key"})), ("X-Auth".to_owned(), "Key sk-12345678".to_owned()));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_and_the_key_is_not() {
        let errors = read(&json!({
            "serviceSlug": "crm", "baseUrl": "https://ada:secret@crm.example.com", "apiKey": "sk 12345678", "authHeader": "Host",
            "authScheme": "two words", "healthPath": "health", "active": "yes", "apikey": "sk-12345678",
        }))
        .unwrap_err();
        let paths: Vec<&str> = errors.by_path().keys().map(String::as_str).collect();
        assert_eq!(paths, ["active", "apiKey", "apikey", "authHeader", "authScheme", "baseUrl", "healthPath", "serviceSlug"]);
        assert!(!format!("{errors:?}").contains("12345678"));
        let missing = NewConnection::parse(&Map::new()).unwrap_err();
        assert_eq!(missing.by_path().keys().collect::<Vec<_>>(), ["apiKey", "baseUrl", "serviceSlug"]);
    }

    #[test]
    fn a_slug_is_the_platforms_or_ones_own() {
        let longest = format!("custom:{}", "x".repeat(57));
        for good in PLATFORM.into_iter().chain(["custom:crm", "custom:a-1", &longest]) {
            assert_eq!(parse_slug(good).unwrap().as_str(), good);
        }
        let too_long = format!("custom:{}", "x".repeat(58));
        for bad in ["", "crm", "AML", "custom", "custom:", "custom:a:b", "custom:A", "custom: a", "custom:ü", "aml:x", &too_long] {
            assert!(parse_slug(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fields_have_limits() {
        for (field, good, bad) in [
            ("apiKey", "x".repeat(8), "x".repeat(7)),
            ("apiKey", "x".repeat(2_048), "x".repeat(2_049)),
            ("apiKey", "\"quoted\\key\"".to_owned(), "sk-12345678\r\nX-Evil: 1".to_owned()),
            ("baseUrl", format!("https://a.example/{}", "x".repeat(2_030)), format!("https://a.example/{}", "x".repeat(2_031))),
            ("baseUrl", "https://a.example/?api=7".to_owned(), "https://a.example/#x".to_owned()),
            ("baseUrl", "https://a.example/@x".to_owned(), "https://a:b@c.example/".to_owned()),
            ("authHeader", "x".repeat(64), "x".repeat(65)),
            ("authHeader", "X-Key".to_owned(), "X Key".to_owned()),
            ("authHeader", "Cookie".to_owned(), "Idempotency-Key".to_owned()),
            ("authScheme", "x".repeat(64), "x".repeat(65)),
            ("healthPath", format!("/{}", "x".repeat(511)), format!("/{}", "x".repeat(512))),
            ("healthPath", "/a?x=../..".to_owned(), "/a/%2E%2e/b".to_owned()),
            ("healthPath", "/a/...".to_owned(), "/a/..".to_owned()),
        ] {
            assert!(read(&json!({field: good})).is_ok(), "{field}: {good}");
            let errors = read(&json!({field: bad})).unwrap_err();
            assert_eq!(errors.by_path().keys().collect::<Vec<_>>(), [field], "{bad}");
        }
    }

    #[test]
    fn a_hash_of_a_key_tells_keys_connections_and_organisations_apart() {
        let [ours, theirs] = [CursorSecret::of_random(1, 2), CursorSecret::of_random(1, 3)];
        let [crm, erp] = ["custom:crm", "custom:erp"].map(|slug| parse_slug(slug).unwrap());
        let hash = |secret, slug, key: &str| key_hash(secret, slug, &SecretString::from(key));
        let first = hash(&ours, &crm, "sk-12345678");
        // printf 'service-connection-key\0custom:crm\0sk-12345678' | openssl dgst -sha256 -mac hmac -macopt \
        //   hexkey:0000000000000000000000000000000100000000000000000000000000000002 -r | cut -c-16
        assert_eq!(first, "hmac-sha256:94f96af6f8da051e");
        assert_eq!(hash(&ours, &crm, "sk-12345678"), first);
        for other in [hash(&ours, &crm, "sk-12345679"), hash(&ours, &erp, "sk-12345678"), hash(&theirs, &crm, "sk-12345678")] {
            assert_ne!(other, first);
        }
    }
}
