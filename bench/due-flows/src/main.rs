//! Measures a tick that finds many flows due, and prints Markdown. It runs without AWS, in two ways:
//!
//! - *Does the tick end within its minute?* The real engine runs on a table and a Step Functions with the latency of AWS and its
//!   documented limits.
//! - *What does a flow cost?* The real engine and the real store run against a DynamoDB engine in a process of its own, so that the
//!   processor time is that of the tick.
#![expect(clippy::print_stdout, reason = "it is a command")]

mod machine;
mod site;
mod slow;
#[path = "../../../crates/store/tests/dynamodb/template.rs"]
#[expect(dead_code, clippy::unwrap_used, clippy::indexing_slicing, reason = "written for tests; only the table is used here")]
mod template;
#[path = "../../../crates/store/tests/dynamodb/wire.rs"]
#[expect(dead_code, clippy::unwrap_used, clippy::indexing_slicing, reason = "written for tests; only the costs are used here")]
mod wire;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use clap::Parser;
use domain::ports::{Clock, CronFlows, Flows};
use engine::{Scheduler, Ticked};
use machine::Machine;
use runtime::{OsEntropy, SystemClock};
use site::Site;
use slow::Slow;

/// The time that a tick may take, in seconds: the function's timeout without its margin.
const SECONDS: u64 = 55;
/// The flows of the tick whose calls are counted. It is another tick than the timed one, because counting takes time.
const COUNTED: usize = 100;
/// The flows of the tick whose processor time is measured.
const TIMED: usize = 1_000;

/// Starts flows that are due in the same minute, and reports the time and the cost.
#[derive(Parser)]
#[command(name = "due-flows")]
struct Cli {
    /// The number of flows that are due.
    #[arg(long, default_value_t = 10_000)]
    flows: usize,
    /// The latency of a read of the table, in milliseconds.
    #[arg(long, default_value_t = 6)]
    read_millis: u64,
    /// The latency of a transaction, in milliseconds.
    #[arg(long, default_value_t = 15)]
    write_millis: u64,
    /// The latency of Step Functions, in milliseconds.
    #[arg(long, default_value_t = 30)]
    start_millis: u64,
    /// Serve a DynamoDB engine instead, until the standard input ends.
    #[arg(long)]
    engine: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    if cli.engine {
        return site::serve_engine().await;
    }
    println!(
        "A read answers after {} ms, a transaction after {}, StartExecution after {}.",
        cli.read_millis, cli.write_millis, cli.start_millis
    );
    println!();
    println!("| StartExecution takes | flows due | runs created | executions started | seconds | CPU seconds |");
    println!("|---|---:|---:|---:|---:|---:|");
    for (name, bucket) in [("any number", None), ("1,300 at once, 300 a second", Some((1_300, 300))), ("800, 150", Some((800, 150)))] {
        let slow = Slow::new(cli.read_millis, cli.write_millis);
        site::schedule(slow.memory(), cli.flows).await?;
        let machine = Machine::new(cli.start_millis, bucket);
        let took = tick(&&slow, machine.clone(), cli.flows).await?;
        let (created, started) = (took.ticked.created, machine.started());
        println!("| {name} | {} | {created} | {started} | {:.1} | {:.1} |", cli.flows, took.seconds, took.cpu_seconds);
    }
    println!();
    println!("{}", measure_cost().await?);
    Ok(())
}

struct TickResult {
    ticked: Ticked,
    seconds: f64,
    cpu_seconds: f64,
}

/// Runs a tick over the flows that are due, and a second one that must find only the flows for which the first had no time.
async fn tick<T: Flows + CronFlows + Clone>(table: &T, machine: Machine, flows: usize) -> Result<TickResult, Box<dyn Error>> {
    let scheduler = Scheduler { table: table.clone(), executions: machine, clock: SystemClock };
    let (begin, cpu) = (Instant::now(), cpu_seconds()?);
    let ticked = scheduler.tick(&OsEntropy, SystemClock.now().plus_seconds(SECONDS)).await?;
    let (seconds, cpu_seconds) = (begin.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let again = scheduler.tick(&OsEntropy, SystemClock.now().plus_seconds(SECONDS)).await?;
    if (ticked.created + again.created, ticked.left, ticked.failed) != (flows, again.created, 0) {
        return Err(format!("{flows} flows were due: {ticked:?}, then {again:?}").into());
    }
    Ok(TickResult { ticked, seconds, cpu_seconds })
}

/// Measures what one flow costs, in calls, capacity units and processor time.
async fn measure_cost() -> Result<String, Box<dyn Error>> {
    let mut site = Site::open(true).await?;
    site::schedule(&site.table, COUNTED).await?;
    let metered = site.metered.clone().ok_or("nothing is metered")?;
    metered.take();
    metered.take_reads();
    metered.take_operations();
    let scheduler = Scheduler { table: site.table.clone(), executions: Machine::new(0, None), clock: SystemClock };
    let ticked = scheduler.tick(&OsEntropy, SystemClock.now().plus_seconds(SECONDS)).await?;
    let mut calls = BTreeMap::<String, usize>::new();
    for operation in metered.take_operations() {
        *calls.entry(operation).or_default() += 1;
    }
    let units = |costs: Vec<wire::Cost>| costs.iter().map(|cost| cost.units).sum::<f64>();
    let (writes, reads) = (units(metered.take()), units(metered.take_reads()));
    site.close()?;
    let calls: Vec<String> = calls.into_iter().map(|(name, count)| format!("{count} {name}")).collect();

    let mut site = Site::open(false).await?;
    site::schedule(&site.table, TIMED).await?;
    let took = tick(&site.table.clone(), Machine::new(0, None), TIMED).await?;
    site.close()?;
    let lines = [
        format!(
            "On the DynamoDB engine, a tick that started {} flows made {} and {COUNTED} StartExecution; it",
            ticked.created,
            calls.join(", ")
        ),
        format!(
            "wrote {writes} units and read {reads}, index entries included. One that started {TIMED} took {:.1} s of processor time.",
            took.cpu_seconds
        ),
    ];
    Ok(lines.join("\n"))
}

/// The processor time of this process so far, in seconds; Linux counts it in hundredths of a second.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).ok_or("/proc/self/stat has another form");
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
