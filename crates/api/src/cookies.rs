//! The cookies of the console: that of a session, and that of a login which has begun.

use lambda_http::http::HeaderMap;
use lambda_http::http::header::COOKIE;

/// The cookie of a session.
pub const SESSION_COOKIE: &str = "runs_session";
/// The cookie of a login that has begun. It is sent to the endpoints of the login alone.
pub const LOGIN_COOKIE: &str = "runs_login";
/// The header that a request with a cookie needs if it may change something.
pub const CONSOLE_HEADER: &str = "x-runs-console";

/// Returns the value of a cookie. The first one of that name counts: it is the one with the longest path.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(found, value)| (found == name).then_some(value))
}

/// Returns a cookie as `Set-Cookie` has it. No script can read it, it is sent over https alone (browsers count loopback as such), and other
/// sites' pages send it only if somebody follows a link. `path` begins with a slash.
pub fn set_cookie(name: &str, value: &str, path: &str, seconds: u64) -> String {
    format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax")
}

/// Returns the line that makes a browser forget a cookie.
pub fn forget_cookie(name: &str, path: &str) -> String {
    set_cookie(name, "", path, 0)
}
