//! The address at which the browser delivers the code: a loopback redirect URI (RFC 8252, section 7.3).

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

use crate::failure::Failure;
use crate::text;

/// How long a person may take to sign in.
const LOGIN_TIME: Duration = Duration::from_mins(5);
/// How long a connection may take to send its request. A browser also opens connections that it does not use.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// The maximum size of a request, in bytes.
const REQUEST_SIZE: usize = 32 * 1024;
/// The maximum number of open connections.
const CONNECTIONS: usize = 64;

/// The listener for the callback, on a free port of the loopback interface.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    redirect_uri: String,
}

/// What a callback has to contain so that it belongs to the login that has begun.
#[derive(Debug)]
pub struct Expected {
    /// The state of the authorization request.
    pub state: String,
    /// The issuer, which some providers name in the callback (RFC 9207).
    pub issuer: String,
}

/// The result of a request.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The request is not the callback of this login. The status says why.
    Other(u16),
    /// The provider has given a code.
    Code(String),
    /// The provider has refused the login, with this error.
    Denied(String),
}

impl Listener {
    /// Listens on a free port.
    pub async fn bind() -> Result<Self, Failure> {
        let socket = TcpListener::bind(("127.0.0.1", 0)).await?;
        let redirect_uri = format!("http://127.0.0.1:{}/callback", socket.local_addr()?.port());
        Ok(Self { socket, redirect_uri })
    }

    /// Returns the redirect URI of this listener.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Waits for the callback and returns the code. Requests that do not belong to this login are refused and change nothing. Fails if the
    /// provider has refused the login, and if nothing has come in five minutes.
    pub async fn code(self, expected: Expected) -> Result<String, Failure> {
        let code = timeout(LOGIN_TIME, self.callback(Arc::new(expected))).await;
        code.unwrap_or_else(|_| Err(Failure::not_allowed("nobody has signed in within five minutes; run `qe login` again")))
    }

    async fn callback(self, expected: Arc<Expected>) -> Result<String, Failure> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.socket.accept(), if connections.len() < CONNECTIONS => {
                    let expected = Arc::clone(&expected);
                    connections.spawn(serve(accepted?.0, expected));
                }
                Some(served) = connections.join_next() => match served {
                    Ok(Ok(Outcome::Code(code))) => return Ok(code),
                    Ok(Ok(Outcome::Denied(error))) => {
                        return Err(Failure::not_allowed(format!("the identity provider has refused the login: {}", text::plain(&error))));
                    }
                    // The connection was closed early, or the request was another one.
                    _ => {}
                },
            }
        }
    }
}

/// Reads one request, responds with a page for the person, and returns what the request was.
async fn serve(mut connection: TcpStream, expected: Arc<Expected>) -> std::io::Result<Outcome> {
    let head = timeout(REQUEST_TIME, read_head(&mut connection)).await.map_err(std::io::Error::other)??;
    let outcome = outcome_of(&head, &expected);
    let (status, message) = match &outcome {
        Outcome::Code(_) => ("200 OK", "The terminal goes on from here. You can close this window."),
        Outcome::Denied(_) => ("200 OK", "The identity provider has refused the login. You can close this window."),
        Outcome::Other(400) => ("400 Bad Request", "This is not the login that qe waits for."),
        Outcome::Other(405) => ("405 Method Not Allowed", "This address takes GET only."),
        Outcome::Other(_) => ("404 Not Found", "There is nothing here."),
    };
    let page = format!("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>qe login</title><p>{message}</p></html>\n");
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Connection: close\r\n\r\n{page}",
        page.len()
    );
    // The code counts even if the browser has closed its window before it got the page.
    let sent = async {
        connection.write_all(response.as_bytes()).await?;
        connection.shutdown().await
    };
    _ = timeout(REQUEST_TIME, sent).await;
    Ok(outcome)
}

