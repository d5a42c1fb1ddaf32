//! Records every exchange with the API, and every event that a webhook got, if `RECORD_DIR` names a folder: one JSON object per
//! line, one file per process. `tests/contract` checks them against `openapi.yaml` afterwards, and takes its examples from them.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process;
use std::sync::{Mutex, OnceLock};
use std::thread;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

/// The prefixes of API keys, of secrets of webhooks, and of tokens of webhook triggers.
const MARKS: [&str; 4] = ["qe_sk_sandbox_", "qe_sk_live_", "whsec_", "wht_"];
/// The characters after the prefix.
const SECRET_CHARS: usize = 32;
/// The most bytes of a request's body that are recorded.
const MAX_SENT_BYTES: usize = 1_100_000;

/// A request as it is recorded, without its key.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// HTTP method.
    pub method: &'a Method,
    /// Path and query.
    pub path: &'a str,
    /// Headers that the test added.
    pub headers: &'a [(&'a str, &'a str)],
    /// Body.
    pub body: Option<&'a [u8]>,
}

/// Records one exchange, without the secrets in it.
pub fn record(sent: Sent<'_>, status: u16, headers: &HeaderMap, text: &str) {
    let Some(file) = file() else { return };
    let body = sent.body.filter(|body| body.len() <= MAX_SENT_BYTES).and_then(|body| str::from_utf8(body).ok());
    let received: Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into())).collect();
    let line = json!({
        "test": thread::current().name(),
        "method": sent.method.as_str(),
        "path": sent.path,
        "sent": sent.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).into())).collect::<Map<String, Value>>(),
        "sentBody": body,
        "sentBytes": sent.body.map(<[u8]>::len),
        "status": status,
        "headers": received,
        "body": text,
    });
    write(file, &line);
}

/// Records an event that a webhook got, once.
pub fn record_event(headers: &Value, raw: &str) {
    static KEPT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let Some(file) = file() else { return };
    if KEPT.lock().unwrap().insert(format!("{} {}", headers["x-quantum-delivery"], headers["x-quantum-attempt"])) {
        write(file, &json!({"test": thread::current().name(), "headers": headers, "event": raw}));
    }
}

fn write(file: &Mutex<File>, line: &Value) {
    let line = without_secrets(&line.to_string()) + "\n";
    file.lock().unwrap().write_all(line.as_bytes()).unwrap();
}

fn file() -> Option<&'static Mutex<File>> {
    static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    let open = || {
        let folder = env::var("RECORD_DIR").ok().filter(|folder| !folder.is_empty())?;
        // Tests run in the folder of their package; the variable is relative to the workspace.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{}.jsonl", process::id()));
        Some(Mutex::new(OpenOptions::new().create(true).append(true).open(path).unwrap()))
    };
    FILE.get_or_init(open).as_ref()
}

/// Replaces the secret in every key by another one of the same length and form; likewise the secrets of webhooks.
fn without_secrets(text: &str) -> String {
    MARKS.into_iter().fold(text.to_owned(), |text, mark| hidden(&text, mark))
}

fn hidden(text: &str, mark: &str) -> String {
    let mut parts = text.split(mark);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let secret = part.chars().take_while(char::is_ascii_alphanumeric).count().min(SECRET_CHARS);
        clean.push_str(mark);
        clean.push_str(&"a".repeat(secret));
        clean.push_str(&part[secret..]);
    }
    clean
}

#[test]
fn no_secret_is_kept() {
    let text = |secret: &str| {
        format!(
            "{{\"key\":\"qe_sk_live_{secret}\",\"path\":\"/wht_{secret}/x?key=Bearer%20qe_sk_sandbox_{secret}\",\"secret\":\"whsec_{secret}\",\"bad\":\"qe_sk_\"}}"
        )
    };
    assert_eq!(without_secrets(&text("abcdefghijklmnopqrstuvwxyz234567")), text(&"a".repeat(32)));
}
