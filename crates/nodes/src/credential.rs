//! The key that a request carries, and nothing that is kept of the answer may.

use domain::connection::Carrier;
use memchr::memmem;
use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

/// What a key is replaced by.
const STRUCK: &str = "***";

/// A key, and how it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// The header's name.
    pub(crate) header: String,
    /// Its value.
    pub(crate) value: SecretString,
    key: SecretString,
}

impl Credential {
    pub(crate) fn new(carrier: &Carrier, key: SecretString) -> Self {
        Self { header: carrier.header.clone(), value: carrier.value(&key), key }
    }

    /// The key as it may come back: as it is, and as it stands in JSON.
    fn forms(&self) -> Vec<String> {
        let key = self.key.expose_secret();
        let quoted = serde_json::Value::from(key).to_string();
        let in_json = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
        if in_json == key { vec![key.to_owned()] } else { vec![key.to_owned(), in_json.to_owned()] }
    }

    /// A service may send back what it got, and whoever may read a step may not for that reason read the key.
    pub(crate) fn strike_from_body(&self, body: &mut Vec<u8>) {
        for form in self.forms() {
            if let Some(struck) = strike(body, form.as_bytes()) {
                *body = struck;
            }
        }
    }

    /// The same for the headers of an answer.
    pub(crate) fn strike_from_headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let struck = strike(value.as_bytes(), self.key.expose_secret().as_bytes());
            if let Some(struck) = struck.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()) {
                *value = struck;
            }
        }
    }
}

/// The bytes without the secret, if it is in them.
fn strike(bytes: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let mut places = memmem::find_iter(bytes, secret).peekable();
    places.peek()?;
    let mut struck = Vec::with_capacity(bytes.len());
    let mut rest = 0;
    for place in places {
        struck.extend_from_slice(bytes.get(rest..place)?);
        struck.extend_from_slice(STRUCK.as_bytes());
        rest = place + secret.len();
    }
    struck.extend_from_slice(bytes.get(rest..)?);
    Some(struck)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(key: &str, body: &str) -> String {
        let mut body = body.as_bytes().to_vec();
        Credential::new(&Carrier::default(), SecretString::from(key)).strike_from_body(&mut body);
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn the_key_is_struck_out_wherever_it_stands() {
        assert_eq!(
            struck("sk-12345678", r#"["Bearer sk-12345678","sk-12345678sk-12345678","sk-1234567"]"#),
            r#"["Bearer ***","******","sk-1234567"]"#
        );
        assert_eq!(struck(r#"a"b\c12345"#, r#"{"k":"a\"b\\c12345","raw":a"b\c12345}"#), r#"{"k":"***","raw":***}"#);
        assert_eq!(struck("sk-12345678", "nothing"), "nothing");
        assert_eq!(struck("sk-12345678", ""), "");
    }

    #[test]
    fn headers_are_cleaned_and_the_value_is_never_shown() {
        let credential = Credential::new(&Carrier::default(), SecretString::from("sk-12345678"));
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", HeaderValue::from_static("Bearer sk-12345678"));
        credential.strike_from_headers(&mut headers);
        assert_eq!(headers.get("x-echo").unwrap(), "Bearer ***");
        assert_eq!(credential.value.expose_secret(), "Bearer sk-12345678");
        assert!(!format!("{credential:?}").contains("12345678"));
    }
}
