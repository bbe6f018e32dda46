//! Forward proxies, as companies have them between their people and the world.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// How a forward proxy treats requests.
#[derive(Clone, Debug)]
pub enum ForwardProxy {
    /// Connects to whatever is asked for.
    Open,
    /// Connects to whom this name and password is given: `user:password`.
    Login(String),
    /// Refuses with this status line, such as `403 Forbidden`.
    Refuses(String),
}

impl ForwardProxy {
    /// Begins at an address of this machine, until the process ends.
    ///
    /// # Panics
    ///
    /// When the port is taken or forbidden.
    pub fn start(self, address: SocketAddr) {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let behaviour = Arc::new(self);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let behaviour = Arc::clone(&behaviour);
                std::thread::spawn(move || {
                    let _ = behaviour.treat(stream);
                });
            }
        });
    }

    fn treat(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if client.read(&mut byte)? == 0 || head.len() > 65_536 {
                return Ok(());
            }
            head.push(byte[0]);
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let (status, more) = match self {
            Self::Open => ("", ""),
            Self::Login(account) => {
                let wanted = format!("Proxy-Authorization: Basic {}", base64(account));
                if text.lines().any(|line| line == wanted) {
                    ("", "")
                } else {
                    ("407 Proxy Authentication Required", "Proxy-Authenticate: Basic realm=\"corp\"\r\n")
                }
            }
            Self::Refuses(status) => (status.as_str(), ""),
        };
        if !status.is_empty() {
            client.write_all(
                format!("HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            )?;
            return client.shutdown(Shutdown::Write);
        }
        let mut words = text.split_whitespace();
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let connect = method == "CONNECT";
        let authority =
            target.strip_prefix("http://").map_or(target, |rest| rest.split('/').next().unwrap_or(rest));
        let authority =
            if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        let Ok(mut server) = TcpStream::connect(&authority) else {
            client
                .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            return client.shutdown(Shutdown::Write);
        };
        if connect {
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        } else {
            server.write_all(&head)?;
        }
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut server, &mut client);
        client.shutdown(Shutdown::Write)
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
