//! A scripted name server, a resolver that asks it, and a resolver that asks none.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use nodes::{Lookup, LookupFuture};

/// Answers each question with the next of its addresses, and every later one with the last. Its answers may not be cached (TTL 0).
#[derive(Debug, Clone)]
pub struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    pub fn answering(addresses: &[&str]) -> Self {
        let addresses: Vec<Ipv4Addr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = Self { address: socket.local_addr().unwrap(), asked: Arc::default() };
        let asked = Arc::clone(&server.asked);
        thread::spawn(move || {
            let mut buffer = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let query = question.queries[0].clone();
                let mut asked = asked.lock().unwrap();
                let address = addresses[asked.len().min(addresses.len() - 1)];
                asked.push(query.name().to_utf8());
                let mut answer = Message::response(question.metadata.id, OpCode::Query);
                answer.add_answer(Record::from_rdata(query.name().clone(), 0, RData::A(A(address))));
                answer.add_query(query);
                socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
            }
        });
        server
    }

    /// The names of the questions, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Lookup for NameServer {
    /// Asks the server over UDP, without a cache.
    fn lookup(&self, host: &str) -> LookupFuture {
        let (host, server) = (host.to_owned(), self.address);
        Box::pin(async move {
            let mut question = Message::new(7, MessageType::Query, OpCode::Query);
            question.add_query(Query::query(Name::from_utf8(&host).map_err(io::Error::other)?, RecordType::A));
            let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
            socket.send_to(&question.to_vec().map_err(io::Error::other)?, server).await?;
            let mut buffer = [0; 512];
            let length = socket.recv(&mut buffer).await?;
            let answer = Message::from_vec(&buffer[..length]).map_err(io::Error::other)?;
            let address = |record: &Record| match record.data {
                RData::A(A(address)) => Some(IpAddr::V4(address)),
                _ => None,
            };
            Ok(answer.answers.iter().filter_map(address).collect())
        })
    }
}

/// Names with addresses that never change.
#[derive(Debug, Clone, Default)]
pub struct Hosts(pub BTreeMap<String, Vec<IpAddr>>);

impl Lookup for Hosts {
    fn lookup(&self, host: &str) -> LookupFuture {
        let found = self.0.get(host).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}
