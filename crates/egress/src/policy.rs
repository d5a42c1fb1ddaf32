//! The rules of the egress guard.

use std::net::IpAddr;
use std::str::FromStr;

use domain::network::PrivateRange;
use url::{Host, Url};

use crate::address::Class;

/// What a deployment allows besides https to public addresses (`EGRESS_ALLOW`). The default allows nothing more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Egress {
    loopback: bool,
}

/// `EGRESS_ALLOW` has an unknown word.
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

/// Why a request was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each variant says it")]
pub enum EgressDenial {
    #[error("this deployment sends over https only; use an https URL")]
    Plain,
    #[error("`{0}` URLs cannot be called; use an https URL")]
    Scheme(String),
    #[error("the URL names no host; use one such as https://api.example.com/path")]
    NoHost,
    #[error("`{host}` is a {class} address, and this deployment forbids calls to those")]
    Literal { host: String, class: Class, address: IpAddr },
    #[error("`{host}` resolves to a {class} address, and this deployment forbids calls to those")]
    Resolved { host: String, class: Class, addresses: Vec<IpAddr> },
    #[error("`{host}` resolves to an address that is not loopback, although its name says so")]
    FalseLocalhost { host: String },
}

impl EgressDenial {
    /// Returns the addresses of the target if the only reason for the denial is that they are private: the organisation may have the
    /// range open.
    pub fn private(&self) -> Option<&[IpAddr]> {
        let addresses = match self {
            Self::Literal { address, .. } => std::slice::from_ref(address),
            Self::Resolved { addresses, .. } => addresses,
            _ => return None,
        };
        let private = |address: &IpAddr| Class::of(*address).is_none_or(Class::can_be_opened);
        addresses.iter().all(private).then_some(addresses)
    }
}

impl Egress {
    /// Reads `EGRESS_ALLOW`; a variable that is not set allows nothing more. Fails if it has an unknown word.
    pub fn from_env() -> Result<Self, BadEgress> {
        std::env::var("EGRESS_ALLOW").unwrap_or_default().parse()
    }

    /// Checks what the URL alone shows. An IP literal never reaches the resolver, so it is checked here.
    pub fn check(self, url: &Url, open: &[PrivateRange]) -> Result<(), EgressDenial> {
        let host = url.host().ok_or(EgressDenial::NoHost)?;
        let (literal, local) = match host {
            Host::Ipv4(address) => (Some(IpAddr::V4(address)), address.is_loopback()),
            Host::Ipv6(address) => (Some(IpAddr::V6(address)), address.is_loopback()),
            Host::Domain(name) => (None, says_loopback(name)),
        };
        match url.scheme() {
            "https" => {}
            "http" if self.loopback && local => {}
            "http" => return Err(EgressDenial::Plain),
            other => return Err(EgressDenial::Scheme(other.to_owned())),
        }
        let Some(address) = literal else { return Ok(()) };
        match Class::of(address) {
            Some(class) if !self.permits(class, address, open) => Err(EgressDenial::Literal { host: host.to_string(), class, address }),
            _ => Ok(()),
        }
    }

    /// Checks what a name resolved to. One forbidden address among several is enough for a denial: no honest name has one.
    pub fn check_resolved(self, host: &str, addresses: &[IpAddr], open: &[PrivateRange]) -> Result<(), EgressDenial> {
        let forbidden = addresses.iter().find_map(|address| {
            let class = Class::of(*address)?;
            (!self.permits(class, *address, open)).then_some(class)
        });
        if let Some(class) = forbidden {
            return Err(EgressDenial::Resolved { host: host.to_owned(), class, addresses: addresses.to_vec() });
        }
        // Plain http is allowed to these names, so they may have no address but loopback.
        if says_loopback(host) && addresses.iter().any(|address| Class::of(*address) != Some(Class::Loopback)) {
            return Err(EgressDenial::FalseLocalhost { host: host.to_owned() });
        }
        Ok(())
    }

    fn permits(self, class: Class, address: IpAddr, open: &[PrivateRange]) -> bool {
        let opened = || class.can_be_opened() && open.iter().any(|range| range.contains(address));
        (self.loopback && class == Class::Loopback) || opened()
    }
}

