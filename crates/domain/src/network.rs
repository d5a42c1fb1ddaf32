//! Private networks that flows of an organisation may reach: none, unless whoever deploys says which.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::id::OrgId;
use crate::ports::PortError;

/// The address space that a network of one's own can be in: RFC 1918, RFC 6598 (carrier-grade NAT, which VPCs use as well), RFC 4193.
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

/// A range of private addresses, in CIDR notation. Nothing of loopback, link-local or any other kind of address is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrivateRange(IpNet);

impl PrivateRange {
    /// Whether the address is in the range. An IPv4 address that is dressed up as one of IPv6 is not.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

/// The text is no range of private addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// It is no range at all.
    #[error("must be a range of addresses such as 10.1.0.0/16")]
    Form,
    /// It names one address and a length that means another.
    #[error("must be the first address of its range: {0}")]
    Inside(IpNet),
    /// It is not private, or more than private.
    #[error("must lie within one of {}: only private networks can be opened", PRIVATE.join(", "))]
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

/// Which private networks an organisation's flows may reach.
pub trait PrivateNetworks {
    /// The ranges that are open to the organisation, sorted.
    fn private_ranges(&self, org: &OrgId) -> impl Future<Output = Result<Vec<PrivateRange>, PortError>>;
}

/// Opens and closes private networks, for whoever deploys.
pub trait PrivateNetworkSwitch {
    /// Opens a range, from the next call on. Opening one twice is no error.
    fn open_range(&self, org: &OrgId, range: &PrivateRange) -> impl Future<Output = Result<(), PortError>>;
    /// Closes a range that was opened, from the next call on. Closing one that is not open is no error.
    fn close_range(&self, org: &OrgId, range: &PrivateRange) -> impl Future<Output = Result<(), PortError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_private_and_nothing_else() {
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
    fn a_range_holds_its_addresses_and_no_disguise_of_them() {
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
