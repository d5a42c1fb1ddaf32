//! Classes of IP addresses, after the IANA special-purpose registries (RFC 6890 and its updates).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address that is not a public host on the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are called as their ranges are")]
pub enum Class {
    /// The metadata service of a cloud, which gives machines their credentials, at any kind of address.
    Metadata,
    Unspecified,
    Loopback,
    Private,
    SharedCarrier,
    LinkLocal,
    UniqueLocal,
    Multicast,
    Broadcast,
    Documentation,
    Benchmarking,
    Reserved,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "cloud metadata",
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::SharedCarrier => "carrier-grade NAT",
            Self::LinkLocal => "link-local",
            Self::UniqueLocal => "unique-local",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Reserved => "reserved",
        })
    }
}

/// A prefix, its length, and its class. The first that matches counts.
const V4: &[(Ipv4Addr, u32, Class)] = &[
    // AWS, Azure, Google Cloud and most others; then credentials of containers on AWS, ECS and EKS.
    (Ipv4Addr::new(169, 254, 169, 254), 32, Class::Metadata),
    (Ipv4Addr::new(169, 254, 170, 2), 32, Class::Metadata),
    (Ipv4Addr::new(169, 254, 170, 23), 32, Class::Metadata),
    // Alibaba Cloud, in the space of carrier-grade NAT.
    (Ipv4Addr::new(100, 100, 100, 200), 32, Class::Metadata),
    // Azure's "wire server", in public space.
    (Ipv4Addr::new(168, 63, 129, 16), 32, Class::Metadata),
    (Ipv4Addr::UNSPECIFIED, 8, Class::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Class::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Class::SharedCarrier),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Class::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Class::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Class::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Class::Reserved),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Class::Documentation),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Class::Reserved),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Class::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Class::Benchmarking),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Class::Documentation),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Class::Documentation),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Class::Multicast),
    (Ipv4Addr::BROADCAST, 32, Class::Broadcast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Class::Reserved),
];

/// The same for IPv6. What is neither here nor in [`EMBEDDING`] is public only inside `2000::/3`.
const V6: &[(Ipv6Addr, u32, Class)] = &[
    // The services of AWS on every machine (metadata, credentials of containers, names, time) and the metadata of Google Cloud.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, Class::Metadata),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32, Class::Metadata),
    (Ipv6Addr::UNSPECIFIED, 128, Class::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, Class::Loopback),
    // NAT64 of a local network (RFC 8215), Teredo, ORCHID and other protocol assignments.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Class::Reserved),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, Class::Benchmarking),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Class::Reserved),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Class::Documentation),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Class::Documentation),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Class::UniqueLocal),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Class::LinkLocal),
    // Site-local, deprecated: still routed inside some networks.
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Class::Private),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Class::Multicast),
];

/// IPv6 prefixes with an IPv4 address inside, and the number of bits after it: such an address has the class of the inner one.
const EMBEDDING: &[(Ipv6Addr, u32, u32)] = &[
    // IPv4-compatible, deprecated.
    (Ipv6Addr::UNSPECIFIED, 96, 0),
    // IPv4-mapped.
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 0),
    // IPv4-translated (RFC 2765).
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, 0),
    // NAT64 (RFC 6052).
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, 0),
    // 6to4 (RFC 3056).
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 80),
];

const GLOBAL_UNICAST: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);

impl Class {
    /// Whether the operator may open addresses of this class to an organisation: those of private networks.
    pub fn can_be_opened(self) -> bool {
        matches!(self, Self::Private | Self::SharedCarrier | Self::UniqueLocal)
    }

    /// Returns the class of an address; `None` if it is public.
    pub fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Self> {
        let found = V4.iter().find(|(prefix, length, _)| {
            let host_bits = 32 - length;
            address.to_bits() >> host_bits == prefix.to_bits() >> host_bits
        });
        found.map(|(_, _, class)| *class)
    }

