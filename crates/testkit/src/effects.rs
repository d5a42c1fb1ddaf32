//! The world as the test wants it: what comes back for each request, and what was sent.

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
    /// What it is about: the last segment of the URL or path, or the model. The builders make this the node's name.
    pub name: String,
    /// What it carried.
    pub context: CallContext,
    /// The request.
    pub request: Request,
    /// When.
    pub at: Time,
}

impl Sent {
    /// A request that leaves now.
    pub fn new(context: &CallContext, request: &Request, at: Time) -> Self {
        Self { name: name_of(request), context: context.clone(), request: request.clone(), at }
    }

    /// The body, if it has one.
    pub fn body(&self) -> Option<&Value> {
        match &self.request {
            Request::Llm(_) => None,
            Request::Service(request) => request.body.as_ref(),
            Request::Http(call) | Request::Sink(call) => call.body.as_ref(),
        }
    }
}

/// What comes back, and how long that takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Milliseconds until the answer is there.
    pub after_millis: u64,
    /// The answer.
    pub result: Result<Effect, EffectError>,
}

impl Reply {
    /// This output, at once.
    pub fn output(output: Value) -> Self {
        Self { after_millis: 0, result: Ok(Effect { output, answer: Some(ResponseHead { status: 200, headers: json!({}) }) }) }
    }

    /// The answer of a model that followed its schema.
    pub fn parsed(parsed: &Value) -> Self {
        Self::output(json!({"text": parsed.to_string(), "parsed": parsed}))
    }

    /// A failure that another attempt may cure.
    pub fn unavailable() -> Self {
        Self::failure("the service answered 503", true)
    }

    /// A failure that no attempt will cure.
    pub fn refused() -> Self {
        Self::failure("the service answered 400", false)
    }

    /// A failure.
    pub fn failure(message: &str, retryable: bool) -> Self {
        let error = EffectError { message: message.to_owned(), retryable, retry_after_seconds: None, answer: None };
        Self { after_millis: 0, result: Err(error) }
    }

    /// The same, with a `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        if let Err(error) = &mut self.result {
            error.retry_after_seconds = Some(seconds);
        }
        self
    }

    /// The same, later.
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

/// Answers requests as told: first by the script, then from the queue of the request's name, then with an echo of the request.
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
    /// A world that echoes.
    pub fn new(clock: ManualClock, faults: Faults) -> Self {
        Self { state: Arc::default(), clock, faults }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next request of this name that no script answers gets this reply; those after it the replies queued after it.
    pub fn answer(&self, name: &str, reply: Reply) -> &Self {
        self.state().queued.entry(name.to_owned()).or_default().push_back(reply);
        self
    }

    /// From now on `script` is asked first. It may do something else meanwhile: cancel the run, for instance.
    pub fn script(&self, script: impl FnMut(&Sent) -> Option<Reply> + Send + 'static) {
        self.state().script = Some(Box::new(script));
    }

    /// Everything that was sent, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    /// What was sent under a name.
    pub fn sent_to(&self, name: &str) -> Vec<Sent> {
        self.state().sent.iter().filter(|sent| sent.name == name).cloned().collect()
    }

    fn send(&self, context: &CallContext, request: &Request) -> Reply {
        let sent = Sent::new(context, request, self.clock.now());
        let mut state = self.state();
        state.sent.push(sent.clone());
        // Taken out while it is asked, so that it can use this world itself.
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
