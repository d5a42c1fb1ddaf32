//! An empty table on a DynamoDB engine in a process of its own, and flows in it.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use domain::flow::{BadName, Draft, Flow, FlowTrigger, KnownModels, Slug, Version};
use domain::id::{FlowId, OrgId};
use domain::ports::{Clock, Entropy, Flows};
use domain::trigger::WebhookToken;
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use runtime::{OsEntropy, SystemClock};
use serde_json::{Value, json};
use store::Table;

use crate::template;
use crate::wire::Metered;

const TABLE: &str = "runs";

/// Serves an engine on a free port, prints its address, and ends with the standard input.
pub async fn serve_engine() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(|| {
        _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    dynoxide::server::serve_on(listener, dynoxide::Database::memory()?).await;
    Ok(())
}

/// The table, and the process that serves it.
pub struct Site {
    pub table: Table,
    /// Measures every call, if it was asked for; that takes time.
    pub metered: Option<Metered>,
    engine: Child,
}

impl Site {
    pub async fn open(is_metered: bool) -> Result<Self, Box<dyn Error>> {
        let command = &mut Command::new(std::env::current_exe()?);
        let mut engine = command.arg("--engine").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        BufReader::new(engine.stdout.take().ok_or("the engine says nothing")?).read_line(&mut address)?;
        let plain = aws_smithy_http_client::Builder::new().build_http();
        let metered = is_metered.then(|| Metered::new(plain.clone()));
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
            .region(Region::from_static("us-east-1"))
            .endpoint_url(format!("http://{}", address.trim()));
        let loader = match &metered {
            Some(metered) => loader.http_client(metered.clone()),
            None => loader.http_client(plain),
        };
        let config = loader.load().await;
        let client = aws_sdk_dynamodb::Client::new(&config);
        template::create_table(client.create_table().table_name(TABLE)).send().await?;
        Ok(Self { table: Table::new(&config, TABLE), metered, engine })
    }

    /// Ends the engine's process.
    pub fn close(&mut self) -> Result<(), Box<dyn Error>> {
        self.engine.stdin.take();
        self.engine.wait()?;
        Ok(())
    }
}

/// Saves flows of one organisation that have been due for a moment.
pub async fn schedule(table: &impl Flows, flows: usize) -> Result<(), Box<dyn Error>> {
    let (flow, version) = &due()?;
    let saved = iter(0..flows).map(|number| async move {
        let id = FlowId::new(flow.created_at, OsEntropy.random());
        let slug: Slug = format!("due-{number}").parse().map_err(|problem: BadName| problem.to_string())?;
        let version = Version { flow: id, slug: slug.clone(), ..version.clone() };
        table.create_flow(&Flow { id, slug, ..flow.clone() }, &version).await.map_err(|error| error.to_string())
    });
    saved.buffer_unordered(16).try_collect::<Vec<()>>().await?;
    Ok(())
}

/// A flow of ten nodes that is due now, and the next time much later.
fn due() -> Result<(Flow, Version), String> {
    let nodes: Vec<Value> = (0..10).map(|at| json!({"id": format!("n{at}"), "type": "transform", "output": {"at": at}})).collect();
    let edges: Vec<Value> = (1..10).map(|at| json!({"from": format!("n{}", at - 1), "to": format!("n{at}")})).collect();
    let body = json!({
        "slug": "due", "name": "Due", "triggerType": "cron", "cronExpression": "0 0 1 1 *",
        "cronTimezone": "Europe/Berlin", "spec": {"startNodeId": "n0", "nodes": nodes, "edges": edges},
    });
    let draft =
        Draft::parse_new(body.as_object().ok_or("no object")?, &KnownModels::default()).map_err(|problems| format!("{problems:?}"))?;
    let now = SystemClock.now();
    let (id, org) = (FlowId::new(now, OsEntropy.random()), OrgId::new(now, OsEntropy.random()));
    let (mut flow, version) = draft.into_flow(id, org, WebhookToken::new([0, 0]), now).map_err(|problems| format!("{problems:?}"))?;
    if let FlowTrigger::Cron(cron) = &mut flow.trigger {
        // The beginning of this minute.
        cron.next_run_at = Some(domain::time::Time::from_millis(now.millis() - now.millis() % 60_000));
    }
    Ok((flow, version))
}
