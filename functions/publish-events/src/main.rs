//! Builds the clients once and reads the table's stream.

use engine::DecisionHistory;
use lambda_runtime::{Error, service_fn, tracing};
use publish_events::handle;
use queue::{DeadLetterQueue, SqsQueue};
use runtime::{BadSetting, SystemClock, setting};
use store::RunStore;
use webhooks::Publisher;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let runs = RunStore::from_env(&aws)?;
    let table = runs.table.clone();
    let history = DecisionHistory { runs: runs.clone(), decisions: table.clone() };
    let publisher = Publisher { runs, flows: table.clone(), webhooks: table, queue: SqsQueue::from_env(&aws)?, console: Some(console()?) };
    let dead_letters = DeadLetterQueue::from_env(&aws)?;
    lambda_runtime::run(service_fn(|event| handle(&publisher, &history, &dead_letters, &SystemClock, event))).await
}

/// Returns the URL of the console. There is no request that says where the deployment is, so the settings do.
fn console() -> Result<String, BadSetting> {
    let base = match setting("PUBLIC_BASE_URL") {
        Ok(base) => base.replace("{apiId}", &setting("API_ID")?),
        Err(_) => setting("API_URL")?,
    };
    Ok(format!("{}/console", base.trim_end_matches('/')))
}
