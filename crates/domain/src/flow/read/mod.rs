//! Reads a spec from JSON: first its parts, each by itself, and then what must hold between them (see `graph`).

mod approval;
mod control;
mod http;
mod llm;
mod node;
mod spec;
mod whole;
