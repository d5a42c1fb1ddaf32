//! A stand-in for S3: objects can be put, copied, got and deleted, addressed by path. What the client signs is not checked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

type Objects = Arc<Mutex<HashMap<String, Bytes>>>;

/// Serves on a loopback port; gives its URL.
pub async fn serve() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Objects::default());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

async fn answer(State(objects): State<Objects>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let key = uri.path().to_owned();
    if method == Method::PUT {
        // The client sends a payload that it has in memory as it is; if it ever stops doing so, what is stored here would not be it.
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
        // What is not there is deleted with the same answer.
        objects.lock().unwrap().remove(&key);
        return StatusCode::NO_CONTENT.into_response();
    }
    let found = objects.lock().unwrap().get(&key).cloned();
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}
