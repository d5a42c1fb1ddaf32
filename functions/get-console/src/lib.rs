//! `GET /console` and everything below it: the reviewer console, a page with its scripts and styles.

use api::{PublicEndpoint, StaticSite};

/// This endpoint; `/console` itself is a second route of it. The parameters of the query are the page's, so none is refused.
pub const ENDPOINT: PublicEndpoint = PublicEndpoint { name: "get-console", method: "GET", path: "/console/{proxy+}", query: &[] };

/// The console as `make console-build` left it when this function was built.
pub const SITE: StaticSite = StaticSite {
    root: "/console",
    index: include_str!(concat!(env!("OUT_DIR"), "/index.html")),
    files: include!(concat!(env!("OUT_DIR"), "/files.rs")),
    content_security_policy: include_str!(concat!(env!("OUT_DIR"), "/policy.txt")),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_no_inline_script_no_eval_no_other_origin_and_no_frame() {
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
            assert!(SITE.content_security_policy.contains(rule), "{rule}");
        }
        for word in ["unsafe", "http", "*", "data:", "blob:"] {
            assert!(!SITE.content_security_policy.contains(word), "{word}");
        }
    }

    #[test]
    fn the_page_has_the_base_that_is_set_for_each_request_and_nothing_inline() {
        assert_eq!(SITE.index.matches("<base href=\"./\"").count(), 1);
        assert!(!SITE.index.contains("<style") && !SITE.index.contains(" style="));
        assert_eq!(SITE.index.matches("<script").count(), SITE.index.matches("<script type=\"module\" crossorigin src=\"./").count());
    }

    #[test]
    fn every_file_is_small_enough_for_a_response_of_lambda() {
        // A text is a string inside JSON there: quotation marks, backslashes and line ends take two bytes. The limit is 6 MiB.
        for file in SITE.files {
            let escaped = file.text.bytes().filter(|byte| b"\"\\\n".contains(byte)).count();
            assert!(file.text.len() + escaped < 3_000_000, "{}", file.path);
        }
    }
}
