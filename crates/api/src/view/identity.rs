//! How it is known who an actor is.

use domain::access::Identity;
use serde_json::{Value, json};

use crate::json_object::set;

/// Adds the identity of an actor beside its name, under `name`. A record of an earlier version has none.
pub(super) fn put_identity(view: &mut Value, name: &str, identity: Option<&Identity>) {
    if let Some(identity) = identity {
        set(view, name, json!(identity));
    }
}
