//! People who sign in, in memory.

use domain::access::{Bucket, Limits, Minute, Usage};
use domain::id::{OrgId, SessionId};
use domain::login::{IDLE_SECONDS, IdentityProvider, Session};
use domain::ports::{CommitError, Counted, IdentityProviders, Logins, PortError, SessionAdmission, Sessions};
use domain::time::Time;

use super::{Memory, State};

impl State {
    fn count(&mut self, name: String, bucket: Bucket, all: Limits, now: Time) -> Counted {
        let (minute, limit) = (Minute::of(now), all.of(bucket.class()));
        let used = self.counts.entry((name, bucket, minute)).or_default();
        // The first request of a minute is admitted whatever the limit is, as in the table.
        let counted = *used == 0 || *used < limit;
        *used += u32::from(counted);
        let usage = Usage { bucket, limit, used: *used, minute };
        if counted { Counted::Admitted(usage) } else { Counted::Exhausted(usage) }
    }

    fn admit_session(&mut self, secret_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> SessionAdmission {
        if self.sessions.get(secret_sha256).is_none_or(|session| session.is_over(now)) {
            return SessionAdmission::Unknown;
        }
        let counted = self.count(secret_sha256.to_owned(), bucket, all, now);
        match (counted, self.sessions.get_mut(secret_sha256)) {
            (Counted::Admitted(usage), Some(session)) => {
                session.last_used_at = now;
                session.idle_until = now.plus_seconds(IDLE_SECONDS);
                SessionAdmission::Admitted(session.clone(), usage)
            }
            (Counted::Exhausted(usage) | Counted::Admitted(usage), _) => SessionAdmission::Exhausted(usage),
        }
    }

    fn put_identity_provider(&mut self, provider: &IdentityProvider, before: Option<&IdentityProvider>) -> Result<(), CommitError> {
        let stored = self.providers.get(&provider.org);
        let as_read = stored.map(|stored| stored.updated_at) == before.map(|before| before.updated_at);
        let hashes: Vec<String> = provider.audience_hashes().collect();
        let taken =
            self.providers.values().any(|other| other.org != provider.org && other.audience_hashes().any(|hash| hashes.contains(&hash)));
        if !as_read || taken {
            return Err(CommitError::Changed);
        }
        self.providers.insert(provider.org, provider.clone());
        Ok(())
    }
}

impl Logins for Memory {
    async fn provider_for(&self, issuer: &str, audience: &str) -> Result<Option<IdentityProvider>, PortError> {
        let is_it = |provider: &&IdentityProvider| provider.issuer == issuer && provider.audiences().any(|known| known == audience);
        self.faults.read("provider_for", || Ok(self.state().providers.values().find(is_it).cloned())).await
    }

    async fn count_login(&self, login_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> Result<Counted, PortError> {
        self.faults.call("count_login", true, || Ok(self.state().count(format!("login {login_sha256}"), bucket, all, now))).await
    }

    async fn admit_session(&self, secret_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> Result<SessionAdmission, PortError> {
        self.faults.call("admit_session", true, || Ok(self.state().admit_session(secret_sha256, bucket, all, now))).await
    }
}

impl IdentityProviders for Memory {
    async fn identity_provider(&self, org: &OrgId) -> Result<Option<IdentityProvider>, PortError> {
        self.faults.read("identity_provider", || Ok(self.state().providers.get(org).cloned())).await
    }

    async fn put_identity_provider(&self, provider: &IdentityProvider, before: Option<&IdentityProvider>) -> Result<(), CommitError> {
        self.faults.call("put_identity_provider", true, || self.state().put_identity_provider(provider, before)).await
    }

    async fn delete_identity_provider(&self, provider: &IdentityProvider) -> Result<(), CommitError> {
        let delete = || {
            let mut state = self.state();
            match state.providers.get(&provider.org) {
                Some(stored) if stored.updated_at == provider.updated_at => {
                    state.providers.remove(&provider.org);
                    Ok(())
                }
                _ => Err(CommitError::Changed),
            }
        };
        self.faults.call("delete_identity_provider", true, delete).await
    }

    async fn only_identity_provider(&self) -> Result<Option<OrgId>, PortError> {
        let only = || {
            let state = self.state();
            Ok(state.providers.keys().next().copied().filter(|_| state.providers.len() == 1))
        };
        self.faults.read("only_identity_provider", only).await
    }
}

impl Sessions for Memory {
    async fn create_session(&self, session: &Session, secret_sha256: &str) -> Result<(), CommitError> {
        let create = || {
            let mut state = self.state();
            let is_taken = state.sessions.iter().any(|(hash, known)| hash == secret_sha256 || known.id == session.id);
            if is_taken {
                return Err(CommitError::Changed);
            }
            state.sessions.insert(secret_sha256.to_owned(), session.clone());
            Ok(())
        };
        self.faults.call("create_session", true, create).await
    }

    async fn sessions(&self, org: &OrgId) -> Result<Vec<Session>, PortError> {
        let all = || {
            let mut found: Vec<Session> =
                self.state().sessions.values().filter(|session| session.org == *org && session.ended_at.is_none()).cloned().collect();
            found.sort_by_key(|session| std::cmp::Reverse(session.id));
            Ok(found)
        };
        self.faults.read("sessions", all).await
    }

    async fn session(&self, org: &OrgId, id: &SessionId) -> Result<Option<Session>, PortError> {
        let find = || {
            self.state().sessions.values().find(|session| (session.org, session.id) == (*org, *id) && session.ended_at.is_none()).cloned()
        };
        self.faults.read("session", || Ok(find())).await
    }

    async fn end_session(&self, org: &OrgId, id: &SessionId, now: Time) -> Result<bool, PortError> {
        let end = || {
            let mut state = self.state();
            let found = state.sessions.values_mut().find(|session| (session.org, session.id) == (*org, *id) && session.ended_at.is_none());
            Ok(found.map(|session| session.ended_at = Some(now)).is_some())
        };
        self.faults.call("end_session", true, end).await
    }
}
