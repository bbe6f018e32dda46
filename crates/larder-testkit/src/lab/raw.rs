//! Servers that are no servers: what there is at a port when something is wrong with it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// What happens to a connection.
#[derive(Clone, Debug)]
pub enum Port {
    /// Takes it, reads what comes first, and resets it.
    ResetAfterHello,
    /// Takes it and closes it at once.
    CloseAtOnce,
    /// Takes it, reads, and never says a word.
    Silent,
    /// Reads what comes first, sends these bytes, and closes.
    Says(Vec<u8>),
    /// Never takes it: no packet is answered any more, as behind a firewall that drops.
    Full,
}

impl Port {
    /// A TLS alert: 70 is `protocol_version`, 40 `handshake_failure`.
    pub fn alert(code: u8) -> Self {
        Self::Says(vec![0x15, 3, 1, 0, 2, 2, code])
    }

    /// Begins at an address of this machine, until the process ends.
    ///
    /// # Panics
    ///
    /// When the port is taken or forbidden.
    pub fn start(self, address: SocketAddr) {
        if matches!(self, Self::Full) {
            fill(address);
            return;
        }
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let behaviour = Arc::new(self);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let behaviour = Arc::clone(&behaviour);
                std::thread::spawn(move || behaviour.treat(stream));
            }
        });
    }

    fn treat(&self, mut stream: TcpStream) {
        let mut buffer = [0; 16_384];
        if matches!(self, Self::CloseAtOnce) {
            return;
        }
        let _ = stream.read(&mut buffer);
        match self {
            Self::ResetAfterHello => {
                let _ = set_socket_linger(&stream, Some(Duration::ZERO));
            }
            Self::Silent => while matches!(stream.read(&mut buffer), Ok(1..)) {},
            Self::Says(bytes) => {
                let _ = stream.write_all(bytes);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
                let _ = stream.read(&mut buffer);
            }
            Self::CloseAtOnce | Self::Full => {}
        }
    }
}

/// Listens with the shortest queue there is, and fills it with connections of one's own.
fn fill(address: SocketAddr) {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&listener, &address).unwrap_or_else(|error| panic!("{address}: {error}"));
    listen(&listener, 0).expect("a bound socket can listen");
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        held.push(stream);
        assert!(held.len() < 64, "{address} takes connections without end");
    }
    std::mem::forget((listener, held));
}
