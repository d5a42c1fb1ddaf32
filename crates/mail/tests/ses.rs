//! What is sent to SES, and what its answers mean for a delivery.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sesv2::config::retry::RetryConfig;
use domain::ports::MailSender;
use domain::webhook::{AttemptResult, Mail};
use mail::SesMailSender;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn config(url: &str) -> SdkConfig {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .build()
}

fn mail() -> Mail {
    Mail { to: vec!["ada@example.org".to_owned()], subject: "Approval needed: Größe".to_owned(), text: "a\nb".to_owned() }
}

/// Reads one request. Returns its path and its body.
async fn read(stream: &mut tokio::net::TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_str(body) {
            return (head.split(' ').nth(1).unwrap().to_owned(), body);
        }
    }
}

/// Sends a mail to a stand-in that gives one answer. Returns the request and the result.
async fn exchange(status: &str, error: &str, body: &Value) -> ((String, Value), AttemptResult) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sender = SesMailSender::new(&config(&format!("http://{}", listener.local_addr().unwrap())), Some("runs@example.org".to_owned()));
    let body = body.to_string();
    let response = format!(
        "HTTP/1.1 {status}\r\nx-amzn-errortype: {error}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read(&mut stream).await;
        stream.write_all(response.as_bytes()).await.unwrap();
        request
    };
    tokio::join!(serve, async { sender.send(&mail()).await })
}

fn answered(status: u16, body: &str) -> AttemptResult {
    AttemptResult::Answered { status, body: body.as_bytes().to_vec(), retry_after_seconds: None }
}

#[tokio::test]
async fn a_mail_is_plain_text_in_utf_8_from_the_address_of_the_deployment() {
    let ((path, body), result) = exchange("200 OK", "", &json!({"MessageId": "m-1"})).await;
    assert_eq!((path.as_str(), result), ("/v2/email/outbound-emails", answered(200, "")));
    let text = |data: &str| json!({"Data": data, "Charset": "UTF-8"});
    let simple = json!({"Subject": text("Approval needed: Größe"), "Body": {"Text": text("a\nb")}});
    let expected =
        json!({"FromEmailAddress": "runs@example.org", "Destination": {"ToAddresses": ["ada@example.org"]}, "Content": {"Simple": simple}});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_mail_that_ses_rejects_is_an_answer_that_says_why() {
    let (_, result) = exchange("400 Bad Request", "MessageRejected", &json!({"message": "Email address is not verified."})).await;
    assert_eq!(result, answered(400, "MessageRejected: Email address is not verified."));
    let (_, result) = exchange("429 Too Many Requests", "TooManyRequestsException", &json!({"message": "Slow down"})).await;
    assert_eq!(result, answered(429, "TooManyRequestsException"));
}

#[tokio::test]
async fn what_aws_says_about_the_deployment_is_not_shown() {
    let message = "User: arn:aws:sts::123456789012:assumed-role/x is not authorized to perform: ses:SendEmail";
    let (_, result) = exchange("403 Forbidden", "AccessDeniedException", &json!({"message": message})).await;
    assert_eq!(result, answered(403, "AccessDeniedException"));
}

#[tokio::test]
async fn without_an_answer_the_attempt_has_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let sender = SesMailSender::new(&config(&url), Some("runs@example.org".to_owned()));
    assert_eq!(sender.send(&mail()).await, AttemptResult::Failed("SES could not be reached".to_owned()));
}

#[tokio::test]
async fn a_deployment_without_an_address_sends_nothing() {
    let sender = SesMailSender::new(&config("http://127.0.0.1:1"), None);
    let AttemptResult::Failed(why) = sender.send(&mail()).await else { unreachable!("it has no address") };
    assert!(why.contains("MailFrom"), "{why}");
}
