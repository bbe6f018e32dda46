//! Errors of system calls in the words that Go prints for them.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

use crate::symptom::Trouble;

/// Returns the system's words, as Go prints them.
pub(crate) fn words(error: &io::Error) -> String {
    let known = match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => "connection refused",
        Some(Errno::CONNRESET) => "connection reset by peer",
        Some(Errno::CONNABORTED) => "software caused connection abort",
        Some(Errno::PIPE) => "broken pipe",
        Some(Errno::NETUNREACH) => "network is unreachable",
        Some(Errno::HOSTUNREACH) => "no route to host",
        Some(Errno::ACCESS) => "permission denied",
        Some(Errno::PERM) => "operation not permitted",
        Some(Errno::INVAL) => "invalid argument",
        Some(Errno::TIMEDOUT) => "connection timed out",
        Some(Errno::MFILE) => "too many open files",
        Some(Errno::NFILE) => "too many open files in system",
        Some(Errno::ADDRNOTAVAIL) => "cannot assign requested address",
        Some(Errno::AFNOSUPPORT) => "address family not supported by protocol",
        _ => return error.to_string(),
    };
    known.to_owned()
}

/// Returns the trouble where the call itself was forbidden or had no descriptor left; `text` is how Go would say it.
pub(crate) fn denied(error: &io::Error, text: &str) -> Option<Trouble> {
    match Errno::from_io_error(error)? {
        Errno::PERM | Errno::ACCESS => Some(Trouble::SocketDenied { text: text.to_owned() }),
        Errno::MFILE | Errno::NFILE => Some(Trouble::TooManyFiles { text: text.to_owned() }),
        _ => None,
    }
}

/// Names what a failed attempt to connect met.
pub(crate) fn connecting(error: &io::Error, address: SocketAddr) -> Trouble {
    let text = format!("connect: {}", words(error));
    if let Some(trouble) = denied(error, &text) {
        return trouble;
    }
    let address = address.to_string();
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => Trouble::ConnectRefused { address },
        Some(Errno::TIMEDOUT) => Trouble::ConnectTimeout { address },
        Some(Errno::CONNRESET | Errno::CONNABORTED) => {
            Trouble::Reset { address: Some(address), handshake: false }
        }
        _ => Trouble::Unroutable { address, text },
    }
}
