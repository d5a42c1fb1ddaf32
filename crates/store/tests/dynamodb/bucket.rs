//! A stand-in for S3: objects can be put, copied, read, listed and deleted, addressed by path. Signatures are not checked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// Serves on a loopback port, and returns the URL.
pub async fn serve() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Objects::default());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

async fn answer(State(objects): State<Objects>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let key = uri.path().replace("%40", "@");
    if method == Method::PUT {
        // The client sends a payload in memory as it is. If it stopped doing so, other bytes would be stored here.
        if headers.get("content-encoding").is_some_and(|encoding| encoding == "aws-chunked") {
            return StatusCode::NOT_IMPLEMENTED.into_response();
        }
        let mut objects = objects.lock().unwrap();
        let Some(source) = headers.get("x-amz-copy-source") else {
            objects.insert(key, body);
            return StatusCode::OK.into_response();
        };
        let Some(copied) = objects.get(&format!("/{}", source.to_str().unwrap())).cloned() else {
            return StatusCode::NOT_FOUND.into_response();
        };
        objects.insert(key, copied);
        return "<CopyObjectResult/>".into_response();
    }
    if method == Method::DELETE {
        // Deleting an object that does not exist has the same answer.
        objects.lock().unwrap().remove(&key);
        return StatusCode::NO_CONTENT.into_response();
    }
    let query = uri.query().unwrap_or_default();
    if method == Method::POST && query.contains("delete") {
        let body = String::from_utf8(body.to_vec()).unwrap();
        for named in body.split("<Key>").skip(1) {
            objects.lock().unwrap().remove(&format!("{}/{}", key.trim_end_matches('/'), named.split("</Key>").next().unwrap()));
        }
        return "<DeleteResult/>".into_response();
    }
    if query.contains("list-type=2") {
        return list(&objects.lock().unwrap(), &key, query).into_response();
    }
    let found = objects.lock().unwrap().get(&key).cloned();
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

/// Lists two objects at a time, so that a client has to read several pages.
fn list(objects: &BTreeMap<String, Bytes>, bucket: &str, query: &str) -> String {
    let parameter = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.map(|value| value.replace("%2F", "/").replace("%40", "@"))
    };
    let bucket = format!("{}/", bucket.trim_end_matches('/'));
    let (prefix, after) = (parameter("prefix").unwrap_or_default(), parameter("continuation-token").unwrap_or_default());
    let keys = objects.keys().filter_map(|key| key.strip_prefix(&bucket));
    let found: Vec<&str> = keys.filter(|key| key.starts_with(&prefix) && *key > after.as_str()).take(3).collect();
    let more = found.len() > 2;
    let page = &found[..found.len().min(2)];
    let contents = page.iter().fold(String::new(), |all, key| all + "<Contents><Key>" + key + "</Key></Contents>");
    let next = page.last().filter(|_| more).map(|last| format!("<NextContinuationToken>{last}</NextContinuationToken>"));
    format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{}{contents}</ListBucketResult>", next.unwrap_or_default())
}
