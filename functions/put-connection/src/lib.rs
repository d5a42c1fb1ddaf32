//! `POST /api/service-connections`: registers a service, or replaces the registration of its slug.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::connection::{Connection, NewConnection, key_hash};
use domain::id::ConnectionId;
use domain::network::PrivateNetworks;
use domain::ports::{Clock, ConnectionBook, Entropy, Organisations, Registered, Vault};
use domain::problem::FieldErrors;
use nodes::{Egress, UrlError};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "put-connection", method: "POST", path: "/api/service-connections", scope: Scope::ConnectionsWrite };

/// The most bytes the body may have: the URL and the key are the most of it.
const MAX_BYTES: usize = 16 * 1024;

/// 201 with the connection, or 200 if there was one of its slug; never the key, which is kept encrypted for this organisation and this
/// slug. Calls carry it as `Authorization: Bearer <apiKey>`, unless `authHeader` and `authScheme` say otherwise. Replacing sends all
/// of it anew, and counts for every run that starts afterwards. 400 with every problem at its field, a base URL that may not be
/// called among them; a name is judged by what it resolves to whenever it is called.
pub async fn handle(
    store: &(impl ConnectionBook + Organisations + PrivateNetworks),
    vault: &impl Vault,
    egress: Egress,
    clock: &impl Clock,
    entropy: &impl Entropy,
    call: Call,
) -> Result<Reply, ApiError> {
    let org = call.key.org;
    let new = NewConnection::parse(&call.json_object(MAX_BYTES)?)?;
    egress.check_url(store, &org, &new.base_url).await.map_err(|error| match error {
        UrlError::NotAllowed(why) => FieldErrors::one("baseUrl", why).into(),
        UrlError::Port(error) => ApiError::from(error),
    })?;
    let hash = key_hash(&store.cursor_secret(&org).await?, &new.slug, &new.key);
    let sealed = vault.seal(&Connection::place(&org, &new.slug), &new.key).await?;
    let now = clock.now();
    let connection = new.with_key(ConnectionId::new(now, entropy.random()), sealed, hash, now);
    Ok(match store.register(&org, &connection).await? {
        Registered::New(connection) => Reply::created(under("connection", view::connection(&connection))),
        Registered::Again(connection) => Reply::ok(under("connection", view::connection(&connection))),
    })
}
