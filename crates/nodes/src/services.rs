//! The registered services of an invocation: where they are, and the keys that their calls carry.

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
use crate::credential::Credential;
use crate::failure::{hopeless, passing};

/// A note of a use is worth no more waiting than this.
const NOTE_TIMEOUT: Duration = Duration::from_secs(2);

type Read = Arc<OnceCell<Option<Connection>>>;

/// Connections, read once for each invocation: what is replaced or deleted counts for every run that starts afterwards, and a run of
/// a hundred calls reads once. Not for longer, in seconds for instance: whoever deletes a connection means at once.
#[derive(Debug)]
pub(crate) struct Services<C, V> {
    /// Where connections, and what networks are open to organisations, are kept.
    pub(crate) ports: C,
    vault: V,
    read: Mutex<HashMap<(OrgId, ServiceSlug), Read>>,
    /// The hour in which this process has last noted a use.
    noted: Mutex<HashMap<ConnectionId, Time>>,
}

/// A service that can be called.
#[derive(Debug)]
pub(crate) struct Service {
    /// Paths are appended to it.
    pub(crate) base: Url,
    /// Its key, if it has one.
    pub(crate) credential: Option<Credential>,
    connection: Connection,
}

impl<C, V> Services<C, V> {
    pub(crate) fn new(ports: C, vault: V) -> Self {
        Self { ports, vault, read: Mutex::default(), noted: Mutex::default() }
    }

    /// A new invocation: what was read for the last one is read anew.
    pub(crate) fn begin(&self) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl<C: Connections, V: Vault> Services<C, V> {
    /// The registered service of that name.
    pub(crate) async fn service(&self, attempt: &Attempt<'_>, slug: &ServiceSlug) -> Result<Service, EffectError> {
        let context = attempt.context;
        let found = self.connection(&context.org, slug).await;
        let found = found.map_err(|error| unreadable(context, slug, &error))?;
        let connection =
            found.ok_or_else(|| hopeless(format!("no service connection `{slug}`; register it with POST /api/service-connections")))?;
        if !connection.active {
            return Err(hopeless(format!(
                "service connection `{slug}` is not active; register it again with POST /api/service-connections to call through it"
            )));
        }
        let base = Url::parse(&connection.base_url).ok().filter(Url::has_host).ok_or_else(|| {
            hopeless(format!(
                "the base URL of service connection `{slug}` is not an absolute URL; register it again with POST /api/service-connections"
            ))
        })?;
        let credential = self.credential(&context.org, &connection).await.map_err(|error| shut(context, slug, &error))?;
        Ok(Service { base, credential, connection })
    }

    async fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        let read = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(read.entry((*org, slug.clone())).or_default())
        };
        // Calls in parallel wait for one reader; a failure is nobody's but its own.
        read.get_or_try_init(|| self.ports.connection(org, slug)).await.cloned()
    }

    async fn credential(&self, org: &OrgId, connection: &Connection) -> Result<Option<Credential>, PortError> {
        let Some(key) = &connection.key else { return Ok(None) };
        let opened = self.vault.open(&Connection::place(org, &connection.slug), &key.sealed).await?;
        Ok(Some(Credential::new(&key.carrier, opened)))
    }

    /// Notes the hour of a call, after it: once for each connection, process and hour. What goes wrong with that is for the log.
    pub(crate) async fn used(&self, org: &OrgId, service: &Service) {
        let (connection, hour) = (&service.connection, now().hour());
        let known = connection.last_used_at.is_some_and(|time| time >= hour);
        let before = self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(connection.id, hour);
        if known || before.is_some_and(|noted| noted >= hour) {
            return;
        }
        match tokio::time::timeout(NOTE_TIMEOUT, self.ports.note_use(org, connection, hour)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, connection = %connection.id, "the use of a service connection was not noted"),
            Err(_) => tracing::warn!(connection = %connection.id, "the use of a service connection was not noted in time"),
        }
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(u64::try_from(since.as_millis()).unwrap_or_default())
}

fn unreadable(context: &CallContext, slug: &ServiceSlug, error: &PortError) -> EffectError {
    // The step is shown to the flow's owner, so what the store says of itself is for the log alone.
    tracing::warn!(%error, %slug, trace_id = context.trace_id, "a service connection could not be read");
    match error {
        PortError::Unavailable(_) => passing("the service connection could not be read just now"),
        PortError::Corrupt(_) | PortError::Rejected(_) => {
            hopeless("the stored service connection cannot be read; register it again with POST /api/service-connections")
        }
    }
}

fn shut(context: &CallContext, slug: &ServiceSlug, error: &PortError) -> EffectError {
    tracing::warn!(%error, %slug, trace_id = context.trace_id, "the key of a service connection could not be decrypted");
    match error {
        PortError::Unavailable(_) => passing(format!("the key of service connection `{slug}` could not be decrypted just now")),
        PortError::Corrupt(_) | PortError::Rejected(_) => hopeless(format!(
            "the key of service connection `{slug}` cannot be decrypted; register it again with POST /api/service-connections"
        )),
    }
}
