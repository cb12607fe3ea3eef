//! Listening sockets: one per worker on the same port, shared by `SO_REUSEPORT`.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel may hold before they are accepted.
const BACKLOG: i32 = 4_096;

/// Binds `count` listeners to the same address; with port 0 the first picks the port and the others follow.
///
/// # Errors
/// The address does not resolve, or is in use by another process (also when that one shares it by `SO_REUSEPORT`).
pub(crate) fn bind(
    host: &str,
    port: u16,
    count: usize,
) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    let mut address = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, "host has no address"))?;
    if port != 0 {
        // A bind without SO_REUSEPORT fails when anybody else listens here; with it the two would share in silence.
        socket(address, false)?;
    }
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = socket(address, true)?;
        socket.listen(BACKLOG)?;
        let listener: std::net::TcpListener = socket.into();
        address = listener.local_addr()?;
        listeners.push(TcpListener::from_std(listener));
    }
    Ok((listeners, address))
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Raises the soft limit of open files to the hard limit; a refusal leaves it as it was.
pub(crate) fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Not being allowed to is no reason not to start: `tocsin doctor` reports the limit.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_listeners_share_the_port_the_first_one_got() {
        let (listeners, address) = bind("127.0.0.1", 0, 3).expect("bind");
        assert!(
            listeners
                .iter()
                .all(|l| l.local_addr().expect("address") == address)
        );
    }

    #[test]
    fn a_port_held_by_another_group_is_refused() {
        let (_held, address) = bind("127.0.0.1", 0, 1).expect("bind");
        let error = bind("127.0.0.1", address.port(), 1).expect_err("in use");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
