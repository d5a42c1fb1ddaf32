//! A response as it was received, and what a step makes of it.

use std::time::SystemTime;

use domain::ports::EffectError;
use domain::step::ResponseHead;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

use crate::failure::{Target, is_retryable_status, parse_retry_after, permanent};
use crate::http::headers;

/// A complete response, of any status.
#[derive(Debug)]
pub(crate) struct ReceivedResponse {
    pub(crate) target: Target,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The whole body of a 2xx; of any other status as much as an error can use.
    pub(crate) body: Vec<u8>,
}

impl ReceivedResponse {
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
        let quoted = self.target.quote(&String::from_utf8_lossy(&self.body));
        let mut message = if quoted.is_empty() { "nothing more".to_owned() } else { quoted };
        if (300..400).contains(&self.status) {
            message.push_str(" (redirects are not followed: call the address itself)");
        }
        Err(self.failure(&message))
    }

    /// Returns the step's error for a response of this status; `message` is the response's own text.
    pub(crate) fn failure(&self, message: &str) -> EffectError {
        let retryable = is_retryable_status(self.status);
        let asked = self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        EffectError {
            message: self.target.describe(&format!("answered {}: {message}", self.status)),
            retryable,
            retry_after_seconds: asked.filter(|_| retryable).and_then(|value| parse_retry_after(value, SystemTime::now())),
            answer: Some(self.head()),
        }
    }

    /// Returns the step's error for a response that cannot be used although its status is a 2xx.
    pub(crate) fn unusable(&self, why: &str) -> EffectError {
        EffectError { answer: Some(self.head()), ..permanent(self.target.describe(&format!("answered {}, but {why}", self.status))) }
    }

    /// Returns the body as JSON: parsed if it is JSON, a string if it is not, null if there is none.
    pub(crate) fn body(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        let media = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        // `text/plain` with `007` or `true` in it is text. Objects and arrays are parsed under any media type: too many services
        // send JSON as text.
        let text = media.to_ascii_lowercase().starts_with("text/") && !matches!(first, Some(b'{' | b'['));
        let parsed = if text { None } else { serde_json::from_slice(&self.body).ok() };
        parsed.unwrap_or_else(|| Value::from(String::from_utf8_lossy(&self.body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;
    use serde_json::json;

    #[test]
    fn a_body_is_json_text_or_nothing() {
        for (media, body, expected) in [
            ("application/json", r#"{"a":1}"#, json!({"a": 1})),
            ("application/json", "17", json!(17)),
            ("application/problem+json; charset=utf-8", "[1]", json!([1])),
            ("application/json", "{broken", json!("{broken")),
            ("application/json", "", Value::Null),
            ("", r#"{"a":1}"#, json!({"a": 1})),
            ("text/plain", "007", json!("007")),
            ("text/plain", "true", json!("true")),
            ("Text/HTML", " {\"a\":1}", json!({"a": 1})),
            ("text/csv", "a,b", json!("a,b")),
            ("application/xml", "<a/>", json!("<a/>")),
        ] {
            let mut headers = HeaderMap::new();
            if !media.is_empty() {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
            }
            let target = Target::new("GET", &"https://a/".parse().unwrap(), std::iter::empty());
            let received = ReceivedResponse { target, status: 200, headers, body: body.as_bytes().to_vec() };
            assert_eq!(received.body(), expected, "{media}: {body}");
        }
    }
}
