//! `http_request` and `http_sink`: call a URL.

use domain::network::PrivateNetworks;
use domain::path_guard::is_dot_segment;
use domain::ports::{Effect, EffectError};
use domain::request::HttpCall;
use serde_json::json;
use url::Url;

use crate::attempt::Attempt;
use crate::failure::hopeless;
use crate::http::{Call, Client};
use crate::received::Received;

/// Output: status, headers and body. Anything but a 2xx fails the step, with the status in the message and on the step, as it does
/// for a `service_call`: a flow that means to go on says so with `onError`, and cannot go on by accident.
pub(crate) async fn call(
    client: &Client,
    networks: &impl PrivateNetworks,
    attempt: &Attempt<'_>,
    request: &HttpCall,
) -> Result<Effect, EffectError> {
    let received = send(client, networks, attempt, request).await?;
    let answer = received.answer();
    let output = json!({"status": answer.status, "headers": answer.headers, "body": received.body()});
    Ok(Effect { output, answer: Some(answer) })
}

/// Output: the status, which is a 2xx. What else the answer says is nobody's concern.
pub(crate) async fn deliver(
    client: &Client,
    networks: &impl PrivateNetworks,
    attempt: &Attempt<'_>,
    request: &HttpCall,
) -> Result<Effect, EffectError> {
    let answer = send(client, networks, attempt, request).await?.answer();
    Ok(Effect { output: json!({"status": answer.status}), answer: Some(answer) })
}

async fn send(
    client: &Client,
    networks: &impl PrivateNetworks,
    attempt: &Attempt<'_>,
    request: &HttpCall,
) -> Result<Received, EffectError> {
    let url = Url::parse(&request.url)
        .map_err(|why| hopeless(format!("`url` is not an absolute URL such as https://api.example.com/path: {why}")))?;
    if has_encoded_dots(&request.url) {
        // URLs resolve `%2E%2E` like `..`, so this value would call something else than the flow says.
        return Err(hopeless("`url` has a value of `.` or `..` in its path, which would change what is called; check the value"));
    }
    let call = Call { method: &request.method, url, headers: &request.headers, credential: None, body: request.body.as_ref() };
    client.send(networks, attempt, call).await?.success()
}

/// Whether a path segment is `.` or `..` with its dots encoded. Nobody writes that; it is what a template makes of such a value.
fn has_encoded_dots(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split(['/', '\\']).any(|segment| is_dot_segment(segment) && segment.contains('%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_dot_segments_are_noticed_in_the_path_only() {
        for url in ["https://a/x/%2E%2E/y", "https://a/%2e", "https://a/.%2e?x=1"] {
            assert!(has_encoded_dots(url), "{url}");
        }
        for url in ["https://a/x/../y", "https://a/x%2E%2Ey", "https://a/%2E%2E%2E", "https://a/?x=/%2E%2E/", "https://a/#/%2E%2E"] {
            assert!(!has_encoded_dots(url), "{url}");
        }
    }
}
