//! Networks of addresses, and which of them the host trusts to say who is behind them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The proxies that are believed when they say for whom they speak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trusted {
    networks: Vec<Network>,
    /// Whoever comes by a Unix socket that has a path.
    pub(crate) unix: bool,
}

impl Trusted {
    /// Adds one more: `unix`, an address, or a network in CIDR notation. Gives whether it is one of those.
    pub(crate) fn add(&mut self, text: &str) -> bool {
        if text == "unix" {
            self.unix = true;
            return true;
        }
        let network = Network::parse(text);
        self.networks.extend(network);
        network.is_some()
    }

    pub(crate) fn includes(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

/// The addresses that begin with the same bits. An IPv4 address that is written as an IPv6 one is the IPv4
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    prefix: u32,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or a single address; `None` when it is neither, or has bits behind
    /// its prefix, which is a slip of whoever wrote it.
    ///
    /// Source: RFC 4632 §3.1, RFC 4291 §2.3.
    fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let first = address.to_canonical();
        let len = bits(first);
        // What is in front of an IPv4 address that is written as an IPv6 one.
        let skipped = bits(address) - len;
        let prefix = match prefix {
            None => len,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse::<u32>().ok()?.checked_sub(skipped)?
            }
            Some(_) => return None,
        };
        (prefix <= len && masked(first, prefix) == first).then_some(Network { first, prefix })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.prefix) == self.first
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with nothing behind its first `prefix` bits.
fn masked(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            Ipv4Addr::from(u32::from(address) & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            Ipv6Addr::from(u128::from(address) & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"][..],
                &["11.0.0.0", "9.255.255.255"][..],
            ),
            ("192.0.2.1", &["192.0.2.1"], &["192.0.2.0", "192.0.2.2", "::192.0.2.1"]),
            ("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127"]),
            ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::", "2001:db8::1"]),
            ("::/0", &["::", "2001:db8::1"], &["192.0.2.1", "::ffff:192.0.2.1"]),
            ("2001:db8::/33", &["2001:db8::1", "2001:db8:7fff::"], &["2001:db8:8000::", "2001:db9::"]),
            ("::1", &["::1"], &["::2", "127.0.0.1"]),
            ("::ffff:10.0.0.0/104", &["10.9.9.9"], &["11.0.0.0", "::a00:1"]),
        ] {
            let mut trusted = Trusted::default();
            assert!(trusted.add(network), "{network}");
            assert!(inside.iter().all(|text| trusted.includes(text.parse().unwrap())), "{network}");
            assert!(!outside.iter().any(|text| trusted.includes(text.parse().unwrap())), "{network}");
            assert!(!trusted.unix);
        }
    }

    #[test]
    fn what_is_no_network_is_not_taken() {
        for text in [
            "",
            "*",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "/8",
            "10.0.0.1/8",
            "10.0.0",
            "2001:db8::/129",
            "2001:db8::1/64",
            "[::1]",
            "fe80::1%eth0",
            "::ffff:10.0.0.0/95",
            "10.0.0.0/8 ",
            "10.0.0.0/8/8",
            "Unix",
            "unix:/run/chat.sock",
        ] {
            let mut trusted = Trusted::default();
            assert!(!trusted.add(text), "{text}");
            assert_eq!(trusted, Trusted::default());
        }
    }
}
