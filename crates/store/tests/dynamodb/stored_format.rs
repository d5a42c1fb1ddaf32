//! The promise of the stored format: a table that an earlier version has written is read by this one.
//!
//! `tests/fixtures/v<n>` has the items as a version has written them, one file for each kind. They never change. When this version writes
//! other items than the newest fixture has, add the next fixture and keep the others:
//!
//! ```sh
//! STORED_FORMAT=v2 cargo nextest run -p store -E 'test(writes_the_newest_fixture)'
//! ```

mod items;
mod later;
mod samples;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::access::{Bucket, Limits, Scope};
use domain::flow::{Flow, Version};
use domain::gate::Gate;
use domain::network::{PrivateNetworkSwitch, PrivateNetworks};
use domain::ports::{
    Admission, ApiKeys, ConnectionBook, Connections, CronFlows, Deliveries, FlowName, Flows, Keys, Organisations, Outputs, RetentionJobs,
    RunFilter, RunLists, RunOrigin, Runs, WebhookEndpoints, WebhookTriggers, Window,
};
use domain::retention::RetentionJob;
use domain::run::{ExecutionState, Run};
use domain::step::Payload;
use domain::time::Time;
use domain::webhook::Delivery;
use serde_json::Value;
use testkit::build::at;
use testkit::suite::Subject;

use crate::block_on;
use crate::opened::{Opened, open};
pub use samples::Samples;
use samples::{TASK_TOKEN, id};

/// The time at which the samples are written and read: nothing has expired.
const NOW: u64 = 100;
const LIMITS: Limits = Limits { reads: 100, writes: 100 };

fn bucket() -> Bucket {
    Bucket::of(Scope::RunsRead, false)
}

