//! Ports that remember what they have answered, and so can bring a task to where it was.
//!
//! A future cannot be copied, but the engine is deterministic: what a task does next follows from what it was asked to do and
//! from what it has heard. So a task *is* what it has heard. Played against its tape it makes the same calls again, is given
//! the same answers, and stands where it stood: at the calls that it waits for.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use domain::access::Assignee;
use domain::connection::Connection;
use domain::flow::{Flow, NodeId, ServiceSlug, Version};
use domain::gate::Gate;
use domain::id::{ApprovalId, FlowId, OrgId, RunId};
use domain::ports::{
    CallContext, Clock, CommitError, Connections, Effect, EffectError, Effects, Entropy, ExecutionStart, Executions, FlowName, Flows,
    Idempotency, Page, PortError, Resumption, RunFilter, RunLists, RunOrigin, RunSummary, Runs, Window,
};
use domain::request::Request;
use domain::run::Run;
use domain::step::{ObjectRef, StepKey, StepRecord};
use domain::time::Time;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use testkit::{Memory, Reply, Sent};

use crate::site::{Mark, Site};

/// An answer, of whatever type the call has, and a mark that distinguishes it from others.
#[derive(Clone)]
pub struct Answer {
    value: Rc<dyn Any>,
    pub mark: u64,
}

impl Answer {
    fn new(value: impl Answers) -> Self {
        Self { mark: Mark::of(&value), value: Rc::new(value) }
    }

    /// Whether a write was refused because of another write.
    pub fn is_refused_write(&self) -> bool {
        matches!(self.value.downcast_ref::<Result<Run, CommitError>>(), Some(Err(CommitError::Changed)))
    }
}

type Act = dyn Fn(&Site, Time) -> Answer;

/// A call that a task waits for.
#[derive(Clone)]
pub struct Call {
    /// The number of the call among the calls of the task.
    pub number: usize,
    pub name: &'static str,
    pub writes: bool,
    /// A sleep: until when.
    pub until: Option<Time>,
    act: Rc<Act>,
    lost: Rc<dyn Fn() -> Answer>,
}

impl Call {
    /// Carries it out.
    pub fn perform(&self, site: &Site, now: Time) -> Answer {
        (self.act)(site, now)
    }

    /// What is heard of it when its answer is lost.
    pub fn lost(&self) -> Answer {
        (self.lost)()
    }
}

/// A type of answers, one of which says that there was none.
trait Answers: Clone + Debug + 'static {
    fn lost() -> Self;
}

impl<T: Clone + Debug + 'static> Answers for Result<T, PortError> {
    fn lost() -> Self {
        Err(PortError::Unavailable("no answer".to_owned()))
    }
}

impl<T: Clone + Debug + 'static> Answers for Result<T, CommitError> {
    fn lost() -> Self {
        Err(CommitError::Port(PortError::Unavailable("no answer".to_owned())))
    }
}

impl Answers for Result<Effect, EffectError> {
    fn lost() -> Self {
        Reply::failure("no answer", false).result
    }
}

impl Answers for () {
    fn lost() -> Self {}
}

/// What a task has heard: the answer to a call, and what the time was then.
#[derive(Clone)]
pub struct Heard {
    pub call: usize,
    pub answer: Answer,
    pub now: Time,
}

struct Reel {
    now: Time,
    calls: usize,
    heard: BTreeMap<usize, Answer>,
    waits: BTreeMap<usize, (Call, Option<Waker>)>,
}

/// All ports of one task.
#[derive(Clone)]
pub struct Tape {
    reel: Rc<RefCell<Reel>>,
    /// What never changes: to read it is no choice point.
    library: Memory,
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

/// A call that is given up is no longer waited for.
struct Waiting<'t>(&'t Tape, usize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.reel.borrow_mut().waits.remove(&self.1);
    }
}

