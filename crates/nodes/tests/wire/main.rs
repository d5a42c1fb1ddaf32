//! The promises of `nodes`, checked at a real socket: what is sent, and what becomes of what comes back.

#[cfg(test)]
mod bedrock;
#[cfg(test)]
mod carried;
#[cfg(test)]
mod chat;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod decoding;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod health;
#[cfg(test)]
mod llm;
#[cfg(test)]
mod names;
#[cfg(test)]
mod outbound;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod server;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod ssrf;
#[cfg(test)]
mod tools;
