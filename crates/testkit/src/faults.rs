//! What can go wrong when a port is called, decided by the test.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use domain::ports::PortError;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It works.
    Pass,
    /// It fails, and nothing has happened.
    FailBefore,
    /// It is refused, as it would be every time, and nothing has happened.
    Reject,
    /// It happens, and its answer is lost: the caller is told that it failed.
    LoseAnswer,
    /// It happens, its answer is lost on the way, and the client library sends it once more: the caller hears the second answer.
    Twice,
    /// The process dies before it happens.
    CrashBefore,
    /// The process dies right after it has happened.
    CrashAfter,
}

/// A call of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// BallotOutcome from 1, over all ports that share these faults.
    pub number: usize,
    /// The method's name, e.g. `commit`.
    pub name: &'static str,
    /// Whether it changes anything.
    pub writes: bool,
}

type Hook = Box<dyn FnMut(&Call) -> Fate + Send>;

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    hook: Option<Hook>,
    in_hook: bool,
    crashed: bool,
    pauses: bool,
}

/// Decides the fate of every call. Ports that are given the same faults share the count and the hook.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults").field("calls", &self.state().calls.len()).finish_non_exhaustive()
    }
}

impl Faults {
    /// Everything works.
    pub fn none() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on `hook` decides. It may itself use the ports: such calls are neither counted nor decided.
    pub fn decide(&self, hook: impl FnMut(&Call) -> Fate + Send + 'static) {
        self.state().hook = Some(Box::new(hook));
    }

    /// From now on everything works.
    pub fn clear(&self) {
        self.state().hook = None;
    }

    /// The `nth` call from now on, of any port, has this fate; all others work.
    pub fn strike(&self, nth: usize, fate: Fate) {
        let number = self.calls().len() + nth;
        self.decide(move |call| if call.number == number { fate } else { Fate::Pass });
    }

    /// The `nth` call of `name` from now on has this fate; all others work.
    pub fn strike_call(&self, name: &'static str, nth: usize, fate: Fate) {
        let mut seen = 0;
        self.decide(move |call| {
            seen += usize::from(call.name == name);
            if call.name == name && seen == nth { fate } else { Fate::Pass }
        });
    }

    /// Does `act` right before the `nth` call of `name` from now on: something else happens just then.
    pub fn just_before(&self, name: &'static str, nth: usize, mut act: impl FnMut() + Send + 'static) {
        let mut seen = 0;
        self.decide(move |call| {
            seen += usize::from(call.name == name);
            if call.name == name && seen == nth {
                act();
            }
            Fate::Pass
        });
    }

    /// Every call gives way once before it happens, so that whoever polls the futures chooses their order.
    pub fn pause_at_every_call(&self, pauses: bool) {
        self.state().pauses = pauses;
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How often `name` was called.
    pub fn count(&self, name: &str) -> usize {
        self.state().calls.iter().filter(|call| call.name == name).count()
    }

    /// Whether a call has taken the process down. Asking resets it.
    pub fn take_crash(&self) -> bool {
        std::mem::take(&mut self.state().crashed)
    }

    /// Whether a call has taken the process down.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// The fate of a call that is about to happen.
    pub(crate) async fn fate(&self, name: &'static str, writes: bool) -> Fate {
        let pauses = self.state().pauses;
        if pauses {
            give_way().await;
        }
        if self.has_crashed() {
            // A call of the same process, from another branch of it: that is gone too.
            return pending().await;
        }
        let mut state = self.state();
        if state.in_hook {
            return Fate::Pass;
        }
        let call = Call { number: state.calls.len() + 1, name, writes };
        state.calls.push(call.clone());
        let Some(mut hook) = state.hook.take() else { return Fate::Pass };
        state.in_hook = true;
        drop(state);
        let fate = hook(&call);
        let mut state = self.state();
        state.in_hook = false;
        state.hook.get_or_insert(hook);
        fate
    }

    /// The process is gone: nothing after this happens.
    pub(crate) async fn crash<T>(&self) -> T {
        self.state().crashed = true;
        pending().await
    }

    /// A call whose effect is `act`.
    pub(crate) async fn call<T, E: From<PortError>>(
        &self,
        name: &'static str,
        writes: bool,
        act: impl Fn() -> Result<T, E>,
    ) -> Result<T, E> {
        let lost = || E::from(PortError::Unavailable(format!("{name} did not answer")));
        match self.fate(name, writes).await {
            Fate::Pass => act(),
            Fate::FailBefore => Err(lost()),
            Fate::Reject => Err(E::from(PortError::Rejected(format!("{name} was refused")))),
            Fate::LoseAnswer => {
                _ = act();
                Err(lost())
            }
            Fate::Twice => {
                _ = act();
                act()
            }
            Fate::CrashBefore => self.crash().await,
            Fate::CrashAfter => {
                _ = act();
                self.crash().await
            }
        }
    }

    /// A call that only reads: before or after makes no difference to it.
    pub(crate) async fn read<T>(&self, name: &'static str, act: impl Fn() -> Result<T, PortError>) -> Result<T, PortError> {
        self.call(name, false, act).await
    }
}

async fn give_way() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
