//! Bytes become text by the rules of HTTP, or the step fails: no byte is replaced on the way.

use std::io::Write;

use domain::ports::{Effect, EffectError};
use domain::request::Request;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::chat::{last_tool_result, run_step, text_answer, tool_calls_answer, with_tool};
use crate::server::{Server, answer_bytes};
use crate::setup::{http_request, llm, perform, service_call};

/// A server that answers 200 with these headers and bytes.
fn serving(headers: &[(&str, &str)], body: &[u8]) -> Server {
    serving_status(200, headers, body)
}

fn serving_status(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Server {
    let bytes = answer_bytes(status, headers, body);
    Server::start(move |_, stream| _ = stream.write_all(&bytes))
}

async fn called(headers: &[(&str, &str)], body: &[u8]) -> Result<Effect, EffectError> {
    let server = serving(headers, body);
    perform(&server.url(""), service_call("GET", "/x", None)).await
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn the_charset_of_the_response_is_decoded() {
    let latin = ("content-type", "application/json; charset=ISO-8859-1");
    assert_eq!(called(&[latin], b"{\"name\":\"M\xfcller\"}").await.unwrap().output, json!({"name": "Müller"}));
    let server = serving(&[("content-type", "text/plain; charset=windows-1252")], b"\x80 5");
    let output = perform(&server.url(""), http_request("GET", &server.url("/x"), &[], None)).await.unwrap().output;
    assert_eq!(output["body"], "€ 5");
}

#[tokio::test]
async fn compression_and_byte_order_marks_are_undone() {
    let body = "{\"name\":\"Müller\"}";
    for (headers, bytes) in [
        (vec![JSON, ("content-encoding", "gzip")], gzip(body.as_bytes())),
        (vec![JSON], format!("\u{feff}{body}").into_bytes()),
        (vec![JSON], std::iter::once(0xfeff).chain(body.encode_utf16()).flat_map(u16::to_le_bytes).collect()),
    ] {
        assert_eq!(called(&headers, &bytes).await.unwrap().output, json!({"name": "Müller"}), "{headers:?}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_decoded_fails_the_step_and_says_why() {
    let half = gzip(b"{\"a\":1}");
    for (headers, body, why) in [
        (vec![JSON], b"{\"name\":\"M\xfcller\"}".as_slice(), "its body is not valid UTF-8"),
        (vec![("content-type", "text/plain; charset=x-odd")], b"x", "its charset `x-odd` is not known"),
        (vec![JSON, ("content-encoding", "br")], b"x", "encoded with `br`, which was not asked for"),
        (vec![JSON, ("content-encoding", "gzip")], half.get(..12).unwrap(), "cannot be unpacked as `gzip` says"),
        (vec![JSON], b"<html>login</html>", "promises JSON and its body is not JSON"),
        (vec![("content-type", "application/hal+json")], b"{broken", "promises JSON and its body is not JSON"),
    ] {
        let error = called(&headers, body).await.unwrap_err();
        assert!(!error.retryable && error.message.contains("answered 200, but ") && error.message.contains(why), "{error}");
        assert_eq!(error.answer.unwrap().status, 200, "the status is on the step");
    }
}

#[tokio::test]
async fn binary_is_kept_in_base64_and_marked() {
    let png = b"\x89PNG\r\n\x1a\n\0\xff";
    let output = called(&[("content-type", "image/png")], png).await.unwrap().output;
    assert_eq!(output, json!({"encoding": "base64", "mediaType": "image/png", "bytes": 10, "data": "iVBORw0KGgoA/w=="}));
    let server = serving(&[("content-type", "application/pdf")], b"%PDF-1.7");
    let output = perform(&server.url(""), http_request("GET", &server.url("/x"), &[], None)).await.unwrap().output;
    assert_eq!((&output["body"]["encoding"], &output["body"]["bytes"]), (&json!("base64"), &json!(8)));
}

#[tokio::test]
async fn an_error_page_is_quoted_as_its_headers_say() {
    let latin = ("content-type", "text/plain; charset=iso-8859-1");
    for (headers, body, quoted) in [
        (vec![latin], b"zu gro\xdf".to_vec(), "zu groß"),
        (vec![JSON, ("content-encoding", "gzip")], gzip("zu groß".as_bytes()), "zu groß"),
        (
            vec![("content-type", "image/png")],
            b"\x89PNG\0".to_vec(),
            "a body that cannot be shown: its body is not text but binary (image/png)",
        ),
    ] {
        let server = serving_status(422, &headers, &body);
        let error = perform(&server.url(""), service_call("GET", "/x", None)).await.unwrap_err();
        assert!(error.message.ends_with(&format!("answered 422: {quoted}")), "{error}");
    }
}

#[tokio::test]
async fn a_sink_does_not_look_at_the_body() {
    let server = serving(&[JSON], b"\xff{broken");
    let Request::Http(call) = http_request("POST", &server.url("/in"), &[], Some(json!({}))) else { unreachable!("it is one") };
    assert_eq!(perform(&server.url(""), Request::Sink(call)).await.unwrap().output, json!({"status": 200}));
}

#[tokio::test]
async fn the_answer_of_a_model_is_decoded_like_any_other() {
    let body = |text: &str| json!({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).to_string();
    let latin: Vec<u8> = body("Müller").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (headers, bytes) in [
        (vec![("content-type", "application/json; charset=latin1")], latin.clone()),
        (vec![JSON, ("content-encoding", "gzip")], gzip(body("Müller").as_bytes())),
        (vec![JSON], format!("\u{feff}{}", body("Müller")).into_bytes()),
    ] {
        let server = serving(&headers, &bytes);
        assert_eq!(perform(&server.url("/v1"), Request::Llm(llm(None))).await.unwrap().output["text"], "Müller", "{headers:?}");
    }
    let server = serving(&[JSON], &latin);
    let error = perform(&server.url("/v1"), Request::Llm(llm(None))).await.unwrap_err();
    assert!(error.message.contains("its body is not valid UTF-8"), "{error}");
}

#[tokio::test]
async fn a_tool_s_answer_that_cannot_be_decoded_is_reported_to_the_model() {
    let service = serving(&[JSON], b"\xff");
    let model = Server::in_sequence([tool_calls_answer(&[("c", "custom_echo", r#"{"id":1}"#)]), text_answer("Done.")]);
    let output = run_step(&model, &service, with_tool(None)).await.unwrap().output;
    let result: Value = serde_json::from_str(&last_tool_result(&model)).unwrap();
    assert_eq!(result, json!({"error": "the answer cannot be used: its body is not valid UTF-8 (at byte 0)", "status": 200}));
    assert!(output["toolCalls"][0]["error"].as_str().unwrap().contains("not valid UTF-8"), "{output}");
}