fn now() -> Time {
    at(NOW)
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The versions that there are fixtures of, the oldest first.
fn versions() -> Vec<String> {
    let entries = std::fs::read_dir(fixtures()).into_iter().flatten();
    let mut versions: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    versions.sort_by_key(|version| version.trim_start_matches('v').parse::<u32>().unwrap());
    versions
}

/// Writes every sample through the ports.
pub async fn write(store: &Opened, samples: &Samples) {
    let (runs, table) = (&store.runs, &store.runs.table);
    table.put_organisation(&samples.organisation).await.unwrap();
    table.open_range(&samples.organisation.id, &samples.range).await.unwrap();
    runs.switch_retention(samples.job.clone()).await.unwrap();
    for (flow, version) in &samples.flows {
        table.create_flow(flow, version).await.unwrap();
    }
    table.put_webhook(&samples.trigger.0, &samples.trigger.1, None).await.unwrap();
    table.delete_webhook(&samples.deleted_trigger, now()).await.unwrap();
    for (number, (run, input)) in samples.runs.iter().zip(&samples.inputs).enumerate() {
        let key = (number == 0).then_some(&samples.idempotency);
        runs.create(&Run { generating: BTreeMap::new(), ..run.clone() }, input, key).await.unwrap();
        let gates: &[Gate] = if number == samples.parked { &samples.gates } else { &[] };
        let run = runs.commit(run.clone(), gates).await.unwrap();
        if number == samples.parked {
            assert!(store.park(&run.id, &run.execution_name(), TASK_TOKEN).await, "the run is parked");
        }
    }
    for step in &samples.steps {
        runs.record(&samples.runs[3], step.clone()).await.unwrap();
    }
    runs.put_receipt(&samples.receipt).await.unwrap();
    runs.request_purge(&samples.purge, now()).await.unwrap();
    for (key, secret) in &samples.keys {
        table.create_key(key, secret).await.unwrap();
    }
    table.admit(&samples.keys[0].1, bucket(), LIMITS, now()).await.unwrap();
    for connection in &samples.connections {
        table.register(&samples.organisation.id, connection).await.unwrap();
    }
    table.put_endpoints(samples.endpoints.clone()).await.unwrap();
    table.put_event(&samples.event).await.unwrap();
    for delivery in &samples.deliveries {
        table.put_delivery(delivery).await.unwrap();
    }
    samples.later.write(store).await;
}

/// The runs as they are after they were written. The label of the flow is stored with the input.
fn written_runs(samples: &Samples) -> Vec<Run> {
    let written = samples.runs.iter().enumerate().map(|(number, run)| {
        if number != samples.parked {
            return Run { rev: run.rev + 1, flow_label: None, ..run.clone() };
        }
        let token = Some(TASK_TOKEN.to_owned());
        let execution = ExecutionState { token, pending: None, ..run.execution.clone() };
        Run { rev: run.rev + 2, execution, flow_label: None, ..run.clone() }
    });
    written.collect()
}

/// Reads every sample through the ports, each in every way in which it is found.
async fn assert_reads(store: &Opened, samples: &Samples, version: &str) {
    assert_reads_organisation(store, samples).await;
    assert_reads_flows(store, samples).await;
    assert_reads_runs(store, samples, version).await;
    assert_reads_webhooks(store, samples).await;
    if version != "v1" {
        samples.later.assert_reads(store).await;
    }
}

async fn assert_reads_organisation(store: &Opened, samples: &Samples) {
    let (runs, table, org) = (&store.runs, &store.runs.table, samples.organisation.id);
    let window = Window { limit: 10, ..Window::default() };
    assert_eq!(table.organisation(&org).await.unwrap().as_ref(), Some(&samples.organisation));
    assert!(table.cursor_secret(&org).await.unwrap() == samples.organisation.cursor_secret);
    assert_eq!(table.private_ranges(&org).await.unwrap(), [samples.range]);
    let job = RetentionJob { rev: 1, ..samples.job.clone() };
    assert_eq!(runs.retention_job(&org).await.unwrap(), Some(job));
    assert_eq!(runs.retention_jobs_owed().await.unwrap(), [org]);
    let keys = table.api_keys(&org, &window).await.unwrap().rows;
    let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
    assert_eq!(ids, [samples.keys[1].0.id, samples.keys[0].0.id]);
    assert_eq!(keys[0].revoked, samples.keys[1].0.revoked);
    let admitted = table.admit(&samples.keys[0].1, bucket(), LIMITS, now()).await.unwrap();
    let Admission::Admitted(key, usage) = admitted else { panic!("{admitted:?}") };
    assert_eq!((key.grants, key.actor, usage.used), (samples.keys[0].0.grants.clone(), samples.keys[0].0.actor.clone(), 2));
    for connection in &samples.connections {
        assert_eq!(table.connection(&org, &connection.slug).await.unwrap().as_ref(), Some(connection));
    }
    let listed = table.connections(&org, &window).await.unwrap().rows;
    assert_eq!(listed.len(), samples.connections.len());
}

async fn assert_reads_flows(store: &Opened, samples: &Samples) {
    let (table, org) = (&store.runs.table, samples.organisation.id);
    for (flow, version) in &samples.flows {
        for name in [FlowName::Id(flow.id), FlowName::Slug(flow.slug.clone())] {
            assert_eq!(table.flow(&org, &name).await.unwrap().as_ref(), Some(flow));
        }
        assert_eq!(table.version(&org, &flow.id, 1).await.unwrap().as_ref(), Some(version));
        // The same spec in two items.
        let parts = table.version(&org, &flow.id, 2).await.unwrap();
        assert_eq!(parts, Some(Version { number: 2, ..version.clone() }));
    }
    let listed = table.flows(&org, &Window { limit: 10, ..Window::default() }).await.unwrap().rows;
    let newest_first: Vec<Flow> = samples.flows.iter().rev().map(|(flow, _)| flow.clone()).collect();
    assert_eq!(listed, newest_first);
    assert_eq!(table.due_flows(at(901), 10).await.unwrap(), [(org, samples.flows[2].0.id)]);
    assert_eq!(table.webhook(&samples.trigger.0).await.unwrap().as_ref(), Some(&samples.trigger.1));
    assert_eq!(table.webhook(&samples.deleted_trigger).await.unwrap(), None);
}

async fn assert_reads_runs(store: &Opened, samples: &Samples, version: &str) {
    let (runs, table, org) = (&store.runs, &store.runs.table, samples.organisation.id);
    let window = Window { limit: 10, ..Window::default() };
    let written = written_runs(samples);
    for ((run, input), sample) in written.iter().zip(&samples.inputs).zip(&samples.runs) {
        assert_eq!(runs.load(&run.id).await.unwrap().as_ref(), Some(run), "{version}");
        let origin = RunOrigin { input: Payload::of(input.clone()), flow_label: sample.flow_label.clone(), starter_identity: None };
        assert_eq!(runs.origin(run).await.unwrap(), origin, "{version}");
    }
    let listed = table.runs_of(&written[0].flow, &RunFilter::default(), &window).await.unwrap().rows;
    assert_eq!(listed.len(), written.len());
    for (row, run) in listed.iter().rev().zip(&written) {
        let expected = (run.id, run.status, run.finished_at, run.error.as_ref().map(|error| error.message.clone()));
        assert_eq!((row.id, row.status, row.finished_at, row.error.clone()), expected);
        assert_eq!((row.trace_id.as_str(), row.retry_of), (run.trace_id.as_str(), run.retried.as_ref().map(|retried| retried.of)));
    }
    let pending: Vec<_> = written.iter().filter(|run| run.execution.pending.is_some()).map(|run| run.id).collect();
    assert_eq!(table.with_pending_effects().await.unwrap(), pending);
    let key = &samples.idempotency;
    assert_eq!(runs.idempotent(&key.org, &key.scope, &key.key, now()).await.unwrap().as_ref(), Some(key));
    for gate in &samples.gates {
        assert_eq!(runs.gate(&written[samples.parked], &gate.node).await.unwrap().as_ref(), Some(gate));
    }
    let open = table.open_gates(&org, None, &|_| true, &window).await.unwrap().rows;
    assert_eq!(open, samples.gates[..1]);
    for step in samples.steps.iter().chain([&samples.receipt]) {
        let run = written.iter().find(|run| run.id == step.run).unwrap();
        let mut read = runs.step(run, &step.node, now()).await.unwrap().unwrap();
        if let (Some(Payload::Stored(object)), Some(output)) = (&read.output, &step.output) {
            assert_eq!((&object.sha256, object.bytes), (&output.sha256(), output.bytes() as u64));
            read.output.clone_from(&step.output);
        }
        assert_eq!(&read, step);
    }
    assert_eq!(runs.purge_request(&samples.purge.run).await.unwrap().as_ref(), Some(&samples.purge));
    assert_eq!(runs.purges_due(now()).await.unwrap(), [samples.purge.run]);
}

async fn assert_reads_webhooks(store: &Opened, samples: &Samples) {
    let (table, org) = (&store.runs.table, samples.organisation.id);
    let endpoints = table.endpoints(&org).await.unwrap();
    assert_eq!((&endpoints.all, endpoints.rev), (&samples.endpoints.all, 1));
    assert_eq!(table.event(&org, &samples.event.id, now()).await.unwrap().as_ref(), Some(&samples.event));
    for delivery in &samples.deliveries {
        let read = table.delivery(&org, &delivery.endpoint, &delivery.id, now()).await.unwrap();
        assert_eq!(read.as_ref(), Some(delivery));
    }
    let window = Window { limit: 10, ..Window::default() };
    let listed = table.deliveries(&org, &endpoints.all[0].id, &window, now()).await.unwrap();
    assert_eq!(listed.rows.len(), samples.deliveries.len());
    let due: Vec<_> = table.due(at(10_000)).await.unwrap().into_iter().map(|(_, message)| message).collect();
    let expected: Vec<_> = samples.deliveries.iter().filter(|delivery| delivery.owed_at().is_some()).map(Delivery::message).collect();
    assert_eq!(due, expected);
}

#[test]
fn every_version_of_the_stored_format_is_read() {
    block_on(async {
        let samples = Samples::new();
        assert!(!versions().is_empty());
        for version in versions() {
            let store = open().await;
            items::put_all(&store, &items::read(&fixtures().join(&version))).await;
            assert_reads(&store, &samples, &version).await;
        }
    });
}

#[test]
fn this_version_writes_the_newest_fixture() {
    block_on(async {
        let store = open().await;
        write(&store, &Samples::new()).await;
        let written: BTreeMap<String, Value> = items::by_kind(&items::with_parts(items::scan(&store).await));
        if let Ok(version) = std::env::var("STORED_FORMAT") {
            items::write(&fixtures().join(version), &written);
        }
        let newest = versions().pop().unwrap();
        let fixture = items::by_kind(&items::read(&fixtures().join(&newest)));
        assert_eq!(fixture.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
        for (kind, items) in &written {
            assert_eq!(&fixture[kind], items, "the items `{kind}` differ from {newest}: the head of this file says what to do");
        }
    });
}
