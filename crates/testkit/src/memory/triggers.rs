//! Webhook triggers and scheduled flows in memory.

use domain::flow::Flow;
use domain::id::{FlowId, OrgId};
use domain::ports::{CommitError, CronFlows, PortError, WebhookTriggers};
use domain::run::Run;
use domain::time::Time;
use domain::trigger::{WebhookToken, WebhookTrigger};
use serde_json::Value;

use super::{Memory, State};

impl State {
    fn due_flows(&self, now: Time, most: usize) -> Vec<(OrgId, FlowId)> {
        let next = |flow: &Flow| flow.trigger.cron().and_then(|cron| cron.next_run_at).filter(|next| *next <= now);
        let mut due: Vec<_> = self.flows.values().filter_map(|flow| next(flow).map(|next| (next, flow.org, flow.id))).collect();
        due.sort();
        due.into_iter().take(most).map(|(_, org, flow)| (org, flow)).collect()
    }

    fn create_due(&mut self, run: &Run, input: &Value, before: &Flow, after: &Flow) -> Result<(), CommitError> {
        let name = (before.org, before.id);
        let stored = self.flows.get(&name).ok_or(CommitError::Changed)?;
        let state = |flow: &Flow| (flow.updated_at, flow.trigger.cron().and_then(|cron| cron.next_run_at));
        if state(stored) != state(before) {
            return Err(CommitError::Changed);
        }
        let moved_on = Flow { trigger: after.trigger.clone(), ..stored.clone() };
        self.create(run, input, None)?;
        self.flows.insert(name, moved_on);
        Ok(())
    }
}

impl WebhookTriggers for Memory {
    async fn webhook(&self, token: &WebhookToken) -> Result<Option<WebhookTrigger>, PortError> {
        self.faults.read("webhook", || Ok(self.state().webhook_triggers.get(token).cloned())).await
    }

    async fn put_webhook(
        &self,
        token: &WebhookToken,
        webhook: &WebhookTrigger,
        before: Option<&WebhookTrigger>,
    ) -> Result<(), CommitError> {
        let put = || {
            let mut state = self.state();
            let secret = state.webhook_triggers.get(token).map(|webhook| webhook.secret.clone());
            if secret.as_ref() != before.map(|webhook| &webhook.secret) {
                return Err(CommitError::Changed);
            }
            state.webhook_triggers.insert(token.clone(), webhook.clone());
            Ok(())
        };
        self.faults.call("put_webhook", true, put).await
    }

    async fn delete_webhook(&self, token: &WebhookToken, _: Time) -> Result<(), PortError> {
        let delete = || {
            self.state().webhook_triggers.remove(token);
            Ok(())
        };
        self.faults.call("delete_webhook", true, delete).await
    }
}

impl CronFlows for Memory {
    async fn due_flows(&self, now: Time, most: usize) -> Result<Vec<(OrgId, FlowId)>, PortError> {
        self.faults.read("due_flows", || Ok(self.state().due_flows(now, most))).await
    }

    async fn create_due(&self, run: &Run, input: &Value, before: &Flow, after: &Flow) -> Result<(), CommitError> {
        self.faults.call("create_due", true, || self.state().create_due(run, input, before, after)).await
    }
}
