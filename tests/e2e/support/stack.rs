//! The running stack: its keys, its services, and its AWS APIs.

use std::env;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::Client;
use serde_json::{Value, json};

use super::{Api, Aws, Recorder, Run};

/// The stack, and a lock on it: most tests share it, and those that kill processes have it alone.
#[derive(Debug)]
pub struct Stack {
    /// Organisation A, all scopes, `usr_ada`, role `reviewer`, team `payments`.
    pub ada: Api,
    /// Organisation A, all scopes, `usr_grace`, no roles.
    pub grace: Api,
    /// Organisation A, `runs:read` only.
    pub reader: Api,
    /// Organisation B, all scopes.
    pub other: Api,
    /// Organisation B, all scopes, 5 reads and 3 writes a minute.
    pub limited: Api,
    /// Calls without a key.
    pub without_key: Api,
    /// The requests that services received.
    pub echo: Recorder,
    /// The requests that the model received.
    pub model: Recorder,
    /// The AWS APIs behind the API.
    pub aws: Aws,
    /// A client for URLs that are neither API nor service, such as signed URLs.
    pub client: Client,
    _hold: File,
}

/// A flow that a test created.
#[derive(Debug, Clone)]
pub struct Flow {
    /// `flw_…`
    pub id: String,
    /// Unique, and the first segment of the flow's paths at the echo service.
    pub slug: String,
}

impl Stack {
    /// Takes the stack for a test that can run beside others.
    pub fn shared() -> Self {
        Self::with_hold(|file| file.lock_shared().unwrap())
    }

    /// Takes the stack for a test that kills processes: waits until all other tests are done, and keeps them waiting.
    pub fn alone() -> Self {
        Self::with_hold(|file| file.lock().unwrap())
    }

    fn with_hold(take: impl FnOnce(&File)) -> Self {
        let base = variable("QE_BASE_URL");
        // Fails if another test of this process has installed it already.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().unwrap();
        let hold = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e.lock")).unwrap();
        take(&hold);
        let keyed = |name| Api::new(&client, &base, Some(&variable(name)));
        Self {
            ada: keyed("QE_API_KEY"),
            grace: keyed("QE_SECOND_API_KEY"),
            reader: keyed("QE_READ_API_KEY"),
            other: keyed("QE_OTHER_API_KEY"),
            limited: keyed("QE_LIMITED_API_KEY"),
            without_key: Api::new(&client, &base, None),
            echo: Recorder::new(&client, &variable("QE_ECHO_URL")),
            model: Recorder::new(&client, &variable("QE_MODEL_URL")),
            aws: Aws::from_environment(&client),
            client,
            _hold: hold,
        }
    }

    /// Saves a flow under a unique slug. `spec` gets the slug, so that it can use paths of its own at the echo service.
    pub async fn flow(&self, spec: impl FnOnce(&str) -> Value) -> Flow {
        let slug = unique("flow");
        self.flow_named(&slug, &spec(&slug)).await
    }

    /// Saves a flow under this slug.
    pub async fn flow_named(&self, slug: &str, spec: &Value) -> Flow {
        let body = json!({"slug": slug, "name": "A test", "spec": spec});
        let answer = self.ada.post("/api/flows", &body).await;
        let id = answer.data(201)["flow"]["id"].as_str().unwrap().to_owned();
        Flow { id, slug: slug.to_owned() }
    }

    /// Starts a run as Ada.
    pub async fn start(&self, flow: &Flow, input: &Value) -> Run {
        let answer = self.ada.post(&format!("/api/flows/{}/execute", flow.id), input).await;
        Run::of(&self.ada, &answer.data(202)["run"])
    }

    /// Saves a flow and starts a run of it.
    pub async fn run(&self, spec: impl FnOnce(&str) -> Value, input: &Value) -> (Flow, Run) {
        let flow = self.flow(spec).await;
        let run = self.start(&flow, input).await;
        (flow, run)
    }
}

/// A variable of the stack's environment.
pub(super) fn variable(name: &str) -> String {
    env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| {
        panic!("{name} is not set: the end-to-end tests need a running local stack. `make test` starts one and runs them on it.")
    })
}

/// A slug that no other test and no earlier run of this one has.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    format!("{prefix}-{nanos:x}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
