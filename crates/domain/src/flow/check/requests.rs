//! URLs, paths and headers that no request can have.

use std::net::Ipv4Addr;

use super::nodes;
use crate::flow::node::NodeKind;
use crate::flow::spec::Spec;
use crate::problem::FieldErrors;
use crate::template::{Part, Text};

pub(super) fn check(spec: &Spec, paths: &[String], errors: &mut FieldErrors) {
    for (ix, path) in nodes(spec, paths) {
        let (url, headers) = match &spec.node(ix).kind {
            NodeKind::Http(call) => (Some(&call.url), Some(&call.headers)),
            NodeKind::Sink(sink) => (Some(&sink.url), None),
            NodeKind::Service(call) => {
                if let Some(problem) = path_problem(&call.path) {
                    errors.add(format!("{path}.path"), problem);
                }
                (None, Some(&call.headers))
            }
            _ => continue,
        };
        if let Some(problem) = url.and_then(url_problem) {
            errors.add(format!("{path}.url"), problem);
        }
        for (name, value) in headers.into_iter().flatten() {
            if literals(value).any(|text| text.chars().any(|char| char.is_control() && char != '\t')) {
                errors.add(format!("{path}.headers.{name}"), "has a line break or another control character, which no header can have");
            }
        }
    }
}

fn literals(text: &Text) -> impl Iterator<Item = &str> {
    text.parts().iter().filter_map(|part| match part {
        Part::Literal(literal) => Some(literal.as_str()),
        Part::Expression(_) => None,
    })
}

/// Returns what is wrong with the literal parts of a path below a base URL.
fn path_problem(path: &Text) -> Option<String> {
    for (char, instead) in [('#', "%23"), ('\\', "%5C")] {
        if literals(path).any(|text| text.contains(char)) {
            return Some(format!("must not contain `{char}`, which would not reach the service; write `{instead}`"));
        }
    }
    control_problem(path)
}

/// URL parsers drop line breaks and tabs, so that another URL would be called than the one that is written.
fn control_problem(text: &Text) -> Option<String> {
    let has_control = literals(text).any(|text| text.chars().any(char::is_control));
    has_control.then(|| "must not contain line breaks or other control characters".to_owned())
}

/// Returns what is wrong with the host and the port of a URL.
fn authority_problem(authority: &str) -> Option<String> {
    if authority.contains('@') {
        return Some("must not contain a user name or a password; send them in a header, or register a service connection".to_owned());
    }
    if authority.chars().any(|char| char.is_whitespace() || "<>\"^`{|}%".contains(char)) {
        return Some(format!("has a host that cannot be: `{authority}`"));
    }
    // The colons in the brackets of an IPv6 address are no ports.
    let after_address = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    let (name, port) = after_address.split_once(':').unwrap_or((after_address, ""));
    if name.is_empty() && !authority.starts_with('[') {
        return Some("has no host; write `https://`, a host and a path".to_owned());
    }
    if !port.is_empty() && port.parse::<u16>().is_err() {
        return Some(format!("has a port that cannot be: `{port}`; ports are numbers up to 65535"));
    }
    None
}

/// Returns whether an authority names the machine itself, which is all that plain http may call, and only on the local stack.
fn is_own_machine(authority: &str) -> bool {
    let host = if authority.starts_with('[') { authority.split(']').next() } else { authority.split(':').next() };
    let host = host.unwrap_or_default().to_ascii_lowercase();
    let is_loopback = host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    is_loopback || host == "localhost" || host.ends_with(".localhost") || host == "[::1"
}

/// Returns what is wrong with the literal parts of a URL. A URL that is one expression alone is known only when the node runs.
fn url_problem(url: &Text) -> Option<String> {
    if url.is_one_expression() {
        return None;
    }
    let Some(Part::Literal(begin)) = url.parts().first() else {
        return Some(
            "must begin with `https://`: a value in a longer URL is percent-encoded, so only an expression alone can be a whole URL"
                .to_owned(),
        );
    };
    let rest = ["https://", "http://"].into_iter().find_map(|scheme| {
        let head = begin.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| begin.get(scheme.len()..)).flatten()
    });
    let Some(rest) = rest else {
        return Some(if begin.contains(':') {
            format!("must begin with `https://`, not with `{}`", begin.split('/').next().unwrap_or(begin))
        } else {
            format!("must be an absolute URL; write `https://{}`", begin.trim_start_matches('/'))
        });
    };
    let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let is_whole = url.literal().is_some() || host.len() < rest.len();
    if is_whole
        && !host.is_empty()
        && let Some(problem) = authority_problem(host)
    {
        return Some(problem);
    }
    // Plain http is for the local stack only, which calls its own machine.
    if is_whole && begin.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:")) && !is_own_machine(host) {
        return Some(format!("must begin with `https://`: nothing is sent in plain text; write `https://{rest}`"));
    }
    if host.is_empty() && (url.literal().is_some() || rest.starts_with(['/', '?', '#', '\\'])) {
        return Some("has no host; write `https://`, a host and a path".to_owned());
    }
    for (char, instead) in [('#', "%23"), ('\\', "%5C")] {
        if literals(url).any(|text| text.contains(char)) {
            return Some(format!("must not contain `{char}`, which would not reach the server; write `{instead}`"));
        }
    }
    control_problem(url)
}
