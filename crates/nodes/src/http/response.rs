//! A response as it was received, and what a step makes of it.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ports::EffectError;
use domain::step::{MAX_OUTPUT_BYTES, ResponseHead};
use exact_json::ReadError;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::{Value, json};

use crate::failure::{Target, is_retryable_status, parse_retry_after, permanent};
use crate::http::content::{Content, MediaType};
use crate::http::credential::Credential;
use crate::http::headers;

/// A complete response, of any status.
#[derive(Debug)]
pub(crate) struct ReceivedResponse {
    pub(crate) target: Target,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    media: MediaType,
    content: Content,
}

impl ReceivedResponse {
    /// Decodes the body: the whole one of a 2xx, and of any other status as much as an error can use. `credential` is removed from
    /// what is kept of it.
    pub(crate) fn new(target: Target, status: u16, mut headers: HeaderMap, body: Vec<u8>, credential: Option<&Credential>) -> Self {
        let media = MediaType::of(&headers);
        let mut content = Content::decode(&headers, &media, body, MAX_OUTPUT_BYTES, (200..300).contains(&status));
        if let Some(credential) = credential {
            credential.redact_headers(&mut headers);
            content = match content {
                Content::Text(text) => {
                    let mut bytes = text.into_bytes();
                    credential.redact_body(&mut bytes);
                    // The key is text, and so is what replaces it: this is still UTF-8.
                    Content::Text(String::from_utf8(bytes).unwrap_or_default())
                }
                Content::Binary(mut bytes) => {
                    credential.redact_body(&mut bytes);
                    Content::Binary(bytes)
                }
                other => other,
            };
        }
        Self { target, status, headers, media, content }
    }

    /// Returns the status and the headers, as the step records them.
    pub(crate) fn head(&self) -> ResponseHead {
        ResponseHead { status: self.status, headers: headers::recorded(&self.headers) }
    }

    /// Whether the status is 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns the response if its status is 2xx. Fails with the step's error if it is not.
    pub(crate) fn success(self) -> Result<Self, EffectError> {
        if self.is_success() {
            return Ok(self);
        }
        let quoted = self.quoted();
        let mut message = if quoted.is_empty() { "nothing more".to_owned() } else { quoted };
        if (300..400).contains(&self.status) {
            message.push_str(" (redirects are not followed: call the address itself)");
        }
        Err(self.failure(&message))
    }

    /// Returns the step's error for a response of this status; `message` is the response's own text.
    pub(crate) fn failure(&self, message: &str) -> EffectError {
        let retryable = is_retryable_status(self.status);
        EffectError {
            message: self.target.describe(&format!("answered {}: {message}", self.status)),
            retryable,
            retry_after_seconds: self.retry_after().filter(|_| retryable),
            answer: Some(self.head()),
        }
    }

