//! Private networks that flows of an organisation may reach: none, unless an operator opens them.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::error::PortError;
use crate::id::OrgId;

/// The address spaces of private networks: RFC 1918, RFC 6598 (carrier-grade NAT, which VPCs use as well), RFC 4193.
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

/// A range of private addresses in CIDR notation. It contains no loopback, link-local or other special addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrivateRange(IpNet);

impl PrivateRange {
    /// Returns whether the address is in the range. An IPv4 address that is mapped to IPv6 is not.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

/// The error for a text that is not a range of private addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// The text is not a range.
    #[error("must be a range of addresses such as 10.1.0.0/16")]
    Form,
    /// The address is not the first one of the range.
    #[error("must be the first address of its range: {0}")]
    Inside(IpNet),
    /// The range is not private, or only in part.
    #[error("must be within one of {}: only private networks can be opened", PRIVATE.join(", "))]
    Public,
}

impl FromStr for PrivateRange {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        let range: IpNet = text.parse().map_err(|_| BadRange::Form)?;
        if range.trunc() != range {
            return Err(BadRange::Inside(range.trunc()));
        }
        let private = PRIVATE.iter().filter_map(|space| space.parse::<IpNet>().ok()).any(|space| space.contains(&range));
        if private { Ok(Self(range)) } else { Err(BadRange::Public) }
    }
}

impl fmt::Display for PrivateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The private networks that an organisation's flows may reach.
pub trait PrivateNetworks {
    /// Returns the ranges that are open to the organisation, sorted.
    fn private_ranges(&self, org: &OrgId) -> impl Future<Output = Result<Vec<PrivateRange>, PortError>>;
}

/// Opens and closes private networks, for operators.
pub trait PrivateNetworkSwitch {
    /// Opens a range, from the next call on. To open a range twice is not an error.
    fn open_range(&self, org: &OrgId, range: &PrivateRange) -> impl Future<Output = Result<(), PortError>>;
    /// Closes a range that was opened, from the next call on. To close a range that is not open is not an error.
    fn close_range(&self, org: &OrgId, range: &PrivateRange) -> impl Future<Output = Result<(), PortError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_private_or_refused() {
        for good in
            ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "172.16.0.0/12", "192.168.7.0/24", "100.64.0.0/10", "fd12:3456::/32", "fc00::/7"]
        {
            assert_eq!(good.parse::<PrivateRange>().unwrap().to_string(), good);
        }
        for bad in ["", "10.1.0.0", "10.1.0.0/33", "10.1.0.0-10.2.0.0", "vpc", " 10.0.0.0/8", "10.0.0.0/8 "] {
            assert_eq!(bad.parse::<PrivateRange>(), Err(BadRange::Form), "{bad}");
        }
        let inside = "10.1.2.3/16".parse::<PrivateRange>().unwrap_err();
        assert_eq!(inside.to_string(), "must be the first address of its range: 10.1.0.0/16");
        for bad in [
            "0.0.0.0/0",
            "10.0.0.0/7",
            "8.8.8.0/24",
            "127.0.0.0/8",
            "127.0.0.1/32",
            "169.254.0.0/16",
            "169.254.169.254/32",
            "224.0.0.0/4",
            "172.0.0.0/8",
            "192.0.0.0/8",
            "100.0.0.0/8",
            "0.0.0.0/8",
            "::/0",
            "::1/128",
            "fe80::/10",
            "ff00::/8",
            "::ffff:10.0.0.0/104",
            "64:ff9b::a00:0/104",
            "2002:a00::/24",
            "fc00::/6",
            "2001:db8::/32",
        ] {
            assert_eq!(bad.parse::<PrivateRange>(), Err(BadRange::Public), "{bad}");
        }
    }

    #[test]
    fn a_range_contains_its_addresses_and_no_ipv6_form_of_them() {
        let range: PrivateRange = "10.1.0.0/16".parse().unwrap();
        for (address, expected) in [
            ("10.1.0.0", true),
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("::ffff:10.1.0.1", false),
            ("64:ff9b::a01:1", false),
            ("::10.1.0.1", false),
        ] {
            assert_eq!(range.contains(address.parse().unwrap()), expected, "{address}");
        }
    }
}
