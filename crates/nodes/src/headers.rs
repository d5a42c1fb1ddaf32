//! The headers of a call, and those of its answer.

use std::collections::BTreeMap;

use domain::json::sha256_hex_of;
use domain::ports::CallContext;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::attempt::Attempt;
use crate::credential::Credential;

const TRACE_ID: HeaderName = HeaderName::from_static("x-quantum-trace-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// A step's record holds the headers of the answer beside much else: an answer with more than this is cut short.
const MAX_KEPT_BYTES: usize = 16 * 1024;
/// Headers whose values are never secret: quoting them back is harmless.
const PLAIN: [&str; 4] = ["accept", "accept-language", "content-type", "user-agent"];

/// What the flow asks for, and over it what every call carries.
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
        // Any of them may be a credential: none shows up in debug output or in a compression table.
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    if let Some(Credential { header, value, .. }) = credential {
        // Over what the flow says: who calls through a connection calls with its key.
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

/// The values that must not appear in a message.
pub(crate) fn secrets(chosen: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    let secret = |name: &String| !PLAIN.contains(&name.to_ascii_lowercase().as_str());
    chosen.iter().filter(move |(name, _)| secret(name)).map(|(_, value)| value.as_str())
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| format!("the value of header `{name}` has a line break or another control character"))
}

/// W3C Trace Context: the run is the trace, the step is the parent span, so that repeated attempts are recognised as one.
/// A trace id of another form cannot be written this way.
fn trace_parent(context: &CallContext) -> Option<String> {
    let trace = &context.trace_id;
    let hex = trace.len() == 32 && trace.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let zero = trace.bytes().all(|byte| byte == b'0');
    let hash = sha256_hex_of(context.idempotency_key.as_bytes());
    let span = hash.get(..16)?;
    (hex && !zero).then(|| format!("00-{trace}-{span}-01"))
}

/// The headers of an answer for its step: names in lower case, repeated ones joined, cookies left out, since they log in.
pub(crate) fn kept(headers: &HeaderMap) -> Value {
    let mut kept = Map::new();
    let mut bytes = 0;
    for name in headers.keys().filter(|name| **name != SET_COOKIE) {
        let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let value = values.join(", ");
        bytes += name.as_str().len() + value.len();
        if bytes > MAX_KEPT_BYTES {
            break;
        }
        kept.insert(name.as_str().to_owned(), Value::from(value));
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::OrgId;
    use domain::time::Time;

    fn context(trace_id: &str) -> CallContext {
        CallContext {
            org: OrgId::new(Time::from_millis(1), 1),
            trace_id: trace_id.to_owned(),
            idempotency_key: "stp_1".to_owned(),
            timeout_seconds: 1,
        }
    }

    #[test]
    fn the_trace_parent_names_run_and_step() {
        // printf stp_1 | sha256sum | cut -c1-16
        let expected = "00-0af7651916cd43dd8448eb211c80319c-5200777f0a9bdac8-01";
        assert_eq!(trace_parent(&context("0af7651916cd43dd8448eb211c80319c")).as_deref(), Some(expected));
        for other in ["", "run_1", "00000000000000000000000000000000", "0AF7651916CD43DD8448EB211C80319C"] {
            assert_eq!(trace_parent(&context(other)), None, "{other}");
        }
    }

    #[test]
    fn what_the_platform_sets_wins_over_the_flow() {
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
    fn kept_headers_are_bounded_joined_and_without_cookies() {
        let mut headers = HeaderMap::new();
        headers.append("via", HeaderValue::from_static("a"));
        headers.append("via", HeaderValue::from_static("b"));
        headers.append("set-cookie", HeaderValue::from_static("session=1"));
        headers.append("x-long", HeaderValue::from_str(&"x".repeat(MAX_KEPT_BYTES)).unwrap());
        assert_eq!(kept(&headers), serde_json::json!({"via": "a, b"}));
    }
}
