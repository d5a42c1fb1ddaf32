//! Builds the clients once and reads the queue of deliveries.

use deliver_webhook::{GuardedWebhookSender, handle};
use lambda_runtime::{Error, service_fn, tracing};
use mail::SesMailSender;
use nodes::{Egress, Outbound};
use queue::SqsQueue;
use runtime::SystemClock;
use store::Table;
use vault::KmsVault;
use webhooks::Deliverer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let table = Table::from_env(&aws)?;
    let sender = GuardedWebhookSender { outbound: Outbound::new(Egress::from_env()?)?, networks: table.clone() };
    let (queue, vault, mail) = (SqsQueue::from_env(&aws)?, KmsVault::from_env(&aws)?, SesMailSender::from_env(&aws));
    let deliverer = Deliverer { webhooks: table, queue, vault, sender, mail };
    lambda_runtime::run(service_fn(|event| handle(&deliverer, &SystemClock, event))).await
}
