//! Ports for what tests start: single ones, and ranges for a validator, which wants two dozen and names them itself.

use std::net::{TcpListener, UdpSocket};

/// Ports a range has: a validator's RPC, WebSocket, faucet and gossip, and what it shares out by itself (32 at most).
const RANGE: u16 = 64;

/// A port that nobody listens on just now.
///
/// # Panics
/// Where the system has no port left.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system picks a port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Neighbouring ports that nobody listens on, kept from other tests of this machine for as long as this lives.
///
/// The first is bound and stays so: ranges begin at multiples of their length, so whoever wants the same one fails at it.
#[derive(Debug)]
pub struct PortRange {
    first: u16,
    _kept: TcpListener,
}

impl PortRange {
    /// A range around a port that the system picks.
    #[must_use]
    pub fn reserve() -> Self {
        loop {
            let first = free_port() / RANGE * RANGE;
            if let Some(range) = Self::beginning_at(first) {
                return range;
            }
        }
    }

    fn beginning_at(first: u16) -> Option<Self> {
        let last = first.checked_add(RANGE - 1)?;
        let kept = TcpListener::bind(("127.0.0.1", first)).ok()?;
        let free = |port| TcpListener::bind(("0.0.0.0", port)).is_ok() && UdpSocket::bind(("0.0.0.0", port)).is_ok();
        (first + 1..=last).all(free).then_some(Self { first, _kept: kept })
    }

    /// One of its ports, from 1; the first keeps the range.
    ///
    /// # Panics
    /// Where the range has no such port.
    #[must_use]
    pub fn port(&self, number: u16) -> u16 {
        assert!((1..RANGE).contains(&number), "a range has ports 1 to {}", RANGE - 1);
        self.first + number
    }

    /// From this one of its ports to its end, as a validator's command line takes it: the end is not in it.
    #[must_use]
    pub fn from(&self, number: u16) -> String {
        format!("{}-{}", self.port(number), self.first + RANGE - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ranges_have_no_port_in_common() {
        let ranges: Vec<_> = (0..8).map(|_| PortRange::reserve()).collect();
        let mut firsts: Vec<_> = ranges.iter().map(|range| range.first).collect();
        firsts.sort_unstable();
        assert!(firsts.windows(2).all(|pair| pair[1] - pair[0] >= RANGE), "{firsts:?}");
    }

    #[test]
    fn a_range_with_a_port_in_use_is_not_taken() {
        let first = PortRange::reserve().first;
        let _taken = UdpSocket::bind(("127.0.0.1", first + 7)).expect("it was free");
        assert!(PortRange::beginning_at(first).is_none());
    }
}
