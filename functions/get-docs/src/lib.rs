//! `GET /api/docs`: the public contract as a web page.

use api::{PublicEndpoint, StaticPage};

/// This endpoint.
pub const ENDPOINT: PublicEndpoint = PublicEndpoint { name: "get-docs", method: "GET", path: "/api/docs", query: &[] };

/// A page that shows `openapi.json`. The viewer is part of the page: nothing is fetched from another host.
pub const PAGE: StaticPage = StaticPage {
    media_type: "text/html; charset=utf-8",
    text: include_str!(concat!(env!("OUT_DIR"), "/page.html")),
    etag: include_str!(concat!(env!("OUT_DIR"), "/etag.txt")),
    content_security_policy: include_str!(concat!(env!("OUT_DIR"), "/policy.txt")),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_file_with_two_scripts_that_its_policy_names() {
        assert_eq!(PAGE.text.matches("<script").count(), 2);
        assert_eq!(PAGE.text.matches("</script>").count(), 2);
        assert_eq!(PAGE.content_security_policy.matches("'sha256-").count(), 2);
        assert!(!PAGE.text.contains(" src=\"http") && !PAGE.text.contains("cdn."), "something is fetched from another host");
    }

    #[test]
    fn a_browser_may_connect_to_this_api_only() {
        for rule in ["default-src 'none'", "connect-src 'self'", "img-src data:", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(PAGE.content_security_policy.contains(rule), "{rule}");
        }
        assert!(!PAGE.content_security_policy.contains("unsafe-eval"));
        assert!(!PAGE.content_security_policy.contains("http"));
    }

    #[test]
    fn the_page_is_small_enough_for_a_response_of_lambda() {
        // The page is a string inside JSON, where quotation marks, backslashes and line ends take two bytes. The limit is 6 MiB.
        let escaped = PAGE.text.bytes().filter(|byte| b"\"\\\n".contains(byte)).count();
        assert!(PAGE.text.len() + escaped < 3_000_000);
    }
}
