//! The queue of webhook deliveries. It is fair to every organisation, and it has a dead-letter queue.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{SendMessageBatchRequestEntry, SendMessageBatchResultEntry};
use domain::ports::{DeliveryQueue, PortError};
use domain::webhook::DeliveryMessage;
use runtime::{BadSetting, setting};

use crate::error::port;

/// The most entries that one `SendMessageBatch` takes.
const BATCH: usize = 10;

/// The queue of deliveries in SQS.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
    dead_letters: String,
}

impl SqsQueue {
    /// Returns the queue with the URL `url`, whose dead letters go to the queue with the URL `dead_letters`.
    pub fn new(config: &SdkConfig, url: impl Into<String>, dead_letters: impl Into<String>) -> Self {
        Self { client: Client::new(config), url: url.into(), dead_letters: dead_letters.into() }
    }

    /// Returns the queues that the environment variables `DELIVERIES_URL` and `DELIVERY_DEAD_LETTERS_URL` name.
    pub fn from_env(config: &SdkConfig) -> Result<Self, BadSetting> {
        Ok(Self::new(config, setting("DELIVERIES_URL")?, setting("DELIVERY_DEAD_LETTERS_URL")?))
    }

    /// Sends at most [`BATCH`] messages. Returns, for each message in order, whether the queue has it.
    async fn send_batch(&self, messages: &[DeliveryMessage]) -> Vec<Result<(), PortError>> {
        let entries = messages.iter().enumerate().map(|(at, message)| {
            let entry = SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(message.text());
            // In a standard queue the group is not an order: SQS uses it to see whose messages keep those of others waiting.
            entry.message_group_id(message.org.to_string()).build().map_err(|error| PortError::Rejected(error.to_string()))
        });
        let entries = match entries.collect::<Result<Vec<_>, _>>() {
            Ok(entries) => entries,
            Err(error) => return vec![Err(error); messages.len()],
        };
        let answer = match self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await {
            Ok(answer) => answer,
            Err(error) => return vec![Err(port(error)); messages.len()],
        };
        let sent: Vec<&str> = answer.successful().iter().map(SendMessageBatchResultEntry::id).collect();
        let failed: BTreeMap<&str, &str> =
            answer.failed().iter().map(|entry| (entry.id(), entry.message().unwrap_or_else(|| entry.code()))).collect();
        let outcome = |id: String| match failed.get(id.as_str()) {
            None if sent.contains(&id.as_str()) => Ok(()),
            why => Err(PortError::Unavailable(format!("SQS did not take a message: {}", why.unwrap_or(&"no reason was given")))),
        };
        (0..messages.len()).map(|at| outcome(at.to_string())).collect()
    }
}

impl DeliveryQueue for SqsQueue {
    async fn send(&self, messages: &[DeliveryMessage]) -> Vec<Result<(), PortError>> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for batch in messages.chunks(BATCH) {
            outcomes.extend(self.send_batch(batch).await);
        }
        outcomes
    }

    async fn dead_letter(&self, body: &str) -> Result<(), PortError> {
        self.client.send_message().queue_url(&self.dead_letters).message_body(body).send().await.map_err(port)?;
        Ok(())
    }
}
