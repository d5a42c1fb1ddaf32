//! A client of the Runs API, generated from `openapi.yaml`.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

include!(concat!(env!("OUT_DIR"), "/client.rs"));