/// `localhost` and everything below it are loopback by definition (RFC 6761).
fn says_loopback(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allow: &str, url: &str) -> Result<(), String> {
        allow.parse::<Egress>().unwrap().check(&url.parse().unwrap(), &[]).map_err(|refused| refused.to_string())
    }

    #[test]
    fn the_setting_has_one_word() {
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
    fn literals_are_recognised_in_every_notation() {
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
            ("https://169.254.169.254/latest/meta-data", "cloud metadata"),
            ("https://[::ffff:169.254.169.254]/", "cloud metadata"),
            ("https://[64:ff9b::a9fe:a9fe]/", "cloud metadata"),
            ("https://[fd00:ec2::254]/", "cloud metadata"),
            ("https://10.0.0.1/", "private"),
            ("https://100.100.100.200/", "cloud metadata"),
        ] {
            let error = check("", url).unwrap_err();
            assert!(error.contains(&format!("is a {class} address")) && error.contains("forbids"), "{url}: {error}");
        }
        assert_eq!(check("", "https://1.1.1.1/"), Ok(()));
        assert_eq!(check("loopback", "https://127.0.0.1/"), Ok(()));
        assert!(check("loopback", "https://10.0.0.1/").is_err());
    }

    #[test]
    fn one_forbidden_address_among_several_is_enough_for_a_denial() {
        let resolved = |allow: &str, host, addresses: &[&str]| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
            allow.parse::<Egress>().unwrap().check_resolved(host, &addresses, &[])
        };
        assert_eq!(resolved("", "api.example.com", &["1.1.1.1", "2606:4700::1"]), Ok(()));
        let refused = resolved("", "db.example.com", &["1.1.1.1", "10.0.0.5"]).unwrap_err().to_string();
        assert_eq!(refused, "`db.example.com` resolves to a private address, and this deployment forbids calls to those");
        assert!(resolved("", "localhost", &["127.0.0.1"]).is_err());
        assert_eq!(resolved("loopback", "localhost", &["127.0.0.1", "::1"]), Ok(()));
        assert!(resolved("loopback", "localhost", &["127.0.0.1", "1.1.1.1"]).is_err());
        assert!(resolved("loopback", "imds.example.com", &["169.254.169.254"]).is_err());
    }

    #[test]
    fn an_open_range_opens_its_addresses_and_nothing_else() {
        let open: Vec<PrivateRange> = ["10.1.0.0/16", "100.64.0.0/10", "fc00::/7"].map(|range| range.parse().unwrap()).into();
        let literal = |url: &str| Egress::default().check(&url.parse().unwrap(), &open).map_err(|refused| refused.to_string());
        for url in ["https://10.1.2.3/", "https://100.64.0.1/", "https://[fd12::1]/"] {
            assert_eq!(literal(url), Ok(()), "{url}");
        }
        for url in [
            "https://10.2.0.1/",
            "https://127.0.0.1/",
            "https://169.254.169.254/",
            // Inside the open ranges, but not addresses of a private network.
            "https://100.100.100.200/",
            "https://[fd00:ec2::254]/",
            "https://[fd20:ce::254]/",
            "https://[::ffff:10.1.2.3]/",
            "https://[::10.1.2.3]/",
            "https://[64:ff9b::a01:203]/",
            "https://[2002:a01:203::]/",
            "http://10.1.2.3/",
        ] {
            assert!(literal(url).is_err(), "{url}");
        }
        let resolved = |host: &str, addresses: &[&str]| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
            "loopback".parse::<Egress>().unwrap().check_resolved(host, &addresses, &open)
        };
        assert_eq!(resolved("crm.internal", &["10.1.2.3", "fd12::1", "1.1.1.1"]), Ok(()));
        assert!(resolved("crm.internal", &["10.1.2.3", "10.2.0.1"]).is_err());
        assert!(resolved("crm.internal", &["::ffff:10.1.2.3"]).is_err());
        let false_name = resolved("crm.localhost", &["10.1.2.3"]).unwrap_err();
        assert_eq!(false_name, EgressDenial::FalseLocalhost { host: "crm.localhost".to_owned() });
    }

    #[test]
    fn open_ranges_are_read_only_if_all_forbidden_addresses_are_private() {
        let refused = |addresses: &[&str]| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
            Egress::default().check_resolved("a.example", &addresses, &[]).unwrap_err()
        };
        assert_eq!(refused(&["10.1.2.3", "1.1.1.1"]).private().map(<[IpAddr]>::len), Some(2));
        assert_eq!(refused(&["10.1.2.3", "127.0.0.1"]).private(), None);
        assert_eq!(refused(&["169.254.169.254"]).private(), None);
        assert_eq!(refused(&["100.100.100.200"]).private(), None);
        assert_eq!(EgressDenial::Plain.private(), None);
    }
}
