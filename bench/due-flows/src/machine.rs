//! A simulation of Step Functions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use domain::id::RunId;
use domain::ports::{ExecutionStart, Executions, PortError, Resumption};
use domain::run::Run;
use domain::time::Time;

/// Accepts executions from a token bucket, as AWS documents it, and answers after a delay.
#[derive(Debug, Clone)]
pub struct Machine {
    latency: Duration,
    /// The size of the bucket and its refill per second; `None` is no limit.
    bucket: Option<(u32, u32)>,
    tokens: Rc<Cell<(f64, Instant)>>,
    started: Rc<RefCell<BTreeSet<RunId>>>,
}

impl Machine {
    pub fn new(millis: u64, bucket: Option<(u32, u32)>) -> Self {
        let full = bucket.map_or(0.0, |(size, _)| f64::from(size));
        let tokens = Rc::new(Cell::new((full, Instant::now())));
        Self { latency: Duration::from_millis(millis), bucket, tokens, started: Rc::default() }
    }

    /// The number of executions that were started, each counted once.
    pub fn started(&self) -> usize {
        self.started.borrow().len()
    }

    fn takes_token(&self) -> bool {
        let Some((size, refill)) = self.bucket else { return true };
        let (tokens, then) = self.tokens.get();
        let now = Instant::now();
        let tokens = (tokens + now.duration_since(then).as_secs_f64() * f64::from(refill)).min(f64::from(size));
        let takes = tokens >= 1.0;
        self.tokens.set((if takes { tokens - 1.0 } else { tokens }, now));
        takes
    }
}

impl Executions for Machine {
    async fn start(&self, run: &Run, _: Time) -> Result<ExecutionStart, PortError> {
        tokio::time::sleep(self.latency).await;
        if !self.takes_token() {
            return Err(PortError::Unavailable("ThrottlingException".to_owned()));
        }
        self.started.borrow_mut().insert(run.id);
        Ok(ExecutionStart::Started)
    }

    async fn is_over(&self, _: &Run) -> Result<bool, PortError> {
        Ok(false)
    }

    async fn resume(&self, _: &str) -> Result<Resumption, PortError> {
        Ok(Resumption::Resumed)
    }

    async fn stop(&self, _: &Run) -> Result<(), PortError> {
        Ok(())
    }
}
