//! The headers of a request, and those of its response.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::json::sha256_hex_of;
use domain::ports::CallContext;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::attempt::Attempt;
use crate::http::credential::Credential;

const TRACE_ID: HeaderName = HeaderName::from_static("x-quantum-trace-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The most bytes of response headers that a step's record keeps; the rest is left out.
const MAX_RECORDED_BYTES: usize = 16 * 1024;
/// Headers whose values are never secret, so that an error may quote them.
const PLAIN: [&str; 4] = ["accept", "accept-language", "content-type", "user-agent"];

/// Returns the headers that the flow chose, and over them those that every request carries. Fails if one cannot be sent.
pub(crate) fn outgoing(
    attempt: &Attempt<'_>,
    chosen: &BTreeMap<String, String>,
    credential: Option<&Credential>,
    json_body: bool,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    if json_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in chosen {
        let header = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is not a header name"))?;
        let mut value = header_value(name, value)?;
        // Any of them may be a credential, so none appears in debug output or in a compression table.
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    if let Some(Credential { header, value, .. }) = credential {
        // Replaces a header of the flow: a call through a connection is made with the connection's key.
        let name = HeaderName::try_from(header.as_str()).map_err(|_| format!("`{header}` is not a header name"))?;
        let mut value = header_value(header, value.expose_secret())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers.insert(TRACE_ID, header_value("X-Quantum-Trace-Id", &attempt.context.trace_id)?);
    headers.insert(IDEMPOTENCY_KEY, header_value("Idempotency-Key", attempt.key())?);
    match trace_parent(attempt.context) {
        Some(parent) => headers.insert(TRACE_PARENT, header_value("traceparent", &parent)?),
        // A flow must not continue a trace that is not the run's.
        None => headers.remove(TRACE_PARENT),
    };
    Ok(headers)
}

/// The values that must not appear in an error.
pub(crate) fn secrets(chosen: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    let secret = |name: &String| !PLAIN.contains(&name.to_ascii_lowercase().as_str());
    chosen.iter().filter(move |(name, _)| secret(name)).map(|(_, value)| value.as_str())
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| format!("the value of header `{name}` has a line break or another control character"))
}

/// The `traceparent` of W3C Trace Context: the run is the trace, the step is the parent span, so that repeated attempts are
/// recognised as one. `None` if the trace id has another form.
fn trace_parent(context: &CallContext) -> Option<String> {
    let trace = &context.trace_id;
    let hex = trace.len() == 32 && trace.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let zero = trace.bytes().all(|byte| byte == b'0');
    let hash = sha256_hex_of(context.idempotency_key.as_bytes());
    let span = hash.get(..16)?;
    (hex && !zero).then(|| format!("00-{trace}-{span}-01"))
}

/// The headers of a response as the step records them: names in lower case, repeated ones joined, without cookies, which can be
/// credentials.
pub(crate) fn recorded(headers: &HeaderMap) -> Value {
    let mut recorded = Map::new();
    let mut bytes = 0;
    for name in headers.keys().filter(|name| **name != SET_COOKIE) {
        let values: Vec<_> = headers.get_all(name).iter().map(|value| text(value.as_bytes())).collect();
        let value = values.join(", ");
        bytes += name.as_str().len() + value.len();
        if bytes > MAX_RECORDED_BYTES {
            break;
        }
        recorded.insert(name.as_str().to_owned(), Value::from(value));
    }
    Value::Object(recorded)
}

/// The text of a header's value: UTF-8, and if it is not, ISO-8859-1, which is what bytes beyond ASCII meant in HTTP before (RFC 9110,
/// section 5.5).
fn text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.iter().map(|byte| char::from(*byte)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::OrgId;
    use domain::time::Time;

    fn context(trace_id: &str) -> CallContext {
        CallContext {
            covered: Vec::new(),
            org: OrgId::new(Time::from_millis(1), 1),
            trace_id: trace_id.to_owned(),
            idempotency_key: "stp_1".to_owned(),
            timeout_seconds: 1,
        }
    }

    #[test]
    fn the_trace_parent_names_the_run_and_the_step() {
        // printf stp_1 | sha256sum | cut -c1-16
        let expected = "00-0af7651916cd43dd8448eb211c80319c-5200777f0a9bdac8-01";
        assert_eq!(trace_parent(&context("0af7651916cd43dd8448eb211c80319c")).as_deref(), Some(expected));
        for other in ["", "run_1", "00000000000000000000000000000000", "0AF7651916CD43DD8448EB211C80319C"] {
            assert_eq!(trace_parent(&context(other)), None, "{other}");
        }
    }

    #[test]
    fn the_platform_s_headers_replace_those_of_the_flow() {
        let chosen = BTreeMap::from([
            ("Idempotency-Key".to_owned(), "mine".to_owned()),
            ("traceparent".to_owned(), "mine".to_owned()),
            ("content-type".to_owned(), "application/merge-patch+json".to_owned()),
        ]);
        let headers = outgoing(&Attempt::begin(&context("t")), &chosen, None, true).unwrap();
        assert_eq!(headers.get("idempotency-key").unwrap(), "stp_1");
        assert_eq!(headers.get("traceparent"), None);
        assert_eq!(headers.get("content-type").unwrap(), "application/merge-patch+json");
    }

    #[test]
    fn a_value_that_would_start_a_new_header_is_refused_and_not_repeated() {
        let chosen = BTreeMap::from([("X-Note".to_owned(), "a\r\nX-Evil: 1".to_owned())]);
        let error = outgoing(&Attempt::begin(&context("t")), &chosen, None, true).unwrap_err();
        assert_eq!(error, "the value of header `X-Note` has a line break or another control character");
    }

    #[test]
    fn recorded_headers_are_bounded_joined_and_without_cookies() {
        let mut headers = HeaderMap::new();
        headers.append("via", HeaderValue::from_static("a"));
        headers.append("via", HeaderValue::from_static("b"));
        headers.append("set-cookie", HeaderValue::from_static("session=1"));
        headers.append("x-long", HeaderValue::from_str(&"x".repeat(MAX_RECORDED_BYTES)).unwrap());
        assert_eq!(recorded(&headers), serde_json::json!({"via": "a, b"}));
    }

    #[test]
    fn a_header_beyond_ascii_is_utf_8_or_iso_8859_1() {
        let mut headers = HeaderMap::new();
        headers.insert("x-city", HeaderValue::from_bytes("Zürich".as_bytes()).unwrap());
        headers.insert("x-old", HeaderValue::from_bytes(b"Z\xfcrich").unwrap());
        assert_eq!(recorded(&headers), serde_json::json!({"x-city": "Zürich", "x-old": "Zürich"}));
    }
}
