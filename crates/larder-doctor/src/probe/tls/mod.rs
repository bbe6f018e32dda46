//! Handshakes: the chain that the peer sends is kept whatever it is, and judged afterwards.
//!
//! The library would stop at the first certificate that it does not like, and the doctor would never see the rest.

mod authorities;
mod judge;
mod recorder;

pub use authorities::Authorities;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName};
use rustls::{AlertDescription, ClientConfig, NamedGroup};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use self::recorder::{Recorder, Seen};
use super::wire::{Heard, Io};
use super::{TlsProbe, errno};
use crate::symptom::Trouble;

/// A handshake is not waited for any longer, as in Go, and never so long that no time is left for a second look.
const MOST: Duration = Duration::from_secs(10);

/// How a handshake begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Greeting {
    /// As the go command does it today: with HTTP/2, and with a key share for the years to come, which fills two packets.
    AsGo,
    /// The same with HTTP/1.1 only.
    Http1,
    /// In one packet.
    Small,
}

/// What a handshake brought: what was seen, and the encrypted connection even where the chain is not trusted.
pub(crate) struct Shaken {
    pub(crate) probe: TlsProbe,
    pub(crate) stream: Option<Box<dyn Io>>,
    pub(crate) h2: bool,
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

/// Speaks TLS as the go command does: with this name, both protocols of HTTP, no client certificate.
pub(crate) async fn shake_hands(
    stream: Box<dyn Io>,
    heard: &Heard,
    host: &str,
    authorities: &Authorities,
    now: SystemTime,
    greeting: Greeting,
    deadline: Instant,
) -> Shaken {
    let begun = Instant::now();
    let mut probe = TlsProbe {
        authorities: Some(authorities.count()),
        unreadable_authorities: authorities.unreadable.clone(),
        ..TlsProbe::default()
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let seen = Arc::new(Mutex::new(Seen::default()));
    let chain = Vec::new();
    let (Some(name), Ok(config)) = (server_name(host), config(&provider, &seen, greeting)) else {
        probe.trouble = Some(Trouble::BadCertificate { text: format!("{host} is no name for TLS") });
        return Shaken { probe, stream: None, h2: false, chain };
    };
    let limit = MOST.min(deadline.saturating_duration_since(Instant::now()) * 3 / 4);
    let result = timeout(limit, TlsConnector::from(config).connect(name, stream)).await;
    probe.milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    probe.chain = seen.chain.iter().map(judge::describe).collect();
    probe.asks_client_certificate = seen.asks_client_certificate;
    let chain = seen.chain.clone();
    let stream = match result {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            probe.trouble = Some(trouble(&error, heard));
            return Shaken { probe, stream: None, h2: false, chain };
        }
        Err(_) => {
            probe.trouble = Some(Trouble::HandshakeTimeout);
            return Shaken { probe, stream: None, h2: false, chain };
        }
    };
    let (_, connection) = stream.get_ref();
    probe.version = connection.protocol_version().and_then(|version| version.as_str()).map(version_name);
    let h2 = connection.alpn_protocol() == Some(b"h2");
    probe.trouble = judge::judge(&seen.chain, host, authorities, now, &provider)
        .or_else(|| seen.bad_signature.clone().map(|text| Trouble::BadCertificate { text }));
    Shaken { probe, stream: Some(Box::new(stream)), h2, chain }
}

/// Reports whether a chain would be trusted with one more certificate, in either of its forms.
pub(crate) fn trusted_with(
    chain: &[CertificateDer<'static>],
    more: &[u8],
    host: &str,
    authorities: &Authorities,
    now: SystemTime,
) -> Option<bool> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut longer = chain.to_vec();
    match CertificateDer::from_pem_slice(more) {
        Ok(certificate) => longer.push(certificate),
        Err(_) => longer.push(CertificateDer::from(more.to_vec())),
    }
    Some(judge::judge(&longer, host, authorities, now, &provider).is_none())
}

fn config(
    provider: &Arc<CryptoProvider>,
    seen: &Arc<Mutex<Seen>>,
    greeting: Greeting,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut chosen = CryptoProvider::clone(provider);
    if greeting == Greeting::Small {
        let small = [NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1];
        chosen.kx_groups.retain(|group| small.contains(&group.name()));
    }
    let recorder = Arc::new(Recorder::new(Arc::clone(provider), Arc::clone(seen)));
    let mut config = ClientConfig::builder_with_provider(Arc::new(chosen))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as _)
        .with_client_cert_resolver(recorder);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if greeting != Greeting::AsGo {
        config.alpn_protocols.remove(0);
    }
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    if let Ok(address) = bare.parse::<std::net::IpAddr>() {
        return Some(ServerName::IpAddress(IpAddr::from(address)));
    }
    ServerName::try_from(bare.to_owned()).ok()
}

fn version_name(library: &str) -> String {
    library.replace('_', ".").replace("TLSv1.", "TLS 1.")
}

/// Names what went wrong on an encrypted connection, during the handshake and after it.
pub(crate) fn trouble(error: &io::Error, heard: &Heard) -> Trouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) => Trouble::TlsAlert { text: alert_words(*alert) },
        Some(rustls::Error::InvalidMessage(_)) => {
            Trouble::NotTls { http: heard.bytes().starts_with(b"HTTP/") }
        }
        Some(rustls::Error::InvalidCertificate(reason)) => {
            Trouble::BadCertificate { text: format!("{reason:?}") }
        }
        Some(rustls::Error::PeerIncompatible(_)) => {
            Trouble::TlsAlert { text: "server selected unsupported protocol version".to_owned() }
        }
        Some(other) => Trouble::TlsAlert { text: other.to_string() },
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => Trouble::ClosedEarly { handshake: true },
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Trouble::Reset { address: None, handshake: true }
            }
            _ => errno::denied(error, &errno::words(error))
                .unwrap_or_else(|| Trouble::TlsAlert { text: errno::words(error) }),
        },
    }
}

/// Returns an alert in Go's words: what follows `remote error: tls: `.
fn alert_words(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let words = match alert {
        Alert::UnexpectedMessage => "unexpected message",
        Alert::BadRecordMac => "bad record MAC",
        Alert::RecordOverflow => "record overflow",
        Alert::HandshakeFailure => "handshake failure",
        Alert::BadCertificate => "bad certificate",
        Alert::UnsupportedCertificate => "unsupported certificate",
        Alert::CertificateRevoked => "revoked certificate",
        Alert::CertificateExpired => "expired certificate",
        Alert::CertificateUnknown => "unknown certificate",
        Alert::IllegalParameter => "illegal parameter",
        Alert::UnknownCA => "unknown certificate authority",
        Alert::AccessDenied => "access denied",
        Alert::DecodeError => "error decoding message",
        Alert::DecryptError => "error decrypting message",
        Alert::ProtocolVersion => "protocol version not supported",
        Alert::InsufficientSecurity => "insufficient security level",
        Alert::InternalError => "internal error",
        Alert::InappropriateFallback => "inappropriate fallback",
        Alert::MissingExtension => "missing extension",
        Alert::UnsupportedExtension => "unsupported extension",
        Alert::UnrecognisedName => "unrecognized name",
        Alert::CertificateRequired => "certificate required",
        Alert::NoApplicationProtocol => "no application protocol",
        other => return format!("alert({})", u8::from(other)),
    };
    words.to_owned()
}
