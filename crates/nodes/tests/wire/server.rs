//! A small HTTP server on loopback: one thread, one request per connection, the answer as bytes.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct SeenRequest {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl SeenRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "header {name} came twice");
        value
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
}

impl Server {
    /// Answers every request with what `answer` writes; the connection is closed when it returns.
    pub fn start(answer: impl Fn(&SeenRequest, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if let Some(request) = read(&mut stream) {
                    log.lock().unwrap().push(request.clone());
                    answer(&request, &mut stream);
                }
            }
        });
        Self { address, seen }
    }

    /// Answers every request with the same response.
    pub fn answering(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let bytes = answer(status, headers, body);
        // A caller may close the connection early, which is not an error here.
        Self::start(move |_, stream| _ = stream.write_all(&bytes))
    }

    /// Answers each request with the next of these bodies, as JSON, and every later one with the last.
    pub fn in_sequence(answers: impl IntoIterator<Item = (u16, String)>) -> Self {
        let json = [("content-type", "application/json")];
        let answers: Vec<_> = answers.into_iter().map(|(status, body)| answer(status, &json, &body)).collect();
        let at = AtomicUsize::new(0);
        Self::start(move |_, stream| {
            let at = at.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            _ = stream.write_all(&answers[at]);
        })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<SeenRequest> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request; panics if there were none or several.
    pub fn one(&self) -> SeenRequest {
        let [one] = self.seen().try_into().unwrap();
        one
    }
}

pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    answer_bytes(status, headers, body.as_bytes())
}

/// A response whose body is not text.
pub fn answer_bytes(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Whatever\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    let mut bytes = (text + "\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn read(stream: &mut TcpStream) -> Option<SeenRequest> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let mut seen = SeenRequest { method: first.next()?.to_owned(), target: first.next()?.to_owned(), ..SeenRequest::default() };
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        seen.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    seen.body = bytes[end + 4..].to_vec();
    while seen.body.len() < length {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        seen.body.extend_from_slice(&chunk[..count]);
    }
    Some(seen)
}
