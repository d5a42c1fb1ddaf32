//! What goes over the wire, and what becomes of what comes back: the promises of `nodes` against a real socket.

#[cfg(test)]
mod bedrock;
#[cfg(test)]
mod carried;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod guard;
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
mod repair;
#[cfg(test)]
mod server;
#[cfg(test)]
mod ssrf;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod world;
