//! Keeps every exchange with the API, and every event that a webhook got, if `RECORD_DIR` names a folder: one JSON object a line, a
//! file for each process.
//! `tests/contract` holds them against `openapi.yaml` afterwards, and takes the document's examples from them.

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

/// How keys, secrets of webhooks and tokens of webhooks begin.
const MARKS: [&str; 4] = ["qe_sk_sandbox_", "qe_sk_live_", "whsec_", "wht_"];
/// What follows.
const SECRET_CHARS: usize = 32;
/// Nobody looks at a longer body of a request.
const MAX_SENT_BYTES: usize = 1_100_000;

/// A request, as far as it is kept: who sent it is not.
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

/// Keeps one exchange, without the secrets in it.
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

/// Keeps an event that a webhook got, however often somebody looks at it.
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
        // Tests run in the folder of their package, whoever set the variable in the one of the workspace.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{}.jsonl", process::id()));
        Some(Mutex::new(OpenOptions::new().create(true).append(true).open(path).unwrap()))
    };
    FILE.get_or_init(open).as_ref()
}

/// The text with another secret in every key, as long as the real one and of the same form; likewise those of webhooks.
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
