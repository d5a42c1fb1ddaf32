//! `POST /api/service-connections`: registers a service, or replaces the registration of its slug.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::connection::{Connection, NewConnection, key_hash};
use domain::id::ConnectionId;
use domain::network::PrivateNetworks;
use domain::ports::{Clock, ConnectionBook, Entropy, Organisations, Registered, Vault};
use domain::problem::FieldErrors;
use nodes::{Egress, UrlError};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "put-connection", method: "POST", path: "/api/service-connections", scope: Some(Scope::ConnectionsWrite), query: &[] };

/// The maximum size of the body, in bytes. Most of it is for the URL and the key.
const MAX_BYTES: usize = 16 * 1024;

/// Returns 201 with the connection, or 200 if it replaces one of the same slug. The key is never returned; it is stored encrypted for
/// this organisation and this slug. Steps send it as `Authorization: Bearer <apiKey>`, unless `authHeader` and `authScheme` say otherwise.
/// A replacement sends all fields anew and applies to every run that starts afterwards.
///
/// Fails with 400 and every problem at its field, among them a base URL that the egress policy denies. A host name is checked again, by
/// the addresses that it resolves to, at every request.
pub async fn handle(
    store: &(impl ConnectionBook + Organisations + PrivateNetworks),
    vault: &impl Vault,
    egress: Egress,
    clock: &impl Clock,
    entropy: &impl Entropy,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let org = request.caller.org;
    let new = NewConnection::parse(&request.json_object(MAX_BYTES)?)?;
    egress.check_url(store, &org, &new.base_url).await.map_err(|error| match error {
        UrlError::NotAllowed(why) => FieldErrors::one("baseUrl", why).into(),
        UrlError::Port(error) => ApiError::from(error),
    })?;
    let hash = key_hash(&store.cursor_secret(&org).await?, &new.slug, &new.key);
    let sealed = vault.seal(&Connection::place(&org, &new.slug), &new.key).await?;
    let now = clock.now();
    let connection = new.with_key(ConnectionId::new(now, entropy.random()), sealed, hash, now);
    Ok(match store.register(&org, &connection).await? {
        Registered::New(connection) => ApiResponse::created(named("connection", view::connection(&connection))),
        Registered::Again(connection) => ApiResponse::ok(named("connection", view::connection(&connection))),
    })
}
