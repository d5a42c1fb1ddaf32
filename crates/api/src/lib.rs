//! The edge: what every endpoint shares. A handler takes a [`Call`] that is authenticated and allowed, and gives a [`Reply`]
//! or a [`ApiError`]; everything about HTTP is here.

mod admission;
mod body;
mod call;
mod cursor;
mod error;
mod page;
mod public_endpoint;
mod serve;
mod static_page;
pub mod view;

pub use admission::{Answer, KeyAdmission};
pub use body::Body;
pub use call::Call;
pub use error::ApiError;
pub use lambda_http::Error;
pub use page::Paging;
pub use public_endpoint::{PublicCall, PublicEndpoint, answer_public, serve_public};
pub use serve::serve;
pub use static_page::{StaticPage, serve_page};

use domain::access::{Bucket, Scope};
use serde_json::{Map, Value};

/// An endpoint, as its function declares it beside the handler.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// Folder, package, binary and function are called this.
    pub name: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// Path with its parameters, as in `template.yaml` and `openapi.yaml`.
    pub path: &'static str,
    /// What the caller's key must allow.
    pub scope: Scope,
}

impl Endpoint {
    /// The limit that its calls count against.
    pub fn bucket(&self) -> Bucket {
        Bucket::of(self.scope, self.method != "GET")
    }
}

/// A successful answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    status: u16,
    body: Value,
}

impl Reply {
    /// 200 with `{"data": …}`.
    pub fn ok(data: Value) -> Self {
        Self { status: 200, body: under("data", data) }
    }

    /// 201: it was created.
    pub fn created(data: Value) -> Self {
        Self { status: 201, body: under("data", data) }
    }

    /// 202: it was accepted and goes on by itself.
    pub fn accepted(data: Value) -> Self {
        Self { status: 202, body: under("data", data) }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The whole body.
    pub fn body(&self) -> &Value {
        &self.body
    }
}

/// `{name: value}`, without copying the value.
pub fn under(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// Sets a field of an object; `view` is one wherever this is called.
pub(crate) fn set(view: &mut Value, name: impl Into<String>, value: Value) {
    if let Some(fields) = view.as_object_mut() {
        fields.insert(name.into(), value);
    }
}
