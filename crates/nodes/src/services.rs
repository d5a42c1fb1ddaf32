//! The registered services that the steps of an invocation call: their base URLs, and the keys that their calls carry.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::connection::Connection;
use domain::flow::ServiceSlug;
use domain::id::{ConnectionId, OrgId};
use domain::ports::{CallContext, Connections, EffectError, PortError, Vault};
use domain::time::Time;
use tokio::sync::OnceCell;
use url::Url;

use crate::attempt::Attempt;
use crate::failure::{permanent, transient};
use crate::http::credential::Credential;

/// The longest that a step waits for its use of a connection to be recorded.
const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

type Read = Arc<OnceCell<Option<Connection>>>;

/// Reads each connection once for each invocation, so that a run of a hundred calls reads once. Nothing is remembered for longer:
/// a connection that is replaced or deleted is so for every invocation that begins afterwards.
#[derive(Debug)]
pub(crate) struct Services<C, V> {
    /// The store of connections, and of the private networks that are open to organisations.
    pub(crate) ports: C,
    vault: V,
    read: Mutex<HashMap<(OrgId, ServiceSlug), Read>>,
    /// The hour in which this process last recorded a use.
    recorded: Mutex<HashMap<ConnectionId, Time>>,
}

/// A service that can be called.
#[derive(Debug)]
pub(crate) struct Service {
    /// The base URL, to which paths are appended.
    pub(crate) base: Url,
    /// The service's key, if it has one.
    pub(crate) credential: Option<Credential>,
    connection: Connection,
}

impl<C, V> Services<C, V> {
    pub(crate) fn new(ports: C, vault: V) -> Self {
        Self { ports, vault, read: Mutex::default(), recorded: Mutex::default() }
    }

    /// Forgets what was read for the previous invocation.
    pub(crate) fn reset(&self) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl<C: Connections, V: Vault> Services<C, V> {
    /// Returns the registered service of that name. Fails if there is none, if it is not active, or if its key cannot be decrypted.
    pub(crate) async fn service(&self, attempt: &Attempt<'_>, slug: &ServiceSlug) -> Result<Service, EffectError> {
        let context = attempt.context;
        let found = self.connection(&context.org, slug).await;
        let found = found.map_err(|error| read_error(context, slug, &error))?;
        let connection =
            found.ok_or_else(|| permanent(format!("no service connection `{slug}`; register it with POST /api/service-connections")))?;
        let mut covered = context.covered.iter().filter(|covered| covered.service == *slug);
        if let Some(refusal) = covered.find_map(|covered| covered.refusal(&connection.base_url)) {
            return Err(permanent(refusal));
        }
        if !connection.active {
            return Err(permanent(format!(
                "service connection `{slug}` is not active; register it again with POST /api/service-connections to call through it"
            )));
        }
        let base = Url::parse(&connection.base_url).ok().filter(Url::has_host).ok_or_else(|| {
            permanent(format!(
                "the base URL of service connection `{slug}` is not an absolute URL; register it again with POST /api/service-connections"
            ))
        })?;
        let credential = self.credential(&context.org, &connection).await.map_err(|error| key_error(context, slug, &error))?;
        Ok(Service { base, credential, connection })
    }

    async fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        let read = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(read.entry((*org, slug.clone())).or_default())
        };
        // Parallel calls wait for one reader; if it fails, only its own call fails, and the next one reads again.
        read.get_or_try_init(|| self.ports.connection(org, slug)).await.cloned()
    }

    async fn credential(&self, org: &OrgId, connection: &Connection) -> Result<Option<Credential>, PortError> {
        let Some(key) = &connection.key else { return Ok(None) };
        let opened = self.vault.open(&Connection::place(org, &connection.slug), &key.sealed).await?;
        Ok(Some(Credential::new(&key.carrier, opened)))
    }

    /// Records the hour of a call after the call: once for each connection, process and hour. An error is logged and fails nothing.
    pub(crate) async fn record_use(&self, org: &OrgId, service: &Service) {
        let (connection, hour) = (&service.connection, now().hour());
        let known = connection.last_used_at.is_some_and(|time| time >= hour);
        let before = self.recorded.lock().unwrap_or_else(PoisonError::into_inner).insert(connection.id, hour);
        if known || before.is_some_and(|recorded| recorded >= hour) {
            return;
        }
        match tokio::time::timeout(RECORD_TIMEOUT, self.ports.note_use(org, connection, hour)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, connection = %connection.id, "the use of a service connection was not recorded"),
            Err(_) => tracing::warn!(connection = %connection.id, "the use of a service connection was not recorded in time"),
        }
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(u64::try_from(since.as_millis()).unwrap_or_default())
}

fn read_error(context: &CallContext, slug: &ServiceSlug, error: &PortError) -> EffectError {
    // The owner of the flow sees the step's error, so only the log gets the store's own message.
    tracing::warn!(%error, %slug, trace_id = context.trace_id, "a service connection could not be read");
    match error {
        PortError::Unavailable(_) => transient("the service connection could not be read just now"),
        PortError::Corrupt(_) | PortError::Rejected(_) => {
            permanent("the stored service connection cannot be read; register it again with POST /api/service-connections")
        }
    }
}

fn key_error(context: &CallContext, slug: &ServiceSlug, error: &PortError) -> EffectError {
    tracing::warn!(%error, %slug, trace_id = context.trace_id, "the key of a service connection could not be decrypted");
    match error {
        PortError::Unavailable(_) => transient(format!("the key of service connection `{slug}` could not be decrypted just now")),
        PortError::Corrupt(_) | PortError::Rejected(_) => permanent(format!(
            "the key of service connection `{slug}` cannot be decrypted; register it again with POST /api/service-connections"
        )),
    }
}
