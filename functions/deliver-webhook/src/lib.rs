//! The worker that sends deliveries: signed requests, messages of Slack, and mails. The queue gives it a batch of messages; it makes the deliveries that they name, all at
//! the same time, and records the results. `repeat-deliveries` queues a failed one again when its next attempt is due.

mod sender;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::ports::{Clock, Deliveries, DeliveryQueue, MailSender, Vault, WebhookEndpoints, WebhookSender};
use lambda_runtime::{Error, LambdaEvent};
use webhooks::Deliverer;

pub use sender::GuardedWebhookSender;

/// Makes the deliveries of a batch. The response names the messages that the queue keeps, so that they come again.
pub async fn handle<W: WebhookEndpoints + Deliveries, Q: DeliveryQueue, V: Vault, C: WebhookSender, M: MailSender>(
    deliverer: &Deliverer<W, Q, V, C, M>,
    clock: &impl Clock,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, Error> {
    let records = event.payload.records.into_iter();
    let (ids, batch): (Vec<String>, Vec<String>) =
        records.map(|message| (message.message_id.unwrap_or_default(), message.body.unwrap_or_default())).unzip();
    let done = deliverer.deliver(&batch, clock).await;
    let mut response = SqsBatchResponse::default();
    for (id, _) in ids.into_iter().zip(done).filter(|(_, is_done)| !is_done) {
        response.add_failure(id);
    }
    Ok(response)
}
