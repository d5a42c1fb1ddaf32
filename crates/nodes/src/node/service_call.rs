//! `service_call`: calls a registered service below its base URL.

use domain::network::PrivateNetworks;
use domain::path_guard::has_dot_segment;
use domain::ports::{Connections, Effect, EffectError, Vault};
use domain::request::ServiceRequest;
use url::Url;

use crate::attempt::Attempt;
use crate::failure::permanent;
use crate::http::client::{Client, StepRequest};
use crate::http::response::ReceivedResponse;
use crate::services::Services;

/// Sends the request. The output is the body; the status and the headers are recorded on the step. Any status but a 2xx fails it.
pub(crate) async fn perform<C: Connections + PrivateNetworks, V: Vault>(
    client: &Client,
    services: &Services<C, V>,
    attempt: &Attempt<'_>,
    request: &ServiceRequest,
) -> Result<Effect, EffectError> {
    let service = services.service(attempt, &request.service).await?;
    let mut url = join_below(&service.base, &request.path).map_err(|why| permanent(format!("`path` {why}")))?;
    if !request.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.query);
    }
    let credential = service.credential.as_ref();
    let call = StepRequest { method: &request.method, url, headers: &request.headers, credential, body: request.body.as_ref() };
    let answer = client.send(&services.ports, attempt, call).await;
    if may_have_been_sent(&answer) {
        services.record_use(&attempt.context.org, &service).await;
    }
    let received = answer?.success()?;
    Ok(Effect { output: received.body()?, answer: Some(received.head()) })
}

/// Whether the request may have been sent. An error from before that is permanent and has no response.
pub(crate) fn may_have_been_sent(answer: &Result<ReceivedResponse, EffectError>) -> bool {
    answer.as_ref().err().is_none_or(|error| error.retryable || error.answer.is_some())
}

/// Returns the URL of `path` below `base`. The connection allows that part of that host, and no value that a template writes into
/// the path may lead out of it. Fails with what is wrong with the path.
pub(crate) fn join_below(base: &Url, path: &str) -> Result<Url, String> {
    if !path.starts_with('/') {
        return Err("must start with `/`".to_owned());
    }
    // Values are percent-encoded into the path, so a `?` is the author's own.
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    if path.contains(['\\', '#']) || path.chars().any(char::is_control) {
        return Err("has a backslash, a `#` or a control character; percent-encode it".to_owned());
    }
    if has_dot_segment(path) {
        return Err(
            "has a segment `.` or `..`, which would lead out of the connection's base URL; check the value written into it".to_owned()
        );
    }
    let root = base.path().trim_end_matches('/').to_owned();
    let mut url = base.clone();
    url.set_path(&format!("{root}{path}"));
    url.set_fragment(None);
    if let Some(query) = query {
        // The connection's own parameters, such as an API version, stay.
        let whole = base.query().map_or_else(|| query.to_owned(), |own| format!("{own}&{query}"));
        url.set_query(Some(&whole));
    }
    let inside = url.origin() == base.origin() && url.path().strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'));
    if inside { Ok(url) } else { Err("leads out of the connection's base URL".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, path: &str) -> Result<String, String> {
        join_below(&base.parse().unwrap(), path).map(String::from)
    }

    #[test]
    fn a_path_is_appended_to_the_base_url() {
        for (base, path, expected) in [
            ("https://a.example", "/x", "https://a.example/x"),
            ("https://a.example/", "/", "https://a.example/"),
            ("https://a.example/v2", "/x/y", "https://a.example/v2/x/y"),
            ("https://a.example/v2/", "/x%2Fy/z%20z", "https://a.example/v2/x%2Fy/z%20z"),
            ("https://a.example/v2", "/a b/ü", "https://a.example/v2/a%20b/%C3%BC"),
            ("https://a.example/v2?api=7", "/x?q=1", "https://a.example/v2/x?api=7&q=1"),
            ("https://a.example/v2?api=7", "/x", "https://a.example/v2/x?api=7"),
            ("https://a.example/v2", "/x...", "https://a.example/v2/x..."),
            ("https://a.example/v2", "/...", "https://a.example/v2/..."),
            ("https://a.example/v2", "/x?to=../..", "https://a.example/v2/x?to=../.."),
        ] {
            assert_eq!(joined(base, path).as_deref(), Ok(expected), "{base} {path}");
        }
    }

    #[test]
    fn no_path_leaves_the_host() {
        for path in ["//evil.example/x", "///evil.example", "/@evil.example", "/:80/x", "/https://evil.example/"] {
            for base in ["https://a.example", "https://a.example/v2"] {
                let url: Url = joined(base, path).unwrap().parse().unwrap();
                assert_eq!(url.host_str(), Some("a.example"), "{path}");
                assert_eq!(url.path(), format!("{}{path}", base.strip_prefix("https://a.example").unwrap()), "{path}");
            }
        }
    }

    #[test]
    fn no_path_leads_out_of_the_base_url() {
        let forms = ["/..", "/../x", "/x/../../y", "/%2e%2e/x", "/%2E%2E", "/.%2e/x", "/%2E./x", "/./x", "/%2e", "/..\\x", "/x\\..\\y"];
        for path in forms.into_iter().chain(["x", "", "@evil.example/", "/.\t./x", "/.\n.", "/x#/../.."]) {
            assert!(joined("https://a.example/v2/tenant", path).is_err(), "{path:?}");
        }
    }
}
