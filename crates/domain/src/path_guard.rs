//! The guard against `.` and `..` in paths. It is the only one: everything that builds or accepts a path uses it.
//!
//! URL parsers resolve such segments, encoded or not (WHATWG URL Standard, section 4.4), so a value with one of them would call another
//! path than the flow names.

/// Returns whether URL parsers take this path segment for `.` or `..`, also if its dots are percent-encoded.
pub fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// Returns whether a path has a `.` or `..` segment. A query and a fragment after the path are ignored. Backslashes separate segments too,
/// because URL parsers read them as slashes.
pub fn has_dot_segment(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split(['/', '\\']).any(is_dot_segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_are_found_in_every_notation() {
        for path in
            ["/..", "/../x", "/x/../../y", "/%2e%2e/x", "/%2E%2E", "/.%2e/x", "/%2E./x", "/./x", "/%2e", "/..\\x", "/x\\..\\y", ".."]
        {
            assert!(has_dot_segment(path), "{path}");
        }
    }

    #[test]
    fn dots_elsewhere_are_allowed() {
        for path in ["/", "", "/x.y", "/...", "/a..b/c", "/x%2E%2Ey", "/%2E%2E%2E", "/x?next=/../y", "/x#/..", "/x?a=%2e%2e/"] {
            assert!(!has_dot_segment(path), "{path}");
        }
    }
}
