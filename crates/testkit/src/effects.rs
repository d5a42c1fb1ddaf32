//! Effects of nodes that a test scripts: it says what each request is answered with, and sees what was sent.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::ports::{CallContext, Clock, Effect, EffectError, Effects};
use domain::request::Request;
use domain::step::ResponseHead;
use domain::time::Time;
use serde_json::{Value, json};

use crate::{Fate, Faults, ManualClock};

/// A request that was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The last segment of the URL or path, or the model. The builders make this the name of the node.
    pub name: String,
    /// The context of the call.
    pub context: CallContext,
    /// The request.
    pub request: Request,
    /// When it was sent.
    pub at: Time,
}

impl Sent {
    /// Returns a request that is sent now.
    pub fn new(context: &CallContext, request: &Request, at: Time) -> Self {
        Self { name: name_of(request), context: context.clone(), request: request.clone(), at }
    }

    /// Returns the body, if it has one.
    pub fn body(&self) -> Option<&Value> {
        match &self.request {
            Request::Llm(_) => None,
            Request::Service(request) => request.body.as_ref(),
            Request::Http(call) | Request::Sink(call) => call.body.as_ref(),
        }
    }
}

/// A scripted answer, and the time that it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The time until the answer, in milliseconds.
    pub after_millis: u64,
    /// The answer.
    pub result: Result<Effect, EffectError>,
}

impl Reply {
    /// Returns this output, at once.
    pub fn output(output: Value) -> Self {
        Self { after_millis: 0, result: Ok(Effect { output, answer: Some(ResponseHead { status: 200, headers: json!({}) }) }) }
    }

    /// Returns the answer of a model that followed its schema.
    pub fn parsed(parsed: &Value) -> Self {
        Self::output(json!({"text": parsed.to_string(), "parsed": parsed}))
    }

    /// Returns a failure that another attempt may avoid.
    pub fn unavailable() -> Self {
        Self::failure("the service answered 503", true)
    }

    /// Returns a failure that every attempt meets.
    pub fn refused() -> Self {
        Self::failure("the service answered 400", false)
    }

    /// Returns a failure.
    pub fn failure(message: &str, retryable: bool) -> Self {
        let error = EffectError { message: message.to_owned(), retryable, retry_after_seconds: None, answer: None };
        Self { after_millis: 0, result: Err(error) }
    }

    /// Adds a `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        if let Err(error) = &mut self.result {
            error.retry_after_seconds = Some(seconds);
        }
        self
    }

    /// Adds a delay.
    #[must_use]
    pub fn after(self, millis: u64) -> Self {
        Self { after_millis: millis, ..self }
    }
}

type Script = Box<dyn FnMut(&Sent) -> Option<Reply> + Send>;

#[derive(Default)]
struct State {
    sent: Vec<Sent>,
    queued: BTreeMap<String, VecDeque<Reply>>,
    script: Option<Script>,
}

/// Answers requests: by the script, or else from the queue of the name of the request, or else with an echo of the request.
#[derive(Clone)]
pub struct ScriptedEffects {
    state: Arc<Mutex<State>>,
    clock: ManualClock,
    faults: Faults,
}

impl std::fmt::Debug for ScriptedEffects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedEffects").field("sent", &self.sent()).finish_non_exhaustive()
    }
}

impl ScriptedEffects {
    /// Returns effects that echo every request.
    pub fn new(clock: ManualClock, faults: Faults) -> Self {
        Self { state: Arc::default(), clock, faults }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Queues a reply for the next request of this name that the script does not answer.
    pub fn answer(&self, name: &str, reply: Reply) -> &Self {
        self.state().queued.entry(name.to_owned()).or_default().push_back(reply);
        self
    }

    /// Asks `script` first from now on. It may do something else meanwhile, for example cancel the run.
    pub fn script(&self, script: impl FnMut(&Sent) -> Option<Reply> + Send + 'static) {
        self.state().script = Some(Box::new(script));
    }

    /// Returns everything that was sent, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    /// Returns what was sent under a name, in order.
    pub fn sent_to(&self, name: &str) -> Vec<Sent> {
        self.state().sent.iter().filter(|sent| sent.name == name).cloned().collect()
    }

    fn send(&self, context: &CallContext, request: &Request) -> Reply {
        let sent = Sent::new(context, request, self.clock.now());
        let mut state = self.state();
        state.sent.push(sent.clone());
        // The script is taken out while it runs, so that it can use these effects itself.
        if let Some(mut script) = state.script.take() {
            drop(state);
            let reply = script(&sent);
            state = self.state();
            state.script.get_or_insert(script);
            if let Some(reply) = reply {
                return reply;
            }
        }
        let queued = state.queued.get_mut(&sent.name).and_then(VecDeque::pop_front);
        queued.unwrap_or_else(|| Reply::output(json!({"name": sent.name, "sent": request.as_input()})))
    }

    async fn answered(&self, reply: Reply) -> Result<Effect, EffectError> {
        if reply.after_millis > 0 {
            self.clock.sleep(reply.after_millis).await;
        }
        reply.result
    }
}

fn name_of(request: &Request) -> String {
    let last = |path: &str| path.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    match request {
        Request::Llm(request) => request.model.clone(),
        Request::Service(request) => last(&request.path),
        Request::Http(call) | Request::Sink(call) => last(&call.url),
    }
}

impl Effects for ScriptedEffects {
    async fn perform(&self, context: &CallContext, request: &Request) -> Result<Effect, EffectError> {
        let lost = || Reply::failure("the connection broke", true).result;
        match self.faults.fate("perform", true).await {
            Fate::Pass => self.answered(self.send(context, request)).await,
            Fate::FailBefore | Fate::Reject => lost(),
            Fate::LoseAnswer => {
                self.send(context, request);
                lost()
            }
            Fate::Twice => {
                self.send(context, request);
                self.answered(self.send(context, request)).await
            }
            Fate::CrashBefore => self.faults.crash().await,
            Fate::CrashAfter => {
                self.send(context, request);
                self.faults.crash().await
            }
        }
    }
}
