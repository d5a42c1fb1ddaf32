//! Runs futures on this thread, without real time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::ManualClock;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs a future to its end. When it cannot go on, the clock moves to the nearest alarm; if there is none, the test fails.
pub fn block_on<T>(clock: &ManualClock, future: impl Future<Output = T>) -> T {
    run_until(clock, future, || false).unwrap()
}

/// Runs a future until it ends or `stop` returns true. Then the future is dropped, like a process that is killed.
pub fn run_until<T>(clock: &ManualClock, future: impl Future<Output = T>, stop: impl Fn() -> bool) -> Option<T> {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut future = pin!(future);
    loop {
        flag.0.store(false, Ordering::SeqCst);
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
        if stop() {
            return None;
        }
        let may_go_on = flag.0.load(Ordering::SeqCst) || clock.skip_to_alarm();
        assert!(may_go_on, "nothing can go on: the future waits for something that no clock and no other future will bring");
    }
}

/// Several futures at the same time, each of which the test moves on by hand. Together with
/// [`Faults::pause_at_every_call`](crate::Faults::pause_at_every_call) a step is what happens between two calls of a port, so a test
/// chooses the order of everything.
#[derive(Default)]
pub struct Tasks<'a> {
    running: BTreeMap<usize, Pin<Box<dyn Future<Output = ()> + 'a>>>,
    spawned: usize,
}

impl<'a> Tasks<'a> {
    /// Returns an empty set of tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task, and returns its number.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'a) -> usize {
        self.spawned += 1;
        self.running.insert(self.spawned, Box::pin(task));
        self.spawned
    }

    /// Returns the tasks that have not ended.
    pub fn running(&self) -> Vec<usize> {
        self.running.keys().copied().collect()
    }

    /// Lets a task go on until it has to wait. Returns true if it has ended.
    pub fn step(&mut self, task: usize) -> bool {
        let Some(future) = self.running.get_mut(&task) else { return true };
        let ended = future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        if ended {
            self.running.remove(&task);
        }
        ended
    }

    /// Drops a task, like a process that is killed.
    pub fn kill(&mut self, task: usize) {
        self.running.remove(&task);
    }
}