    /// The seconds after which the response asks for another attempt.
    fn retry_after(&self) -> Option<u64> {
        let value = self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok())?;
        parse_retry_after(value, SystemTime::now())
    }

    /// Returns the step's error for a response that cannot be used although its status is a 2xx.
    pub(crate) fn unusable(&self, why: &str) -> EffectError {
        EffectError { answer: Some(self.head()), ..permanent(self.target.describe(&format!("answered {}, but {why}", self.status))) }
    }

    /// The same for a response after which another attempt may help.
    pub(crate) fn unusable_for_now(&self, why: &str) -> EffectError {
        EffectError { retryable: true, retry_after_seconds: self.retry_after(), ..self.unusable(why) }
    }

    /// Returns the body as text; an empty one if there is none. Fails with the reason if the body is not text.
    pub(crate) fn text(&self) -> Result<&str, String> {
        match &self.content {
            Content::Empty => Ok(""),
            Content::Text(text) => Ok(text),
            Content::Binary(_) => Err(format!("its body is not text but binary ({})", self.media_name())),
            Content::Invalid(why) => Err(why.clone()),
        }
    }

    /// The body as an error quotes it.
    pub(crate) fn quoted(&self) -> String {
        match self.text() {
            Ok(text) => self.target.quote(text),
            Err(why) => format!("a body that cannot be shown: {why}"),
        }
    }

    /// Returns the body as JSON: parsed if it is JSON, a string if it is other text, null if there is none. Binary is an object that
    /// says so and holds the bytes in base64. Fails if the body cannot be decoded, if its media type promises JSON and it is not, or
    /// if it is JSON with a number that would change its value.
    pub(crate) fn body(&self) -> Result<Value, EffectError> {
        self.read_body().map_err(|why| self.unusable(&why))
    }

    /// The same, with the reason alone as the error.
    pub(crate) fn read_body(&self) -> Result<Value, String> {
        let text = match &self.content {
            Content::Empty => return Ok(Value::Null),
            Content::Invalid(why) => return Err(why.clone()),
            Content::Binary(bytes) => {
                let (media, count) = (self.media_name(), bytes.len());
                return Ok(json!({"encoding": "base64", "mediaType": media, "bytes": count, "data": STANDARD.encode(bytes)}));
            }
            Content::Text(text) => text,
        };
        if self.media.is_json() {
            if text.trim().is_empty() {
                return Ok(Value::Null);
            }
            return exact_json::read(text.as_bytes()).map_err(|why| match why {
                ReadError::Syntax(why) => {
                    format!("its Content-Type promises JSON and its body is not JSON ({why}): {}", self.target.quote(text))
                }
                why @ (ReadError::Number(_) | ReadError::TooDeep) => format!("its body {why}"),
            });
        }
        // `text/plain` with `007` or `true` in it is text. Objects and arrays are parsed under any media type: too many services
        // send JSON as text.
        let is_structure = text.trim_start().starts_with(['{', '[']);
        let is_plain = self.media.essence.starts_with("text/") && !is_structure;
        match exact_json::read(text.as_bytes()) {
            Ok(value) if !is_plain => Ok(value),
            Err(why @ (ReadError::Number(_) | ReadError::TooDeep)) if !is_plain => Err(format!("its body {why}")),
            _ => Ok(Value::from(text.as_str())),
        }
    }

    fn media_name(&self) -> &str {
        if self.media.essence.is_empty() { "application/octet-stream" } else { &self.media.essence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{CONTENT_TYPE, HeaderValue};

    fn received(media: &str, body: &[u8]) -> ReceivedResponse {
        let mut headers = HeaderMap::new();
        if !media.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(media).unwrap());
        }
        let target = Target::new("GET", &"https://a/".parse().unwrap(), std::iter::empty());
        ReceivedResponse::new(target, 200, headers, body.to_vec(), None)
    }

    #[test]
    fn a_body_is_json_text_or_nothing() {
        for (media, body, expected) in [
            ("application/json", r#"{"a":1}"#, json!({"a": 1})),
            ("application/json", "17", json!(17)),
            ("application/problem+json; charset=utf-8", "[1]", json!([1])),
            ("application/json", "", Value::Null),
            ("application/json", " \n", Value::Null),
            ("", r#"{"a":1}"#, json!({"a": 1})),
            ("", "{broken", json!("{broken")),
            ("text/plain", "007", json!("007")),
            ("text/plain", "true", json!("true")),
            ("Text/HTML", " {\"a\":1}", json!({"a": 1})),
            ("text/csv", "a,b", json!("a,b")),
            ("application/xml", "<a/>", json!("<a/>")),
        ] {
            assert_eq!(received(media, body.as_bytes()).body().unwrap(), expected, "{media}: {body}");
        }
    }

    #[test]
    fn a_body_that_breaks_the_promise_of_json_is_an_error() {
        for media in ["application/json", "application/vnd.api+json", "text/json"] {
            for body in ["{broken", "<html>login</html>", "{\"a\":1}{\"a\":2}", "NaN"] {
                let error = received(media, body.as_bytes()).body().unwrap_err();
                assert!(!error.retryable && error.message.contains("promises JSON and its body is not JSON"), "{error}");
                assert!(error.message.contains(body), "{error}");
            }
        }
    }

    #[test]
    fn a_number_that_would_change_its_value_fails_the_step_with_its_path() {
        for media in ["application/json", "text/plain", ""] {
            let error = received(media, br#"{"id": 12345678901234567890, "large": [18446744073709551616]}"#).body().unwrap_err();
            assert!(
                error.message.contains("its body has a number at `large[0]` that would change its value: 18446744073709551616"),
                "{error}"
            );
            assert!(!error.retryable, "another attempt would get the same number");
        }
        assert_eq!(received("text/plain", b"18446744073709551616").body().unwrap(), json!("18446744073709551616"));
    }

    #[test]
    fn binary_is_marked_and_keeps_every_byte() {
        let body = received("image/png", b"\x89PNG\0").body().unwrap();
        assert_eq!(body, json!({"encoding": "base64", "mediaType": "image/png", "bytes": 5, "data": "iVBORwA="}));
        assert_eq!(received("", b"\xff\0").body().unwrap()["mediaType"], "application/octet-stream");
    }
}
