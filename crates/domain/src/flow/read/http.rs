//! Reads the nodes that send HTTP requests: `service_call`, `http_request` and `http_sink`.

use std::collections::BTreeMap;

use crate::flow::node::{HttpRequest, HttpSink, ServiceCall};
use crate::flow::object_reader::ObjectReader;
use crate::path_guard::has_dot_segment;
use crate::template::Text;

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

pub(super) fn service(fields: &mut ObjectReader<'_>) -> Option<ServiceCall> {
    let service = fields.parse("service");
    let body = fields.optional_template("body");
    let method = method(fields, if body.is_some() { "POST" } else { "GET" });
    if let Some(path) = fields.optional_string("path").filter(|path| !path.starts_with('/')) {
        fields.problem("path", format!("must start with `/`, not `{path}`"));
    }
    if let Some(path) = fields.optional_string("path").filter(|path| has_dot_segment(path)) {
        fields.problem("path", format!("must not contain `.` or `..` as a segment: `{path}` would lead to another path"));
    }
    let path = fields.parse("path");
    let query = fields.texts("query");
    let headers = headers(fields);
    Some(ServiceCall { service: service?, method, path: path?, query, headers, body })
}

pub(super) fn http(fields: &mut ObjectReader<'_>) -> Option<HttpRequest> {
    let url = fields.parse("url");
    let body = fields.optional_template("body");
    let method = method(fields, if body.is_some() { "POST" } else { "GET" });
    let headers = headers(fields);
    Some(HttpRequest { url: url?, method, headers, body })
}

pub(super) fn sink(fields: &mut ObjectReader<'_>) -> Option<HttpSink> {
    let url = fields.parse("url");
    let body = fields.optional_template("body");
    Some(HttpSink { url: url?, body })
}

fn method(fields: &mut ObjectReader<'_>, default: &str) -> String {
    let method = fields.optional_string("method").unwrap_or(default).to_ascii_uppercase();
    if !METHODS.contains(&method.as_str()) {
        fields.problem("method", format!("must be one of {}", METHODS.join(", ")));
    }
    method
}

/// Reads headers. Those that the platform sets itself are refused, so that a flow cannot forge them.
fn headers(fields: &mut ObjectReader<'_>) -> BTreeMap<String, Text> {
    const RESERVED: [&str; 6] = ["host", "content-length", "transfer-encoding", "idempotency-key", "traceparent", "x-quantum-trace-id"];
    let headers = fields.texts("headers");
    for name in headers.keys() {
        let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !token {
            fields.problem(&format!("headers.{name}"), "is not a header name (RFC 9110, section 5.1)");
        } else if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            fields.problem(&format!("headers.{name}"), "is set by the platform and cannot be chosen");
        }
    }
    headers
}
