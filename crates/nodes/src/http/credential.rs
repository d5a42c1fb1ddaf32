//! The key that a request carries, and its removal from everything that is kept of the response.

use domain::connection::Carrier;
use memchr::memmem;
use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

/// The text that replaces a key.
const REDACTED: &str = "***";

/// A key, and the header that carries it.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// The header's name.
    pub(crate) header: String,
    /// The header's value.
    pub(crate) value: SecretString,
    key: SecretString,
}

impl Credential {
    /// The credential that sends `key` as `carrier` says.
    pub(crate) fn new(carrier: &Carrier, key: SecretString) -> Self {
        Self { header: carrier.header.clone(), value: carrier.value(&key), key }
    }

    /// The forms in which the key may come back: as it is, and as JSON escapes it.
    fn forms(&self) -> Vec<String> {
        let key = self.key.expose_secret();
        let quoted = serde_json::Value::from(key).to_string();
        let in_json = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
        if in_json == key { vec![key.to_owned()] } else { vec![key.to_owned(), in_json.to_owned()] }
    }

    /// Removes the key from a body: a service may send back what it got, and a reader of the step must not get the key that way.
    pub(crate) fn redact_body(&self, body: &mut Vec<u8>) {
        for form in self.forms() {
            if let Some(redacted) = redact(body, form.as_bytes()) {
                *body = redacted;
            }
        }
    }

    /// Removes the key from the headers of a response.
    pub(crate) fn redact_headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let redacted = redact(value.as_bytes(), self.key.expose_secret().as_bytes());
            if let Some(redacted) = redacted.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()) {
                *value = redacted;
            }
        }
    }
}

/// Returns the bytes without the secret; `None` if it is not in them.
fn redact(bytes: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let mut places = memmem::find_iter(bytes, secret).peekable();
    places.peek()?;
    let mut redacted = Vec::with_capacity(bytes.len());
    let mut rest = 0;
    for place in places {
        redacted.extend_from_slice(bytes.get(rest..place)?);
        redacted.extend_from_slice(REDACTED.as_bytes());
        rest = place + secret.len();
    }
    redacted.extend_from_slice(bytes.get(rest..)?);
    Some(redacted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(key: &str, body: &str) -> String {
        let mut body = body.as_bytes().to_vec();
        Credential::new(&Carrier::default(), SecretString::from(key)).redact_body(&mut body);
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn the_key_is_removed_from_every_place_in_a_body() {
        assert_eq!(
            redacted("sk-12345678", r#"["Bearer sk-12345678","sk-12345678sk-12345678","sk-1234567"]"#),
            r#"["Bearer ***","******","sk-1234567"]"#
        );
        assert_eq!(redacted(r#"a"b\c12345"#, r#"{"k":"a\"b\\c12345","raw":a"b\c12345}"#), r#"{"k":"***","raw":***}"#);
        assert_eq!(redacted("sk-12345678", "nothing"), "nothing");
        assert_eq!(redacted("sk-12345678", ""), "");
    }

    #[test]
    fn the_key_is_removed_from_headers_and_from_debug_output() {
        let credential = Credential::new(&Carrier::default(), SecretString::from("sk-12345678"));
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", HeaderValue::from_static("Bearer sk-12345678"));
        credential.redact_headers(&mut headers);
        assert_eq!(headers.get("x-echo").unwrap(), "Bearer ***");
        assert_eq!(credential.value.expose_secret(), "Bearer sk-12345678");
        assert!(!format!("{credential:?}").contains("12345678"));
    }
}
