//! Writes runs that have ended, through the store, as data for the benchmark of lists. Reads `TABLE_NAME` and the
//! usual environment. Every status and trigger occurs; one combination is rare.

use std::error::Error;

use clap::Parser;
use domain::access::RecordedActor;
use domain::flow::{Slug, Spec};
use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{Clock, Entropy, Runs};
use domain::run::{Exit, NewRun, Run, Trigger};
use domain::time::Time;
use runtime::{OsEntropy, SystemClock};
use serde_json::json;
use store::RunStore;

/// The trigger and the end of most runs.
const COMMON: [(Trigger, End); 4] = [
    (Trigger::Manual, End::Succeeded),
    (Trigger::Manual, End::Failed),
    (Trigger::Webhook, End::Succeeded),
    (Trigger::Cron, End::Succeeded),
];
/// The trigger and the end of few runs.
const RARE: (Trigger, End) = (Trigger::Cron, End::Failed);

#[derive(Debug, Clone, Copy)]
enum End {
    Succeeded,
    Failed,
}

/// Writes runs of a flow that have ended.
#[derive(Parser)]
#[command(name = "seed-runs")]
struct Cli {
    /// The organisation of the runs.
    #[arg(long)]
    org: OrgId,
    /// The flow.
    #[arg(long)]
    flow: FlowId,
    /// Its slug.
    #[arg(long)]
    slug: Slug,
    /// The number of runs.
    #[arg(long)]
    count: u32,
    /// The number of runs that were started by cron and failed; they are spread evenly.
    #[arg(long)]
    rare: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let runs = RunStore::from_env(&runtime::operator_aws().await)?;
    let spec = Spec::parse(&json!({"startNodeId": "a", "nodes": [{"id": "a", "type": "transform", "output": 1}]}))
        .map_err(|problems| format!("{problems:?}"))?;
    let every = (cli.count / cli.rare.max(1)).max(1);
    let begin = SystemClock.now();
    for number in 0..cli.count {
        let is_rare = number % every == 0 && number / every < cli.rare;
        let (trigger, end) = if is_rare { RARE } else { COMMON.into_iter().nth(number as usize % COMMON.len()).unwrap_or(RARE) };
        let now = Time::from_millis(begin.millis().saturating_sub(u64::from(cli.count - number) * 1_000));
        let run = ended(&cli, &spec, trigger, end, now)?;
        runs.create(&run, &json!({}), None).await?;
    }
    Ok(())
}

fn ended(cli: &Cli, spec: &Spec, trigger: Trigger, end: End, now: Time) -> Result<Run, Box<dyn Error>> {
    let new = NewRun {
        id: RunId::fresh(now, OsEntropy.random()),
        org: cli.org,
        flow: cli.flow,
        flow_slug: cli.slug.clone(),
        flow_label: None,
        flow_version: 1,
        trigger,
        started_by: RecordedActor::named("usr_ada"),
        trigger_changers: std::collections::BTreeSet::new(),
        retried: None,
        trace_id: format!("{:032x}", OsEntropy.random()),
    };
    let mut run = Run::new(new, spec, now);
    run.claim("seed", 1)?;
    run.start(spec, spec.start(), now)?;
    match end {
        End::Succeeded => run.succeed(spec, spec.start(), Exit::Normal, now)?,
        End::Failed => run.fail(spec, spec.start(), "the service answered 503", now)?,
    }
    Ok(run)
}
