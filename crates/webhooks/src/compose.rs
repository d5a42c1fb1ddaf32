//! Makes the event of something that happened: its name, and what it says.

use domain::id::OrgId;
use domain::ports::{Clock, Flows, PortError, Runs, spec_for};
use domain::run::RunStatus;
use domain::step::{Payload, StepRecord};
use domain::webhook::{DomainEvent, Event, Reading, data_of};
use serde_json::Value;

/// Reads what an event says in addition to what the stream has shown.
pub(crate) struct Composer<'a, R, F, C> {
    pub(crate) runs: &'a R,
    pub(crate) flows: &'a F,
    pub(crate) clock: &'a C,
    /// The URL of the console.
    pub(crate) console: Option<&'a str>,
}

/// The name of an event.
pub(crate) enum Name {
    /// It has this name.
    Of {
        name: String,
        /// The input of a `webhook_emit`, if it had to be fetched from object storage to know the name.
        input: Option<Value>,
    },
    /// The name was in a payload that has been purged: there is no event any more.
    Purged,
}

impl<R: Runs, F: Flows, C: Clock> Composer<'_, R, F, C> {
    /// Returns the name of the event. The flow gives it to the event of a `webhook_emit`, in the input of the step.
    pub(crate) async fn name(&self, happened: &DomainEvent) -> Result<Name, PortError> {
        let step = match happened {
            DomainEvent::Emitted(step) => step,
            other => return Ok(Name::Of { name: other.name().unwrap_or_default().to_owned(), input: None }),
        };
        let fetched = self.fetch(step, step.input.as_ref()).await?;
        let input = step.input.as_ref().and_then(Payload::value).map(AsRef::as_ref).or(fetched.as_ref());
        if input.is_none() && matches!(step.input, Some(Payload::Stored(_))) {
            tracing::warn!(run = %step.run, node = %step.node, "an event was purged before it could be published");
            return Ok(Name::Purged);
        }
        let name = input.and_then(|input| input.get("event")).and_then(Value::as_str).map(str::to_owned);
        let name = name.ok_or_else(|| PortError::Corrupt(format!("{} of {} emits an event without a name", step.node, step.run)))?;
        Ok(Name::Of { name, input: fetched })
    }

    /// Returns the event. `input` is what [`name`](Self::name) has fetched.
    pub(crate) async fn compose(&self, happened: &DomainEvent, name: &str, input: Option<Value>, org: OrgId) -> Result<Event, PortError> {
        let mut reading = Reading { fetched: input, console: self.console.map(str::to_owned), ..Reading::default() };
        if happened.whole_run().is_none() {
            reading.run = self.runs.load(&happened.run()).await?.map(Box::new);
        }
        match happened {
            DomainEvent::Started(run) => reading.input = Some(self.runs.input(run).await?),
            DomainEvent::Ended(run) if run.status == RunStatus::Succeeded => {
                reading.spec = Some(spec_for(self.flows, run).await?);
                reading.steps = self.runs.steps(run, self.clock.now()).await?;
                reading.gates = self.runs.gates(run).await?;
            }
            DomainEvent::Generating { run, .. } => reading.spec = Some(spec_for(self.flows, run).await?),
            DomainEvent::Generated(step) => reading.fetched = self.fetch(step, step.output.as_ref()).await?,
            DomainEvent::Ended(_) | DomainEvent::Opened(_) | DomainEvent::Approval { .. } | DomainEvent::Emitted(_) => {}
        }
        let run = reading.run.as_ref().filter(|_| matches!(happened, DomainEvent::Emitted(_)));
        let trace_id = run.map(|run| run.trace_id.as_str());
        Ok(Event::traced(happened.event_id(), name, org, happened.at(), trace_id, data_of(happened, &reading)))
    }

    /// Returns a payload of a step that is in object storage. `None` if it is in the record, or if it has been purged: that is for good,
    /// so it is not a failure, which would hold up the stream.
    async fn fetch(&self, step: &StepRecord, payload: Option<&Payload>) -> Result<Option<Value>, PortError> {
        let Some(Payload::Stored(object)) = payload else { return Ok(None) };
        match self.runs.fetch(object).await {
            Ok(value) => Ok(Some(value)),
            Err(_) if self.is_purged(step).await? => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn is_purged(&self, step: &StepRecord) -> Result<bool, PortError> {
        let Some(run) = self.runs.load(&step.run).await? else { return Ok(false) };
        let record = self.runs.step_in_round(&run, &step.key(), self.clock.now()).await?;
        Ok(record.is_some_and(|record| record.purged.is_some()))
    }
}