    fn of_v6(address: Ipv6Addr) -> Option<Self> {
        if let Some((_, _, class)) = V6.iter().find(|(prefix, length, _)| within(address, *prefix, *length)) {
            return Some(*class);
        }
        if let Some((_, _, trailing)) = EMBEDDING.iter().find(|(prefix, length, _)| within(address, *prefix, *length)) {
            let [.., a, b, c, d] = (address.to_bits() >> trailing).to_be_bytes();
            return Self::of_v4(Ipv4Addr::new(a, b, c, d));
        }
        if within(address, GLOBAL_UNICAST, 3) { None } else { Some(Self::Reserved) }
    }
}

fn within(address: Ipv6Addr, prefix: Ipv6Addr, length: u32) -> bool {
    let host_bits = 128 - length;
    address.to_bits() >> host_bits == prefix.to_bits() >> host_bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<Class> {
        Class::of(text.parse().unwrap())
    }

    #[test]
    fn every_special_form_of_ipv4_is_recognised_at_both_ends_of_its_range() {
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", Class::Unspecified),
            ("10.0.0.0", "10.255.255.255", Class::Private),
            ("100.64.0.0", "100.127.255.255", Class::SharedCarrier),
            ("127.0.0.1", "127.255.255.255", Class::Loopback),
            ("169.254.0.0", "169.254.255.255", Class::LinkLocal),
            ("172.16.0.0", "172.31.255.255", Class::Private),
            ("192.0.0.0", "192.0.0.255", Class::Reserved),
            ("192.0.2.0", "192.0.2.255", Class::Documentation),
            ("192.168.0.0", "192.168.255.255", Class::Private),
            ("198.18.0.0", "198.19.255.255", Class::Benchmarking),
            ("198.51.100.0", "203.0.113.255", Class::Documentation),
            ("224.0.0.1", "239.255.255.255", Class::Multicast),
            ("240.0.0.0", "255.255.255.254", Class::Reserved),
            ("255.255.255.255", "255.255.255.255", Class::Broadcast),
        ] {
            assert_eq!(class(first), Some(expected), "{first}");
            assert_eq!(class(last), Some(expected), "{last}");
        }
    }

    #[test]
    fn every_special_form_of_ipv6_is_recognised() {
        for (address, expected) in [
            ("::", Class::Unspecified),
            ("::1", Class::Loopback),
            ("fc00::1", Class::UniqueLocal),
            ("fd00:ec2::254", Class::Metadata),
            ("fd20:ce::254", Class::Metadata),
            ("fd00:ec1::254", Class::UniqueLocal),
            ("fe80::1", Class::LinkLocal),
            ("febf::1", Class::LinkLocal),
            ("fec0::1", Class::Private),
            ("ff02::1", Class::Multicast),
            ("2001:db8::1", Class::Documentation),
            ("3fff::1", Class::Documentation),
            ("2001::1", Class::Reserved),
            ("2001:2::1", Class::Benchmarking),
            ("64:ff9b:1::a00:1", Class::Reserved),
            ("100::1", Class::Reserved),
            ("5f00::1", Class::Reserved),
            ("4000::1", Class::Reserved),
        ] {
            assert_eq!(class(address), Some(expected), "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_address_counts_as_itself() {
        for prefix in ["::", "::ffff:", "::ffff:0:", "64:ff9b::"] {
            for (inner, expected) in [
                ("127.0.0.1", Some(Class::Loopback)),
                ("10.1.2.3", Some(Class::Private)),
                ("169.254.169.254", Some(Class::Metadata)),
                ("169.254.169.253", Some(Class::LinkLocal)),
                ("100.64.0.1", Some(Class::SharedCarrier)),
                ("224.0.0.1", Some(Class::Multicast)),
                ("255.255.255.255", Some(Class::Broadcast)),
                ("8.8.8.8", None),
            ] {
                assert_eq!(class(&format!("{prefix}{inner}")), expected, "{prefix}{inner}");
            }
        }
        assert_eq!(class("2002:7f00:1::1"), Some(Class::Loopback));
        assert_eq!(class("2002:a9fe:a9fe::"), Some(Class::Metadata));
        assert_eq!(class("2002:0a00:1::"), Some(Class::Private));
        assert_eq!(class("2002:0808:0808::"), None);
        assert_eq!(class("64:ff9b::"), Some(Class::Unspecified));
    }

    #[test]
    fn public_addresses_have_no_class() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
        ] {
            assert_eq!(class(address), None, "{address}");
        }
    }
}
