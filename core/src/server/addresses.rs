//! Where connections come from: how many each address has, and for whom a trusted proxy speaks.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::wire::handshake::{Refusal, Request, client_address};

use super::shard::Shard;
use super::transport::Transport;

/// An address as it is counted: an IPv4 address, or the /64 of an IPv6 one, which is what one user gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AddressKey {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl AddressKey {
    fn of(address: IpAddr) -> AddressKey {
        match address.to_canonical() {
            IpAddr::V4(address) => AddressKey::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                AddressKey::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// How many connections each address has.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    counts: HashMap<AddressKey, Count>,
}

#[derive(Debug, Default)]
struct Count {
    connections: u64,
    /// When the host was told last that it has too many, in ticks.
    told_ms: Option<u64>,
}

impl Addresses {
    /// Counts one more connection. Gives how many there are with it.
    fn add(&mut self, key: AddressKey) -> u64 {
        let count = self.counts.entry(key).or_default();
        count.connections += 1;
        count.connections
    }

    pub(super) fn subtract(&mut self, key: AddressKey) {
        let Some(count) = self.counts.get_mut(&key) else { return };
        count.connections -= 1;
        if count.connections == 0 && count.told_ms.is_none() {
            self.counts.remove(&key);
        }
    }

    /// Whether the host is told that this address has too many: once a minute.
    pub(super) fn tells(&mut self, key: AddressKey, now_ms: u64) -> bool {
        let Some(count) = self.counts.get_mut(&key) else { return true };
        let tells = count.told_ms.is_none_or(|told_ms| now_ms - told_ms >= TELL_AGAIN_MS);
        if tells {
            count.told_ms = Some(now_ms);
        }
        tells
    }

    /// Forgets who is gone, when that has been told for a minute.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        self.counts.retain(|_, count| {
            count.told_ms = count.told_ms.filter(|told_ms| now_ms - told_ms < TELL_AGAIN_MS);
            count.connections > 0 || count.told_ms.is_some()
        });
    }
}

impl Shard {
    /// Counts a new connection by its address. Gives whether that has too many.
    pub(super) fn count(&self, address: IpAddr) -> (AddressKey, bool) {
        let key = AddressKey::of(address);
        let max = self.settings.max_address_connection_count;
        (key, self.shards.census.addresses().add(key) > max && max > 0)
    }

    /// Whether the peer is a proxy that is believed about whom it speaks for. `address`: the peer's, `None` for a
    /// Unix socket.
    pub(super) fn is_proxy(&self, transport: &Transport, address: Option<IpAddr>) -> bool {
        let trusted = &self.settings.trusted;
        match address {
            Some(address) => trusted.includes(address),
            // One of a pair has no path: the host has made it, and speaks for nobody but itself.
            None => trusted.unix && transport.is_named_unix(),
        }
    }

    /// Notes for whom a trusted proxy asks, and counts the connection as that client's.
    ///
    /// # Errors
    /// 400: the proxy's word is no address. 429: the client has too many connections.
    pub(super) fn note_client(&mut self, slot: u32, request: Request) -> Result<Request, Refusal> {
        let connection = &mut self.connections[slot as usize];
        let peer = connection.transport.peer_addr().ok();
        let trusted = &self.settings.trusted;
        let client = client_address(&request, peer, |address| trusted.includes(address))?;
        connection.client = client.filter(|_| client != peer).map(Box::new);
        let Some(address) = client.as_ref().map(SocketAddr::ip) else { return Ok(request) };
        let (key, has_too_many) = self.count(address);
        self.connections[slot as usize].counted = Some(key);
        match has_too_many {
            true => Err(self.full(429)),
            false => Ok(request),
        }
    }
}

const TELL_AGAIN_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_counted_by_its_slash_64_and_an_ipv4_one_alone() {
        let key = |text: &str| AddressKey::of(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
    }

    #[test]
    fn too_many_is_told_once_a_minute_for_each_address_and_then_forgotten() {
        let mut addresses = Addresses::default();
        let keys = [AddressKey::V4([1; 4]), AddressKey::V4([2; 4])];
        assert_eq!(keys.map(|key| addresses.add(key)), [1, 1]);
        assert_eq!(
            [0, 59_999, 60_000, 60_001].map(|now_ms| addresses.tells(keys[0], now_ms)),
            [true, false, true, false]
        );
        assert!(addresses.tells(keys[1], 60_001));
        // Who goes and comes again is told of no sooner.
        addresses.subtract(keys[0]);
        addresses.sweep(60_002);
        assert_eq!(addresses.add(keys[0]), 1);
        assert!(!addresses.tells(keys[0], 60_003));
        keys.into_iter().for_each(|key| addresses.subtract(key));
        addresses.sweep(200_000);
        assert!(addresses.counts.is_empty());
    }
}
