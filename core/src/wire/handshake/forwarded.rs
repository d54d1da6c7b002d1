//! Who is behind the proxies: the client's address out of `X-Forwarded-For`.
//!
//! Each proxy adds, at the right, the address it was spoken to from. So the header is read from the right, as long
//! as who wrote an entry is trusted; what stands further left is whatever the client liked to send, and nobody
//! looks at it. The header is everybody's custom and no standard; RFC 7239's `Forwarded` is not read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::request::Request;
use super::response::{Refusal, shown};

/// Finds the client of a request that comes from a trusted proxy.
///
/// `peer` is that proxy (`None`: by a Unix socket), and the answer too where the header says nothing. If every
/// entry is a trusted proxy's, the leftmost is the client. Several header lines are one list. The port is 0
/// where the entry has none.
///
/// # Errors
/// 400: an entry that had to be looked at is no address.
pub(crate) fn client_address(
    request: &Request,
    peer: Option<SocketAddr>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<Option<SocketAddr>, Refusal> {
    let entries: Vec<&str> = request.list("x-forwarded-for").collect();
    let mut client = peer;
    for entry in entries.into_iter().rev() {
        let address = entry_address(entry).ok_or_else(|| {
            Refusal::new(
                400,
                format!("the request's X-Forwarded-For has {}, which is no address", shown(entry)),
            )
        })?;
        client = Some(address);
        if !is_trusted(address.ip()) {
            break;
        }
    }
    Ok(client)
}

/// Reads an address with or without a port, an IPv6 one with or without brackets and zone. A zone is the name
/// of a network card of the proxy's and means nothing here.
fn entry_address(text: &str) -> Option<SocketAddr> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            let port = match rest.is_empty() {
                true => None,
                false => Some(rest.strip_prefix(':')?),
            };
            (v6_address(host)?, port)
        }
        None if text.bytes().filter(|byte| *byte == b':').count() > 1 => (v6_address(text)?, None),
        None => match text.split_once(':') {
            Some((host, port)) => (host.parse::<Ipv4Addr>().ok()?.into(), Some(port)),
            None => (text.parse::<Ipv4Addr>().ok()?.into(), None),
        },
    };
    let port = match port {
        None => 0,
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    Some(SocketAddr::new(host, port))
}

