//! Where the deployment is, as browsers see it.

use lambda_http::Request;
use lambda_http::RequestExt;
use lambda_http::http::header::HOST;
use lambda_http::request::RequestContext;
use runtime::setting;

/// The URL of the deployment, without a slash at its end: its API is at `<base>/api/…`, its console at `<base>/console`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Returns the base URL of a request. It is the setting `PUBLIC_BASE_URL`, in which `{apiId}` stands for the id of the API; without it, it
    /// is what API Gateway says of the request: its domain, and what is before the path of the resource, which is the stage or the base
    /// path of a custom domain.
    pub fn of(request: &Request) -> Self {
        let context = request.request_context_ref();
        let Some(RequestContext::ApiGatewayV1(context)) = context else { return Self::at_host(request, "") };
        let api = context.apiid.clone().unwrap_or_default();
        if let Ok(base) = setting("PUBLIC_BASE_URL") {
            return Self(base.replace("{apiId}", &api).trim_end_matches('/').to_owned());
        }
        let whole = context.path.clone().unwrap_or_default();
        let prefix = whole.strip_suffix(request.raw_http_path()).unwrap_or_default();
        match &context.domain_name {
            Some(domain) => Self(format!("https://{domain}{prefix}")),
            None => Self::at_host(request, prefix),
        }
    }

    fn at_host(request: &Request, prefix: &str) -> Self {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        Self(format!("https://{host}{prefix}"))
    }

    /// Returns the URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Returns a path below the base as a browser asks for it: with what the base has behind its host.
    pub fn path(&self, path: &str) -> String {
        let behind_scheme = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        let prefix = behind_scheme.split_once('/').map(|(_, prefix)| format!("/{prefix}")).unwrap_or_default();
        format!("{prefix}{path}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn base(change: impl FnOnce(&mut Value)) -> BaseUrl {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/get-run/awaiting-approval.json")).unwrap();
        event["path"] = json!("/api/me");
        event["requestContext"]["path"] = json!("/v1/api/me");
        event["requestContext"]["domainName"] = json!("abc.execute-api.eu-central-1.amazonaws.com");
        change(&mut event);
        BaseUrl::of(&lambda_http::request::from_str(&event.to_string()).unwrap())
    }

    #[test]
    fn the_base_is_behind_the_stage_or_the_base_path_of_a_domain() {
        let staged = base(|_| {});
        assert_eq!(staged.url("/api/auth/callback"), "https://abc.execute-api.eu-central-1.amazonaws.com/v1/api/auth/callback");
        assert_eq!(staged.path("/console/"), "/v1/console/");
        let own = base(|event| {
            event["requestContext"]["path"] = json!("/api/me");
            event["requestContext"]["domainName"] = json!("runs.example.com");
        });
        assert_eq!((own.url("/console"), own.path("/")), ("https://runs.example.com/console".to_owned(), "/".to_owned()));
    }

    #[test]
    fn a_setting_counts_before_what_the_request_says() {
        let set = BaseUrl("http://127.0.0.1:4566/restapis/abc/v1/_user_request_".to_owned());
        assert_eq!(set.path("/console/"), "/restapis/abc/v1/_user_request_/console/");
    }
}
