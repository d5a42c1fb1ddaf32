//! Where a browser goes after the login: only to our own console.

use std::fmt;
use std::str::FromStr;

const MAX_CHARS: usize = 2_000;

/// A path of the console, with a query if there is one. It is put behind the base URL of the deployment, so it names no other host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolePath(String);

/// The error for a text that is not a path of the console.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be a path of the console, such as /console/approvals")]
pub struct NotOurs;

impl ConsolePath {
    /// Returns the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ConsolePath {
    fn default() -> Self {
        Self("/console/".to_owned())
    }
}

impl fmt::Display for ConsolePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ConsolePath {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        let rest = text.strip_prefix("/console").ok_or(NotOurs)?;
        let begins = rest.is_empty() || rest.starts_with(['/', '?']);
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/?=&%+,:@!$'()*;".contains(&byte);
        let path = rest.split('?').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
        // A browser resolves dots, and some servers decode slashes: such a path would lead out of the console.
        let stays =
            path.split('/').all(|part| part != "." && part != "..") && !["//", "%2f", "%5c", "%0"].iter().any(|odd| path.contains(odd));
        let is_ours = begins && stays && text.len() <= MAX_CHARS && text.bytes().all(is_allowed);
        if is_ours { Ok(Self(text.to_owned())) } else { Err(NotOurs) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_console_are_redirected_to() {
        for good in ["/console", "/console/", "/console/approvals/apr_1?tab=data&x=a%20b", "/console?x=https://example.com/"] {
            assert_eq!(good.parse::<ConsolePath>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/",
            "https://evil.example/console",
            "//evil.example/console",
            "/\\evil.example",
            "/console.evil.example",
            "/consolex",
            "/console/../api",
            "/console/%2e%2E/api",
            "/console/..%2fapi",
            "/console//evil.example",
            "/console/\\evil",
            "/console/%5cevil",
            "/console/a\r\nSet-Cookie: x=1",
            "/console/%0d%0aSet-Cookie:x",
            "/console/#x",
            "/console/ü",
            "javascript:alert(1)//console",
            &format!("/console/{}", "x".repeat(MAX_CHARS)),
        ] {
            assert_eq!(bad.parse::<ConsolePath>(), Err(NotOurs), "{bad}");
        }
    }
}