impl Tape {
    async fn call<T: Answers>(&self, name: &'static str, writes: bool, until: Option<Time>, act: impl Fn(&Site, Time) -> T + 'static) -> T {
        let number = {
            let mut reel = self.reel.borrow_mut();
            reel.calls += 1;
            let number = reel.calls;
            let act = Rc::new(move |site: &Site, now| Answer::new(act(site, now)));
            let lost = Rc::new(|| Answer::new(T::lost()));
            reel.waits.insert(number, (Call { number, name, writes, until, act, lost }, None));
            number
        };
        let _waiting = Waiting(self, number);
        poll_fn(|context| {
            let mut reel = self.reel.borrow_mut();
            if let Some(answer) = reel.heard.get(&number) {
                return Poll::Ready(answer.value.downcast_ref::<T>().unwrap().clone());
            }
            if let Some((_, waker)) = reel.waits.get_mut(&number) {
                *waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    async fn read<T: Answers>(&self, name: &'static str, act: impl Fn(&Site) -> T + 'static) -> T {
        self.call(name, false, None, move |site, _| act(site)).await
    }

    async fn write<T: Answers>(&self, name: &'static str, act: impl Fn(&Site) -> T + 'static) -> T {
        self.call(name, true, None, move |site, _| act(site)).await
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Where a task stands.
pub enum Stand<T> {
    /// It waits for one of these.
    At(Vec<Call>),
    /// It has come to its end.
    Ended(T),
}

/// Begins a task at `begun`, and lets it hear everything once more.
pub fn replay<T>(library: &Memory, begun: Time, heard: &[Heard], task: impl FnOnce(Tape) -> LocalBoxFuture<'static, T>) -> Stand<T> {
    let reel = Reel { now: begun, calls: 0, heard: BTreeMap::new(), waits: BTreeMap::new() };
    let tape = Tape { reel: Rc::new(RefCell::new(reel)), library: library.clone() };
    let mut future = task(tape.clone());
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut poll = || {
        loop {
            flag.0.store(false, Ordering::SeqCst);
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(value);
            }
            if !flag.0.load(Ordering::SeqCst) {
                return None;
            }
        }
    };
    let mut ended = poll();
    for heard in heard {
        assert!(ended.is_none(), "a task that has ended cannot hear: it does not do twice what it did once");
        let waker = {
            let mut reel = tape.reel.borrow_mut();
            reel.now = heard.now;
            reel.heard.insert(heard.call, heard.answer.clone());
            reel.waits.remove(&heard.call).unwrap().1
        };
        waker.unwrap().wake();
        ended = poll();
    }
    ended.map_or_else(|| Stand::At(tape.reel.borrow().waits.values().map(|(call, _)| call.clone()).collect()), Stand::Ended)
}

/// What a task has received, distinguished from everything else that it could have received.
pub type Next = HashMap<(usize, u64, Time), usize>;

impl Runs for Tape {
    async fn create(&self, _: &Run, _: &Value, _: Option<&Idempotency>) -> Result<(), CommitError> {
        panic!("the run is there already")
    }

    async fn idempotent(&self, _: &OrgId, _: &str, _: &str, _: Time) -> Result<Option<Idempotency>, PortError> {
        panic!("the run is there already")
    }

    async fn load(&self, id: &RunId) -> Result<Option<Run>, PortError> {
        let id = *id;
        self.read("load", move |site| at_once(site.store.load(&id))).await
    }

    async fn commit(&self, run: Run, gates: &[Gate]) -> Result<Run, CommitError> {
        let gates = gates.to_vec();
        self.write("commit", move |site| site.commit(&run, |store| at_once(store.commit(run.clone(), &gates)))).await
    }

    async fn origin(&self, run: &Run) -> Result<RunOrigin, PortError> {
        self.library.origin(run).await
    }

    async fn record(&self, run: &Run, step: StepRecord) -> Result<StepRecord, PortError> {
        let run = run.clone();
        self.write("record", move |site| at_once(site.store.record(&run, step.clone()))).await
    }

    async fn offload(&self, run: &Run, gate: Gate) -> Result<Gate, PortError> {
        // Nothing here is large enough to be a call to the outside.
        self.library.offload(run, gate).await
    }

    async fn extend_retention(&self, run: &Run, until: Time) -> Result<Option<Time>, PortError> {
        // No run of these flows waits for half a year: nothing is written, and the answer follows from the run.
        self.library.extend_retention(run, until).await
    }

    async fn step_in_round(&self, run: &Run, step: &StepKey, now: Time) -> Result<Option<StepRecord>, PortError> {
        let (run, step) = (run.clone(), step.clone());
        self.read("step", move |site| at_once(site.store.step_in_round(&run, &step, now))).await
    }

    async fn close_gate(&self, run: &Run, node: &NodeId) -> Result<(), PortError> {
        let (run, node) = (run.clone(), node.clone());
        self.write("close_gate", move |site| at_once(site.store.close_gate(&run, &node))).await
    }

    async fn gate_in_round(&self, run: &Run, step: &StepKey) -> Result<Option<Gate>, PortError> {
        let (run, step) = (run.clone(), step.clone());
        self.read("gate", move |site| at_once(site.store.gate_in_round(&run, &step))).await
    }

    async fn gates(&self, run: &Run) -> Result<Vec<Gate>, PortError> {
        let run = run.clone();
        self.read("gates", move |site| at_once(site.store.gates(&run))).await
    }

    async fn place_of_approval(&self, org: &OrgId, id: &ApprovalId) -> Result<Option<(RunId, NodeId)>, PortError> {
        self.library.place_of_approval(org, id).await
    }

    async fn steps(&self, run: &Run, now: Time) -> Result<Vec<StepRecord>, PortError> {
        let run = run.clone();
        self.read("steps", move |site| at_once(site.store.steps(&run, now))).await
    }

    async fn fetch(&self, object: &ObjectRef) -> Result<Value, PortError> {
        let object = object.clone();
        self.read("fetch", move |site| at_once(site.store.fetch(&object))).await
    }

    async fn sign(&self, object: &ObjectRef, seconds: u64) -> Result<String, PortError> {
        self.library.sign(object, seconds).await
    }
}

impl Flows for Tape {
    async fn create_flow(&self, _: &Flow, _: &Version) -> Result<(), CommitError> {
        panic!("the engine makes no flows")
    }

    async fn update_flow(&self, _: &Flow, _: &Flow, _: Option<&Version>) -> Result<(), CommitError> {
        panic!("the engine changes no flows")
    }

    async fn flow(&self, org: &OrgId, name: &FlowName) -> Result<Option<Flow>, PortError> {
        self.library.flow(org, name).await
    }

    async fn version(&self, org: &OrgId, flow: &FlowId, number: u32) -> Result<Option<Version>, PortError> {
        self.library.version(org, flow, number).await
    }

    async fn flows(&self, org: &OrgId, window: &Window) -> Result<Page<Flow>, PortError> {
        self.library.flows(org, window).await
    }
}

impl Connections for Tape {
    async fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        self.library.connection(org, slug).await
    }

    async fn note_use(&self, _: &OrgId, _: &Connection, _: Time) -> Result<(), PortError> {
        panic!("the engine calls no service")
    }

    async fn note_health(&self, _: &OrgId, _: &Connection, _: Time) -> Result<(), PortError> {
        panic!("the engine calls no service")
    }
}

impl RunLists for Tape {
    async fn runs_of(&self, flow: &FlowId, filter: &RunFilter, window: &Window) -> Result<Page<RunSummary>, PortError> {
        self.library.runs_of(flow, filter, window).await
    }

    async fn open_gates(
        &self,
        org: &OrgId,
        assignees: Option<&[Option<Assignee>]>,
        wanted: &(dyn Fn(&Gate) -> bool + Sync),
        window: &Window,
    ) -> Result<Page<Gate>, PortError> {
        self.library.open_gates(org, assignees, wanted, window).await
    }

    async fn with_pending_effects(&self) -> Result<Vec<RunId>, PortError> {
        self.read("with_pending_effects", |site| at_once(site.store.with_pending_effects())).await
    }

    async fn stuck(&self, now: Time) -> Result<Vec<RunId>, PortError> {
        self.read("stuck", move |site| at_once(site.store.stuck(now))).await
    }
}

impl Executions for Tape {
    async fn start(&self, run: &Run, now: Time) -> Result<ExecutionStart, PortError> {
        let run = run.clone();
        self.write("start", move |site| at_once(site.executions.start(&run, now))).await
    }

    async fn is_over(&self, run: &Run) -> Result<bool, PortError> {
        let run = run.clone();
        self.read("is_over", move |site| at_once(site.executions.is_over(&run))).await
    }

    async fn resume(&self, token: &str) -> Result<Resumption, PortError> {
        let token = token.to_owned();
        self.write("resume", move |site| at_once(site.executions.resume(&token))).await
    }

    async fn stop(&self, run: &Run) -> Result<(), PortError> {
        let run = run.clone();
        self.write("stop", move |site| at_once(site.executions.stop(&run))).await
    }
}

impl Effects for Tape {
    async fn perform(&self, context: &CallContext, request: &Request) -> Result<Effect, EffectError> {
        let (context, request) = (context.clone(), request.clone());
        let act = move |site: &Site, now| {
            let sent = Sent::new(&context, &request, now);
            site.observer.borrow_mut().sent(&site.store, &sent);
            Ok(Effect { output: json!({"parsed": {"amount": 1}, "name": sent.name, "text": "draft"}), answer: None })
        };
        self.call("perform", true, None, act).await
    }
}

impl Clock for Tape {
    fn now(&self) -> Time {
        self.reel.borrow().now
    }

    fn sleep(&self, millis: u64) -> impl Future<Output = ()> {
        let until = self.now().plus_millis(millis);
        async move {
            if millis > 0 {
                self.call("sleep", false, Some(until), |_, _| ()).await;
            }
        }
    }
}

impl Entropy for Tape {
    fn random(&self) -> u128 {
        // Only for the jitter of retries.
        0
    }
}