fn v6_address(text: &str) -> Option<IpAddr> {
    let (address, zone) = text.split_once('%').unwrap_or((text, "-"));
    let is_zone = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let right = !zone.is_empty() && zone.bytes().all(is_zone);
    address.parse::<Ipv6Addr>().ok().filter(|_| right).map(|address| IpAddr::V6(address).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handshake::parse_request;

    const PROXY: &str = "10.0.0.1:4711";

    /// The client of a request with these `X-Forwarded-For` lines, from a proxy in the trusted 10.0.0.0/8.
    fn client(lines: &[&str]) -> Result<String, String> {
        let lines: String = lines.iter().map(|line| format!("X-Forwarded-For: {line}\r\n")).collect();
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
        let request = parse_request(request.as_bytes()).unwrap();
        let trusted = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.segments()[0] == 0xfd00,
        };
        match client_address(&request, Some(PROXY.parse().unwrap()), trusted) {
            Ok(client) => Ok(client.unwrap().to_string()),
            Err(refusal) => {
                assert_eq!(refusal.status, 400);
                Err(refusal.reason)
            }
        }
    }

    #[test]
    fn the_client_is_the_first_from_the_right_who_is_no_proxy() {
        for (lines, want) in [
            // Nothing is said: who speaks is the client.
            (&[][..], PROXY),
            (&[""], PROXY),
            (&[" , ,"], PROXY),
            (&["203.0.113.9"], "203.0.113.9:0"),
            // What the client sent itself stands further left.
            (&["192.0.2.66, 203.0.113.9"], "203.0.113.9:0"),
            (&["127.0.0.1,10.9.9.9 , 203.0.113.9"], "203.0.113.9:0"),
            (&["<script>, unknown, 203.0.113.9"], "203.0.113.9:0"),
            // Proxies behind the proxy.
            (&["192.0.2.66, 203.0.113.9, 10.1.1.1, 10.2.2.2"], "203.0.113.9:0"),
            (&["203.0.113.9, fd00::7"], "203.0.113.9:0"),
            (&["10.3.3.3, 10.1.1.1"], "10.3.3.3:0"),
            (&["203.0.113.9, ::ffff:10.1.1.1"], "203.0.113.9:0"),
            // Several lines are one list.
            (&["192.0.2.66", "203.0.113.9", "10.1.1.1"], "203.0.113.9:0"),
            (&["203.0.113.9", ""], "203.0.113.9:0"),
            // Ports, brackets, zones.
            (&["203.0.113.9:80"], "203.0.113.9:80"),
            (&["2001:db8::7"], "[2001:db8::7]:0"),
            (&["[2001:db8::7]"], "[2001:db8::7]:0"),
            (&["[2001:db8::7]:443"], "[2001:db8::7]:443"),
            (&["fe80::7%eth0.1"], "[fe80::7]:0"),
            (&["[fe80::7%25eth0]:443"], "[fe80::7]:443"),
            (&["::ffff:203.0.113.9"], "203.0.113.9:0"),
            (&["[::ffff:203.0.113.9]:80"], "203.0.113.9:80"),
        ] {
            assert_eq!(client(lines).as_deref(), Ok(want), "{lines:?}");
        }
    }

    #[test]
    fn an_entry_that_must_be_looked_at_and_is_no_address_is_refused() {
        for text in [
            "unknown",
            "_hidden",
            "-",
            "chat.example",
            "203.0.113",
            "203.0.113.9.9",
            "203.0.113.09",
            "203.0.113.256",
            "203.0.113.9:",
            "203.0.113.9:-1",
            "203.0.113.9:+80",
            "203.0.113.9:65536",
            "203.0.113.9:80:80",
            "203.0.113.9/24",
            "203.0.113.9 192.0.2.1",
            "203.0.113.9;192.0.2.1",
            "\"203.0.113.9\"",
            "[203.0.113.9]",
            "203.0.113.9%eth0",
            "[2001:db8::7",
            "2001:db8::7]",
            "[2001:db8::7]443",
            "[2001:db8::7]:",
            "[2001:db8::7]:x",
            "[]",
            "[]:80",
            "2001:db8:::7",
            "2001:db8::7%",
            "[fe80::7%]",
            "fe80::7%eth 0",
            "fe80::7%a%b",
            "for=203.0.113.9",
            "1\u{e9}",
            "２０３.0.113.9",
            "0xCB007109",
            "3405803785",
        ] {
            let words = client(&[text]).unwrap_err();
            assert!(words.contains("X-Forwarded-For"), "{text}: {words}");
            assert!(client(&[&format!("203.0.113.9, {text}, 10.1.1.1")]).is_err(), "{text}");
            assert!(client(&[&format!("{text}, 203.0.113.9")]).is_ok(), "{text}");
        }
    }

    #[test]
    fn no_header_says_nothing_of_who_is_behind_a_unix_socket() {
        let request = parse_request(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(client_address(&request, None, |_| true), Ok(None));
    }

    #[test]
    fn no_text_reads_as_another_address_than_it_says() {
        // Whatever is taken reads back as the same address: a seeded walk through short texts of likely letters.
        let letters = b"0123456789abf.:[]%, x";
        let mut seed = 0x2545_F491_4F6C_DD1D_u64;
        let mut taken = 0;
        for _ in 0..200_000 {
            let mut text = String::new();
            for _ in 0..(seed >> 32) % 12 + 3 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                text.push(char::from(letters[(seed >> 20) as usize % letters.len()]));
            }
            if let Some(address) = entry_address(&text) {
                taken += 1;
                assert_eq!(entry_address(&address.to_string()), Some(address), "{text}");
            }
        }
        assert!(taken > 20, "{taken}");
    }
}
