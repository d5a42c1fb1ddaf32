//! Signatures of webhooks, inbound and outbound: `sha256=` and the HMAC-SHA256 of the raw body, in hex.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The beginning of every signature.
const SCHEME: &str = "sha256=";

/// Returns the signature of `body`, which the header `X-Quantum-Signature` carries.
pub fn sign(secret: &SecretString, body: &[u8]) -> String {
    let tag = mac(secret, body).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    format!("{SCHEME}{}", hex::encode(tag))
}

/// Returns whether `signature` is that of `body`. It takes the same time for a wrong signature, wherever it differs.
pub fn verify(secret: &SecretString, body: &[u8], signature: &str) -> bool {
    let tag = signature.strip_prefix(SCHEME).and_then(|digits| hex::decode(digits).ok()).unwrap_or_default();
    // `verify_slice` compares in constant time, and refuses a tag of another length.
    mac(secret, body).is_some_and(|mac| mac.verify_slice(&tag).is_ok())
}

fn mac(secret: &SecretString, body: &[u8]) -> Option<Hmac<Sha256>> {
    // HMAC takes a key of any length, so this never fails.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with OpenSSL: `printf '%s' "$body" | openssl dgst -sha256 -hmac "$secret"`.
    const VECTORS: &[(&str, &str, &str)] = &[
        ("whsec_abcdefghijklmnopqrstuvwxyz234567", r#"{"ticket":7}"#, "2ef9f818640cf4b47c4875c9136ec1fc66e4f77336294873ed739c33068290af"),
        ("whsec_abcdefghijklmnopqrstuvwxyz234567", "", "cdc6636e87ae2251d69977556882a1cd8b24f2c502caa5c76ab7c324d1e691ac"),
        ("k", r#"{"name":"Grüße, 世界"}"#, "41145f160933ca8b6c8bd3a1553f7c21c42e84d3fc9ae6f2183445219d8ce8e6"),
        (
            "a key that is longer than the sixty-four bytes of a block of SHA-256, and so is hashed first",
            "{\"a\": 1,\n \"b\": [true, null]}",
            "5629408afa355a91d435145acce09e1eea9c4c56da2089706c31cdaef3b7bfb9",
        ),
    ];

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn signatures_are_those_of_another_implementation() {
        for (key, body, digest) in VECTORS {
            let signature = format!("sha256={digest}");
            assert_eq!(sign(&secret(key), body.as_bytes()), signature, "{key} {body}");
            assert!(verify(&secret(key), body.as_bytes(), &signature));
            // Hex is hex, however it is written.
            assert!(verify(&secret(key), body.as_bytes(), &format!("sha256={}", digest.to_uppercase())));
        }
    }

    #[test]
    fn a_signature_that_differs_is_refused() {
        let good = sign(&secret("key"), b"body");
        assert!(verify(&secret("key"), b"body", &good));
        assert!(!verify(&secret("other"), b"body", &good));
        assert!(!verify(&secret("key"), b"body ", &good));
        let digits = good.strip_prefix("sha256=").unwrap();
        for bad in [
            String::new(),
            "sha256=".to_owned(),
            digits.to_owned(),
            format!("sha1={digits}"),
            format!("SHA256={digits}"),
            format!("sha256={}", &digits[2..]),
            format!("sha256={digits}00"),
            format!("sha256={digits} "),
            format!("sha256={}", "0".repeat(64)),
            format!("sha256={}", "z".repeat(64)),
        ] {
            assert!(!verify(&secret("key"), b"body", &bad), "{bad}");
        }
    }
}
