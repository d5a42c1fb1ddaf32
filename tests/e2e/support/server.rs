//! A service with scripted responses, which the echo service does not offer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server that stops when it is dropped.
#[derive(Debug)]
pub struct ScriptedServer {
    /// Its address, without a slash at the end.
    pub url: String,
    serving: JoinHandle<()>,
}

impl ScriptedServer {
    /// Answers each request with the next of `answers` (the status line after `HTTP/1.1 `, the headers and the body), and every
    /// later one with the last.
    pub async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let mut turn = 0;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let answer = &answers[turn.min(answers.len() - 1)];
                if exchange(stream, answer).await.is_ok() {
                    turn += 1;
                }
            }
        });
        Self { url, serving }
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An answer with a JSON body.
pub fn json_answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

async fn exchange(mut stream: TcpStream, answer: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    // The requests of these tests have no body.
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
