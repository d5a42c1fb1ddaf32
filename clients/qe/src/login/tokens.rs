//! The tokens of a login.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::secret::Secret;

/// A token is refreshed this many seconds before it expires, so that it does not expire on its way.
const MARGIN: u64 = 60;

/// The ID token of a login, which the API takes like a key, and what the next one is obtained with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// The ID token, a JWT.
    pub id_token: Secret,
    /// When the ID token expires, in seconds since 1970.
    pub expires_at: u64,
    /// The refresh token, if the provider has given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
}

impl Tokens {
    /// Returns whether the ID token can be sent at a time.
    pub fn is_valid(&self, now: u64) -> bool {
        now < self.expires_at
    }

    /// Returns whether the ID token is valid for long enough that it need not be refreshed.
    pub fn is_fresh(&self, now: u64) -> bool {
        self.is_valid(now.saturating_add(MARGIN))
    }
}

/// Returns the time in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The claims of an ID token that this program reads. The signature is verified by the API; here the token comes from the token endpoint
/// itself, over TLS (OIDC Core 1.0, section 3.1.3.7).
#[derive(Debug)]
pub struct Claims(Value);

impl Claims {
    /// Reads the payload of a token. Fails if it is not a JWT.
    pub fn of(token: &Secret) -> Result<Self, Failure> {
        let payload = token.expose().split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
        let claims = payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).filter(Value::is_object);
        claims.map(Self).ok_or_else(|| Failure::not_allowed("the ID token of the identity provider cannot be read"))
    }

    /// Returns a claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Returns whether the token is for a client.
    pub fn is_for(&self, client_id: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(audience)) => audience == client_id,
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == client_id),
            _ => false,
        }
    }

    /// Returns the time at which the token expires, in whole seconds since 1970. Fails if it is not in the token.
    pub fn expires_at(&self) -> Result<u64, Failure> {
        let time = self.0.get("exp");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time is positive and far from the limit; `as` saturates"
        )]
        let whole = time.and_then(|time| time.as_u64().or_else(|| time.as_f64().map(|seconds| seconds as u64)));
        whole.ok_or_else(|| Failure::not_allowed("the ID token of the identity provider does not say when it expires"))
    }
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;

    /// Returns a JWT with a payload, without a valid signature.
    pub fn jwt(payload: &Value) -> Secret {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(payload)).into()
    }

    #[test]
    fn a_token_is_refreshed_a_minute_before_it_expires() {
        let tokens = Tokens { id_token: "a.b.c".into(), expires_at: 1_000, refresh_token: None };
        assert!(tokens.is_fresh(939) && !tokens.is_fresh(940));
        assert!(tokens.is_valid(999) && !tokens.is_valid(1_000));
    }

    #[test]
    fn the_claims_of_a_token_are_read() {
        let claims = Claims::of(&jwt(&json!({"exp": 17.9, "aud": ["a", "b"], "sub": "ada"}))).unwrap();
        assert_eq!((claims.expires_at().unwrap(), claims.text("sub"), claims.text("nonce")), (17, Some("ada"), None));
        assert!(claims.is_for("b") && !claims.is_for("c"));
        assert!(Claims::of(&jwt(&json!({"aud": "a"}))).unwrap().expires_at().is_err(), "it has no `exp`");
        for bad in ["", "a.b", "a.!.c", "opaque"] {
            assert!(Claims::of(&bad.into()).is_err(), "{bad}");
        }
        assert!(Claims::of(&jwt(&json!([]))).is_err());
    }
}
