//! The keys that a provider signs tokens with (JWKS, RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// The most keys of a provider that are used.
const MAX_KEYS: usize = 50;

/// A key of a provider, and the algorithms that it may be used with.
#[derive(Debug, Clone)]
pub(crate) struct ProviderKey {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(crate) key: DecodingKey,
}

const RSA: [Algorithm; 6] = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// Reads a key set. Keys that cannot verify a signature of a token are left out: symmetric ones, those for encryption, and those of a kind
/// that is not known.
pub(crate) fn read(document: &Value) -> Vec<ProviderKey> {
    let keys = document.get("keys").and_then(Value::as_array).into_iter().flatten();
    keys.take(MAX_KEYS).filter_map(provider_key).collect()
}

fn provider_key(value: &Value) -> Option<ProviderKey> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    let is_for_signatures = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let may_verify = jwk.common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !is_for_signatures || !may_verify {
        return None;
    }
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => RSA.to_vec(),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
        _ => return None,
    };
    // A key that names its algorithm is for that one alone.
    if let Some(named) = value.get("alg").and_then(Value::as_str) {
        algorithms.retain(|algorithm| named.parse() == Ok::<_, jsonwebtoken::errors::Error>(*algorithm));
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then_some(ProviderKey { kid: jwk.common.key_id, algorithms, key })
}

/// Returns the keys that a token may be signed with: that of its `kid`, or each key for its algorithm if it has none.
pub(crate) fn candidates<'a>(keys: &'a [ProviderKey], kid: Option<&'a str>, algorithm: Algorithm) -> impl Iterator<Item = &'a ProviderKey> {
    keys.iter().filter(move |key| key.algorithms.contains(&algorithm) && kid.is_none_or(|kid| key.kid.as_deref() == Some(kid)))
}
