//! Faults that a test plans for calls of ports.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use domain::ports::PortError;

/// The fate of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It succeeds.
    Pass,
    /// It fails, and has no effect.
    FailBefore,
    /// It is rejected for good, and has no effect.
    Reject,
    /// It has its effect, and its answer is lost: to the caller it has failed.
    LoseAnswer,
    /// It has its effect, its answer is lost, and the client library repeats it: the caller gets the second answer.
    Twice,
    /// The process dies before it.
    CrashBefore,
    /// The process dies right after it.
    CrashAfter,
}

/// A call of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number, counted from 1 over all ports that share these faults.
    pub number: usize,
    /// The name of the method, for example `commit`.
    pub name: &'static str,
    /// Whether it is a write.
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

/// Decides the fate of every call. Ports with the same faults share the count and the hook.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults").field("calls", &self.state().calls.len()).finish_non_exhaustive()
    }
}

impl Faults {
    /// Returns faults that let every call succeed.
    pub fn none() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets `hook` decide from now on. It may use the ports itself: such calls are neither counted nor decided.
    pub fn decide(&self, hook: impl FnMut(&Call) -> Fate + Send + 'static) {
        self.state().hook = Some(Box::new(hook));
    }

    /// Lets every call succeed from now on.
    pub fn clear(&self) {
        self.state().hook = None;
    }

    /// Gives this fate to the `nth` call of any port from now on. All others succeed.
    pub fn strike(&self, nth: usize, fate: Fate) {
        let number = self.calls().len() + nth;
        self.decide(move |call| if call.number == number { fate } else { Fate::Pass });
    }

    /// Gives this fate to the `nth` call of `name` from now on. All others succeed.
    pub fn strike_call(&self, name: &'static str, nth: usize, fate: Fate) {
        let mut seen = 0;
        self.decide(move |call| {
            seen += usize::from(call.name == name);
            if call.name == name && seen == nth { fate } else { Fate::Pass }
        });
    }

    /// Runs `act` right before the `nth` call of `name` from now on.
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

    /// Makes every call yield once before its effect, so that the test, which polls the futures, chooses their order.
    pub fn pause_at_every_call(&self, pauses: bool) {
        self.state().pauses = pauses;
    }

    /// Returns every call so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Returns how often `name` was called.
    pub fn count(&self, name: &str) -> usize {
        self.state().calls.iter().filter(|call| call.name == name).count()
    }

    /// Returns whether a call has ended the process, and resets that.
    pub fn take_crash(&self) -> bool {
        std::mem::take(&mut self.state().crashed)
    }

    /// Returns whether a call has ended the process.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// Returns the fate of a call that is about to happen.
    pub(crate) async fn fate(&self, name: &'static str, writes: bool) -> Fate {
        let pauses = self.state().pauses;
        if pauses {
            give_way().await;
        }
        if self.has_crashed() {
            // A call of the same process from another branch: it is gone too.
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

    /// Ends the process: it never returns.
    pub(crate) async fn crash<T>(&self) -> T {
        self.state().crashed = true;
        pending().await
    }

    /// Makes a call whose effect is `act`.
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

    /// Makes a call that only reads.
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
