//! The egress guard: where a flow may send anything at all.
//!
//! Flows are written by customers and run inside the deployment's network, so a URL must not be a way into that network. Names
//! are judged by what they resolve to, in the resolver of the HTTP client itself: the address that was checked is the address
//! that is connected to, and a second answer of the DNS cannot slip in between.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::address::Class;

/// What a deployment allows beyond https to public addresses (`EGRESS_ALLOW`). Nothing, by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Egress {
    loopback: bool,
}

/// `EGRESS_ALLOW` has a word that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not something that can be allowed; the only word is `loopback`")]
pub struct BadEgress(String);

impl FromStr for Egress {
    type Err = BadEgress;

    /// Reads a comma-separated list; an empty one allows nothing more.
    fn from_str(text: &str) -> Result<Self, BadEgress> {
        let mut egress = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "loopback" => egress.loopback = true,
                unknown => return Err(BadEgress(unknown.to_owned())),
            }
        }
        Ok(egress)
    }
}

/// Why nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("this deployment sends over https only; use an https URL")]
    Plain,
    #[error("`{0}` URLs cannot be called; use an https URL")]
    Scheme(String),
    #[error("the URL names no host; use one such as https://api.example.com/path")]
    NoHost,
    #[error("`{host}` is a {class} address, and this deployment forbids calls to those")]
    Literal { host: String, class: Class },
    #[error("`{host}` resolves to a {class} address, and this deployment forbids calls to those")]
    Resolved { host: String, class: Class },
    #[error("`{host}` resolves to an address that is not loopback, although its name says so")]
    FalseLocalhost { host: String },
}

impl Egress {
    /// Checks what can be told from the URL alone. An IP literal never reaches the resolver, so it is judged here.
    pub(crate) fn check(self, url: &Url) -> Result<(), Refused> {
        let host = url.host().ok_or(Refused::NoHost)?;
        let (literal, local) = match host {
            Host::Ipv4(address) => (Some(IpAddr::V4(address)), address.is_loopback()),
            Host::Ipv6(address) => (Some(IpAddr::V6(address)), address.is_loopback()),
            Host::Domain(name) => (None, says_loopback(name)),
        };
        match url.scheme() {
            "https" => {}
            "http" if self.loopback && local => {}
            "http" => return Err(Refused::Plain),
            other => return Err(Refused::Scheme(other.to_owned())),
        }
        match literal.and_then(Class::of) {
            Some(class) if !self.permits(class) => Err(Refused::Literal { host: host.to_string(), class }),
            _ => Ok(()),
        }
    }

    /// Checks what a name resolved to: one forbidden address among several is enough, since it is never an accident worth serving.
    fn check_resolved(self, host: &str, addresses: &[SocketAddr]) -> Result<(), Refused> {
        for class in addresses.iter().map(|address| Class::of(address.ip())) {
            match class {
                Some(class) if !self.permits(class) => return Err(Refused::Resolved { host: host.to_owned(), class }),
                // Plain http is allowed to these names, so nothing but loopback may answer to them.
                None if says_loopback(host) => return Err(Refused::FalseLocalhost { host: host.to_owned() }),
                _ => {}
            }
        }
        Ok(())
    }

    fn permits(self, class: Class) -> bool {
        self.loopback && class == Class::Loopback
    }
}

/// `localhost` and everything below it are loopback by definition (RFC 6761).
fn says_loopback(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

impl Resolve for Egress {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = *self;
        Box::pin(async move {
            // Port 0: the client puts in the one of the URL.
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            egress.check_resolved(name.as_str(), &addresses)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allow: &str, url: &str) -> Result<(), String> {
        allow.parse::<Egress>().unwrap().check(&url.parse().unwrap()).map_err(|refused| refused.to_string())
    }

    #[test]
    fn the_setting_knows_one_word() {
        assert_eq!("".parse(), Ok(Egress::default()));
        assert_eq!(" loopback ,".parse(), Ok(Egress { loopback: true }));
        let error = "loopback,private".parse::<Egress>().unwrap_err().to_string();
        assert_eq!(error, "`private` is not something that can be allowed; the only word is `loopback`");
    }

    #[test]
    fn plain_http_is_for_loopback_and_only_where_that_is_allowed() {
        for url in ["http://127.0.0.1:8080/", "http://[::1]/", "http://localhost/", "http://echo.localhost/", "http://LOCALHOST./"] {
            assert_eq!(check("loopback", url), Ok(()), "{url}");
            assert!(check("", url).unwrap_err().contains("https"), "{url}");
        }
        for url in ["http://example.com/", "http://8.8.8.8/", "http://10.0.0.1/", "http://localhost.example.com/", "http://notlocalhost/"] {
            assert!(check("loopback", url).unwrap_err().contains("https only"), "{url}");
        }
        assert!(check("loopback", "ftp://localhost/").unwrap_err().contains("`ftp`"));
        assert!(check("loopback", "file:///etc/passwd").unwrap_err().contains("no host"));
        assert!(check("loopback", "data:text/plain,x").unwrap_err().contains("no host"));
    }

    #[test]
    fn literals_are_judged_however_they_are_written() {
        for (url, class) in [
            ("https://127.0.0.1/", "loopback"),
            ("https://127.1/", "loopback"),
            ("https://2130706433/", "loopback"),
            ("https://0x7f.0.0.1/", "loopback"),
            ("https://0177.0.0.1/", "loopback"),
            ("https://%31%32%37.0.0.1/", "loopback"),
            ("https://[::1]/", "loopback"),
            ("https://[::ffff:127.0.0.1]/", "loopback"),
            ("https://0/", "unspecified"),
            ("https://169.254.169.254/latest/meta-data", "link-local"),
            ("https://[::ffff:169.254.169.254]/", "link-local"),
            ("https://[64:ff9b::a9fe:a9fe]/", "link-local"),
            ("https://[fd00:ec2::254]/", "unique-local"),
            ("https://10.0.0.1/", "private"),
            ("https://100.100.100.200/", "carrier-grade NAT"),
        ] {
            let error = check("", url).unwrap_err();
            assert!(error.contains(&format!("is a {class} address")) && error.contains("forbids"), "{url}: {error}");
        }
        assert_eq!(check("", "https://1.1.1.1/"), Ok(()));
        assert_eq!(check("loopback", "https://127.0.0.1/"), Ok(()));
        assert!(check("loopback", "https://10.0.0.1/").is_err());
    }

    #[test]
    fn one_forbidden_address_refuses_the_name() {
        let resolved = |allow: &str, host, addresses: &[&str]| {
            let addresses: Vec<_> = addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            allow.parse::<Egress>().unwrap().check_resolved(host, &addresses)
        };
        assert_eq!(resolved("", "api.example.com", &["1.1.1.1", "2606:4700::1"]), Ok(()));
        let refused = resolved("", "db.example.com", &["1.1.1.1", "10.0.0.5"]).unwrap_err().to_string();
        assert_eq!(refused, "`db.example.com` resolves to a private address, and this deployment forbids calls to those");
        assert!(resolved("", "localhost", &["127.0.0.1"]).is_err());
        assert_eq!(resolved("loopback", "localhost", &["127.0.0.1", "::1"]), Ok(()));
        assert!(resolved("loopback", "localhost", &["127.0.0.1", "1.1.1.1"]).is_err());
        assert!(resolved("loopback", "imds.example.com", &["169.254.169.254"]).is_err());
    }
}
