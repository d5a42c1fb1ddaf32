//! The signature, computed again from the request that arrived, after the description of Signature Version 4 by AWS.

use domain::json::sha256_hex_of;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::chat::{ask, bedrock, text_answer};
use crate::server::SeenRequest;
use crate::setup::{AWS_KEY, KEY, llm};

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The `Authorization` that a request must have if these headers of it are signed.
fn authorization(seen: &SeenRequest, signed: &str) -> String {
    let headers: Vec<_> = signed.split(';').map(|name| format!("{name}:{}\n", seen.header(name).unwrap())).collect();
    // Every service but S3 encodes the path, which is encoded already, once more.
    let path = seen.target.replace('%', "%25");
    let request = format!("{}\n{path}\n\n{}\n{signed}\n{}", seen.method, headers.concat(), sha256_hex_of(&seen.body));
    let time = seen.header("x-amz-date").unwrap();
    let day = &time[..8];
    let scope = format!("{day}/us-east-1/bedrock/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256_hex_of(request.as_bytes()));
    let key = [day, "us-east-1", "bedrock", "aws4_request"].iter().fold(format!("AWS4{KEY}").into_bytes(), |key, part| hmac(&key, part));
    let signature: Vec<_> = hmac(&key, &text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("AWS4-HMAC-SHA256 Credential={AWS_KEY}/{scope}, SignedHeaders={signed}, Signature={}", signature.concat())
}

#[tokio::test]
async fn the_function_s_own_role_signs_the_body_and_what_every_call_carries() {
    let model = bedrock([text_answer("Much.")]);
    ask(&model, &model, llm(None)).await.unwrap();
    let seen = model.one();
    let sent = seen.header("authorization").unwrap();
    let signed = sent.split_once("SignedHeaders=").unwrap().1.split_once(',').unwrap().0;
    for name in ["content-length", "content-type", "host", "idempotency-key", "traceparent", "x-quantum-trace-id"] {
        assert!(signed.split(';').any(|other| other == name), "{name}: {signed}");
    }
    assert_eq!(sent, authorization(&seen, signed));
}
