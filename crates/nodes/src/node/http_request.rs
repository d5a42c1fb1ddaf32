//! `http_request`: calls a URL.

use domain::network::PrivateNetworks;
use domain::path_guard::is_dot_segment;
use domain::ports::{Effect, EffectError};
use domain::request::HttpCall;
use serde_json::json;
use url::Url;

use crate::attempt::Attempt;
use crate::failure::permanent;
use crate::http::client::{Client, StepRequest};
use crate::http::response::ReceivedResponse;

/// Sends the request. The output is the status, the headers and the body. Any status but a 2xx fails the step, with the status in
/// the message and on the step, as in a `service_call`: a flow that is to continue says so with `onError`, and cannot continue
/// by accident.
pub(crate) async fn perform(
    client: &Client,
    networks: &impl PrivateNetworks,
    attempt: &Attempt<'_>,
    request: &HttpCall,
) -> Result<Effect, EffectError> {
    let received = send(client, networks, attempt, request).await?;
    let head = received.head();
    let output = json!({"status": head.status, "headers": head.headers, "body": received.body()?});
    Ok(Effect { output, answer: Some(head) })
}

/// Sends a request to the URL that the flow gives, and returns its response if that is a 2xx.
pub(super) async fn send(
    client: &Client,
    networks: &impl PrivateNetworks,
    attempt: &Attempt<'_>,
    request: &HttpCall,
) -> Result<ReceivedResponse, EffectError> {
    let url = Url::parse(&request.url)
        .map_err(|why| permanent(format!("`url` is not an absolute URL such as https://api.example.com/path: {why}")))?;
    if has_encoded_dots(&request.url) {
        // URL parsers resolve `%2E%2E` like `..`, so this value would call another path than the flow says.
        return Err(permanent("`url` has a value of `.` or `..` in its path, which would change what is called; check the value"));
    }
    let call = StepRequest { method: &request.method, url, headers: &request.headers, credential: None, body: request.body.as_ref() };
    client.send(networks, attempt, call).await?.success()
}

/// Whether a path segment is `.` or `..` with its dots encoded. No author writes that; a template makes it of such a value.
fn has_encoded_dots(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split(['/', '\\']).any(|segment| is_dot_segment(segment) && segment.contains('%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_dot_segments_are_found_in_the_path_only() {
        for url in ["https://a/x/%2E%2E/y", "https://a/%2e", "https://a/.%2e?x=1"] {
            assert!(has_encoded_dots(url), "{url}");
        }
        for url in ["https://a/x/../y", "https://a/x%2E%2Ey", "https://a/%2E%2E%2E", "https://a/?x=/%2E%2E/", "https://a/#/%2E%2E"] {
            assert!(!has_encoded_dots(url), "{url}");
        }
    }
}
