//! A page with its scripts and styles, fixed when its function is built, that may be served below any path.

use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use lambda_http::http::{HeaderMap, HeaderValue};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, LambdaEvent, Request, RequestExt, lambda_runtime, service_fn, tracing};

use crate::Error;
use crate::static_page::matches;

/// A file of a site.
#[derive(Debug, Clone, Copy)]
pub struct SiteFile {
    /// Its path below the root of the site, without a slash in front.
    pub path: &'static str,
    /// The media type, with the charset if it has one.
    pub media_type: &'static str,
    /// The whole text.
    pub text: &'static str,
    /// The entity tag of this text, with its quotation marks (RFC 9110, section 8.8.3).
    pub etag: &'static str,
}

/// A page and its files. Every path that is no file gets the page, which knows by itself what to show there.
#[derive(Debug, Clone, Copy)]
pub struct StaticSite {
    /// The path of the site within the API, without a slash at the end.
    pub root: &'static str,
    /// The page, with `<base href="./"` in it.
    pub index: &'static str,
    /// The other files.
    pub files: &'static [SiteFile],
    /// The `Content-Security-Policy`: what a browser may load and run for the page.
    pub content_security_policy: &'static str,
}

/// The name of a file below `assets/` contains a hash of its content, so the file never changes.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// Any other file may be used for five minutes before it is validated again.
const CACHED: &str = "public, max-age=300";
/// The page names the other files, so it is always asked for again.
const VALIDATED: &str = "no-cache";
/// The base of the page as it was built.
const BASE: &str = "<base href=\"./\"";

/// Serves a site until the platform ends the process.
pub async fn serve_site(site: StaticSite) -> Result<(), Error> {
    tracing::init_default_subscriber();
    let service = async |event: LambdaEvent<LambdaRequest>| Ok::<_, Error>(site.respond(&Request::from(event.payload)));
    lambda_runtime::run(service_fn(service)).await
}

impl StaticSite {
    /// Returns 200 with the file or the page, 304 if the caller has it already, or 404 for a file of an older version.
    pub fn respond(&self, request: &Request) -> ApiGatewayProxyResponse {
        let whole = request.raw_http_path();
        let path = whole.strip_prefix(self.root).unwrap_or_default();
        let known: Vec<&str> = request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).collect();
        if let Some(file) = self.files.iter().find(|file| path.strip_prefix('/') == Some(file.path)) {
            let cache = if file.path.starts_with("assets/") { FOR_GOOD } else { CACHED };
            let is_known = known.iter().any(|known| matches(known, file.etag));
            return self.answer(if is_known { 304 } else { 200 }, file.media_type, cache, Some(file.etag), file.text.to_owned());
        }
        if path.starts_with("/assets/") {
            // A script that is a page would be an error that nobody understands.
            return self.answer(404, "text/plain; charset=utf-8", VALIDATED, None, "not found".to_owned());
        }
        let page = self.index.replacen(BASE, &format!("<base href=\"{}\"", self.base(path)), 1);
        self.answer(200, "text/html; charset=utf-8", VALIDATED, None, page)
    }

    /// Returns the way from a page of the site back to its root, relative to the address in the browser. What stands in front of the root, such as the
    /// stage of the API, need not be known.
    fn base(&self, path: &str) -> String {
        match path.strip_prefix('/') {
            None => format!("{}/", self.root.trim_start_matches('/')),
            Some(below) => match below.matches('/').count() {
                0 => "./".to_owned(),
                depth => "../".repeat(depth),
            },
        }
    }

    fn answer(
        &self,
        status: i64,
        media_type: &'static str,
        cache: &'static str,
        etag: Option<&'static str>,
        text: String,
    ) -> ApiGatewayProxyResponse {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        if let Some(etag) = etag {
            headers.insert(ETAG, HeaderValue::from_static(etag));
        }
        if status != 304 {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(self.content_security_policy));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        let mut response = ApiGatewayProxyResponse::default();
        response.status_code = status;
        response.headers = headers;
        response.body = (status != 304).then_some(Body::Text(text));
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SITE: StaticSite = StaticSite {
        root: "/console",
        index: "<base href=\"./\" /><script src=\"./assets/a-1.js\">",
        files: &[
            SiteFile { path: "assets/a-1.js", media_type: "text/javascript; charset=utf-8", text: "go()", etag: "\"7\"" },
            SiteFile { path: "icon.svg", media_type: "image/svg+xml", text: "<svg/>", etag: "\"8\"" },
        ],
        content_security_policy: "default-src 'none'",
    };

    fn get(path: &str, known: Option<&str>) -> ApiGatewayProxyResponse {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/get-console/an-approval.json")).unwrap();
        event["path"] = json!(path);
        event["requestContext"]["path"] = json!(format!("/v1{path}"));
        let known: Vec<(&str, Value)> = known.map(|known| ("If-None-Match", json!([known]))).into_iter().collect();
        event["headers"] = json!({});
        event["multiValueHeaders"] = known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        SITE.respond(&lambda_http::request::from_str(&event.to_string()).unwrap())
    }

    fn text(response: &ApiGatewayProxyResponse) -> &str {
        let Some(Body::Text(text)) = &response.body else { panic!("{:?}", response.body) };
        text
    }

    #[test]
    fn a_file_with_a_hash_in_its_name_is_kept_for_good() {
        let answer = get("/console/assets/a-1.js", None);
        assert_eq!((answer.status_code, text(&answer)), (200, "go()"));
        assert_eq!(answer.headers["cache-control"], FOR_GOOD);
        assert_eq!(answer.headers["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(!answer.is_base64_encoded);
    }

    #[test]
    fn a_caller_that_has_the_file_gets_304() {
        let answer = get("/console/icon.svg", Some("W/\"8\""));
        assert_eq!((answer.status_code, &answer.body), (304, &None));
        assert_eq!(
            (&answer.headers["etag"], &answer.headers["cache-control"]),
            (&HeaderValue::from_static("\"8\""), &HeaderValue::from_static(CACHED))
        );
        assert_eq!(get("/console/icon.svg", Some("\"9\"")).status_code, 200);
    }

    #[test]
    fn every_other_path_is_the_page_with_the_way_back_to_the_root() {
        for (path, base) in [
            ("/console", "console/"),
            ("/console/", "./"),
            ("/console/decisions", "./"),
            ("/console/approvals/apr_1", "../"),
            ("/console/flows/refunds/runs", "../../"),
            ("/console/decisions/", "../"),
        ] {
            let answer = get(path, None);
            assert_eq!(answer.status_code, 200, "{path}");
            assert!(text(&answer).starts_with(&format!("<base href=\"{base}\" />")), "{path}: {}", text(&answer));
            assert_eq!(answer.headers["cache-control"], VALIDATED, "{path}");
            assert_eq!(answer.headers["content-security-policy"], "default-src 'none'");
            assert_eq!(answer.headers["x-frame-options"], "DENY");
        }
    }

    #[test]
    fn a_script_of_an_older_version_is_not_found() {
        assert_eq!(get("/console/assets/a-0.js", None).status_code, 404);
    }

    #[test]
    fn nothing_of_the_path_comes_into_the_page() {
        let answer = get("/console/\"><script>alert(1)</script>/x", None);
        assert_eq!(text(&answer), "<base href=\"../../\" /><script src=\"./assets/a-1.js\">");
    }
}