/// Reads a request up to the end of its header. Fails if the connection ends before, or if the header is too long.
async fn read_head(connection: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if connection.read_buf(&mut head).await? == 0 || head.len() > REQUEST_SIZE {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
    String::from_utf8(head).map_err(std::io::Error::other)
}

/// Returns what a request is, by its first line.
fn outcome_of(head: &str, expected: &Expected) -> Outcome {
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let url =
        Some(target).filter(|target| target.starts_with('/')).and_then(|target| format!("http://127.0.0.1{target}").parse::<Url>().ok());
    let Some(url) = url.filter(|url| url.path() == "/callback") else { return Outcome::Other(404) };
    if method != "GET" {
        return Outcome::Other(405);
    }
    let parameter = |name: &str| url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
    let is_expected =
        parameter("state").as_ref() == Some(&expected.state) && parameter("iss").is_none_or(|issuer| issuer == expected.issuer);
    match (is_expected, parameter("error"), parameter("code")) {
        (true, Some(error), _) => {
            Outcome::Denied([Some(error), parameter("error_description")].into_iter().flatten().collect::<Vec<_>>().join(": "))
        }
        (true, None, Some(code)) if !code.is_empty() => Outcome::Code(code),
        _ => Outcome::Other(400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://login.example.com";

    fn expected() -> Expected {
        Expected { state: "right".to_owned(), issuer: ISSUER.to_owned() }
    }

    /// Sends a request line to a listener and returns the response.
    async fn request(redirect_uri: &str, line: &str) -> String {
        let url: Url = redirect_uri.parse().unwrap();
        let mut connection = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
        connection.write_all(format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).await.unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn only_the_callback_of_this_login_gives_the_code() {
        let listener = Listener::bind().await.unwrap();
        let uri = listener.redirect_uri().to_owned();
        assert!(uri.starts_with("http://127.0.0.1:"), "{uri}");
        let unused = TcpStream::connect(uri.trim_start_matches("http://").trim_end_matches("/callback")).await.unwrap();
        let browser = async {
            for (line, status) in [
                ("GET /", 404),
                ("GET /favicon.ico", 404),
                ("GET /callback/?state=right&code=c", 404),
                ("GET http://127.0.0.1/callback?state=right&code=c", 404),
                ("POST /callback?state=right&code=c", 405),
                ("GET /callback?code=c", 400),
                ("GET /callback?state=wrong&code=c", 400),
                ("GET /callback?state=rig&code=c", 400),
                ("GET /callback?state=wrong&error=access_denied", 400),
                ("GET /callback?state=right&iss=https%3A%2F%2Fother.example.com&code=c", 400),
                ("GET /callback?state=right", 400),
            ] {
                let response = request(&uri, line).await;
                assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {response}");
            }
            request(&uri, "GET /callback?code=the%2Bcode&state=right&iss=https%3A%2F%2Flogin.example.com").await
        };
        let (code, page) = tokio::join!(listener.code(expected()), browser);
        assert_eq!(code.unwrap(), "the+code");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("close this window"), "{page}");
        for header in ["Content-Type: text/html; charset=utf-8", "Referrer-Policy: no-referrer", "Cache-Control: no-store"] {
            assert!(page.contains(header), "{header}: {page}");
        }
        drop(unused);
    }

    #[tokio::test]
    async fn a_refusal_of_the_provider_ends_the_login() {
        let listener = Listener::bind().await.unwrap();
        let uri = listener.redirect_uri().to_owned();
        let line = "GET /callback?state=right&error=access_denied&error_description=<b>%1b[2J";
        let (code, page) = tokio::join!(listener.code(expected()), request(&uri, line));
        let failure = code.unwrap_err();
        assert_eq!(failure.code, crate::failure::NOT_ALLOWED);
        assert_eq!(failure.to_string(), "the identity provider has refused the login: access_denied: <b>\u{fffd}[2J");
        assert!(!page.contains("<b>") && page.contains("refused"), "{page}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_longer_than_five_minutes() {
        let failure = Listener::bind().await.unwrap().code(expected()).await.unwrap_err();
        assert!(failure.to_string().contains("five minutes"), "{failure}");
    }
}
