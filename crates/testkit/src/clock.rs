//! A clock that moves only when a test moves it, or when every task sleeps.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use domain::ports::Clock;
use domain::time::Time;

/// A clock for tests. A sleeping task waits until the time is moved; [`block_on`](crate::block_on) moves it to the nearest alarm once no
/// task can go on, so sleeping takes no real time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Time,
    alarms: BTreeMap<(Time, u64), Waker>,
    set_so_far: u64,
    ticks: bool,
}

impl ManualClock {
    /// Returns a clock that shows `now`.
    pub fn at(now: Time) -> Self {
        Self(Arc::new(Mutex::new(State { now, alarms: BTreeMap::new(), set_so_far: 0, ticks: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Makes a millisecond pass at each reading from now on, as on a slow machine.
    pub fn tick_when_read(&self) {
        self.state().ticks = true;
    }

    /// Moves the time forward to `to`, and wakes the tasks that slept until then. It never moves back.
    pub fn set(&self, to: Time) {
        let mut state = self.state();
        state.now = state.now.max(to);
        let after = (state.now.plus_millis(1), 0);
        let later = state.alarms.split_off(&after);
        let due = std::mem::replace(&mut state.alarms, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }

    /// Moves the time forward by a number of seconds.
    pub fn advance(&self, seconds: u64) {
        let now = self.now();
        self.set(now.plus_seconds(seconds));
    }

    /// Moves the time to the nearest alarm. Returns false if no task sleeps.
    pub fn skip_to_alarm(&self) -> bool {
        let nearest = self.state().alarms.keys().next().copied();
        if let Some((at, _)) = nearest {
            self.set(at);
        }
        nearest.is_some()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        let mut state = self.state();
        if state.ticks {
            state.now = state.now.plus_millis(1);
        }
        state.now
    }

    fn sleep(&self, millis: u64) -> impl Future<Output = ()> {
        Sleep { clock: self.clone(), until: self.now().plus_millis(millis), alarm: None }
    }
}

struct Sleep {
    clock: ManualClock,
    until: Time,
    alarm: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.state();
        if self.until <= state.now {
            return Poll::Ready(());
        }
        let alarm = *self.alarm.get_or_insert_with(|| {
            state.set_so_far += 1;
            state.set_so_far
        });
        state.alarms.insert((self.until, alarm), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    // A sleep that was dropped must not move the time.
    fn drop(&mut self) {
        if let Some(alarm) = self.alarm {
            self.clock.state().alarms.remove(&(self.until, alarm));
        }
    }
}
