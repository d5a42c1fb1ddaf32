//! `http_sink`: posts a body to a URL and checks that it was accepted.

use domain::network::PrivateNetworks;
use domain::ports::{Effect, EffectError};
use domain::request::HttpCall;
use serde_json::json;

use crate::attempt::Attempt;
use crate::http::client::Client;
use crate::node::http_request::send;

/// Sends the body. The output is the status, which is a 2xx; the rest of the response is not read into the output. Fails on any
/// other status.
pub(crate) async fn perform(
    client: &Client,
    networks: &impl PrivateNetworks,
    attempt: &Attempt<'_>,
    request: &HttpCall,
) -> Result<Effect, EffectError> {
    let head = send(client, networks, attempt, request).await?.head();
    Ok(Effect { output: json!({"status": head.status}), answer: Some(head) })
}
