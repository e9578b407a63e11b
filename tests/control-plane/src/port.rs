//! A free port that is likely to stay free, also while the API server is down in the middle of a test.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::Result;
use crate::random;

/// Below the ports that the kernel gives to outgoing connections (from 32768 on Linux, 49152 elsewhere): one of those
/// could be taken by a client while a restart leaves it free for a moment.
const LOWEST: u16 = 20_000;
const END: u16 = 32_768;

/// A port of 127.0.0.1 nobody listens on. Chosen at random, so that two control planes started at the same time
/// seldom meet; when they do, the one that comes second finds its server ended and tries another port.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn choose() -> Result<u16> {
    loop {
        let port = random::between(LOWEST, END)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_port_is_outside_those_of_outgoing_connections() {
        for _ in 0..50 {
            assert!((LOWEST..END).contains(&choose().unwrap()));
        }
    }
}
