//! Opening a connection the way the go command would: name, address, forward proxy, TLS.

use std::time::SystemTime;

use larder_upstream::{ForwardProxy, ForwardProxySettings};
use tokio::time::Instant;
use url::Url;

use super::dns::{self, ResolverConfig};
use super::tls::{self, Authorities, Greeting};
use super::wire::{Heard, Io, Listening};
use super::{HostProbe, forward_proxy, tcp};
use crate::System;
use crate::symptom::Trouble;

/// How this machine reaches others, read once for all connections.
#[derive(Debug)]
pub struct Network {
    /// How names are looked up.
    pub resolver: ResolverConfig,
    /// Who may sign certificates.
    pub authorities: Authorities,
    /// Who stands between.
    pub forward_proxy: ForwardProxy,
    /// Whether this is a CGI program, where a client's header could set `HTTP_PROXY`: Go refuses to use it there.
    is_cgi: bool,
    now: SystemTime,
    begun: Instant,
}

impl Network {
    /// Reads what decides it. Call this inside of a runtime.
    #[must_use]
    pub fn read(system: &System) -> Self {
        let either = |upper: &str, lower: &str| {
            system.variable(upper).or_else(|| system.variable(lower)).unwrap_or_default().to_owned()
        };
        let settings = ForwardProxySettings {
            http: either("HTTP_PROXY", "http_proxy"),
            https: either("HTTPS_PROXY", "https_proxy"),
            none: either("NO_PROXY", "no_proxy"),
        };
        Self {
            resolver: ResolverConfig::read(system),
            authorities: Authorities::read(system),
            forward_proxy: ForwardProxy::new(&settings),
            is_cgi: system.variable("REQUEST_METHOD").is_some(),
            now: system.now,
            begun: Instant::now(),
        }
    }

    /// Returns the wall clock's time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.now + self.begun.elapsed()
    }
}

/// Where to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// What for: see [`HostProbe::role`].
    pub role: String,
    /// `https` or `http`.
    pub scheme: String,
    /// The name or address, the latter without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// Makes one of a URL; none for other schemes.
    #[must_use]
    pub fn of(role: impl Into<String>, url: &Url) -> Option<Self> {
        let scheme = url.scheme();
        matches!(scheme, "http" | "https").then_some(())?;
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self { role: role.into(), scheme: scheme.to_owned(), host, port: url.port_or_known_default()? })
    }

    /// Returns `host:port`.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn url(&self) -> Option<Url> {
        Url::parse(&format!("{}://{}/", self.scheme, self.authority())).ok()
    }
}

/// What opening a connection brought.
#[derive(Debug)]
pub struct Opened {
    /// What was measured.
    pub probe: HostProbe,
    /// The connection, if the go command would have one.
    pub wire: Option<Wire>,
}

/// A connection to speak HTTP over.
#[derive(Debug)]
pub struct Wire {
    /// The bytes, encrypted where the scheme says so.
    pub io: Box<dyn Io>,
    /// Whether HTTP/2 was agreed on.
    pub h2: bool,
    /// Whether the peer is a forward proxy for plain http: the request line holds the whole URL then.
    pub absolute_form: bool,
    /// The value for `Proxy-Authorization`, in that case; a secret.
    pub proxy_authorization: Option<String>,
    /// The first bytes that came over the socket.
    pub heard: Heard,
    /// Whether all of it is encrypted.
    pub encrypted: bool,
}

impl Wire {
    /// Names what went wrong while an answer was waited for, in the vocabulary of symptoms.
    ///
    /// For errors of the HTTP library: give the [`std::io::Error`] at the bottom of its chain, if there is one.
    #[must_use]
    pub fn trouble(error: Option<&std::io::Error>, encrypted: bool, heard: &Heard) -> Trouble {
        let first = heard.bytes();
        if !encrypted && !first.is_empty() && !first.starts_with(b"HTTP/") {
            let start: String = first
                .iter()
                .take(12)
                .flat_map(|byte| std::ascii::escape_default(*byte))
                .map(char::from)
                .collect();
            return Trouble::NotHttp { text: format!("malformed HTTP response \"{start}\"") };
        }
        match error {
            Some(error) if encrypted => match tls::trouble(error, heard) {
                Trouble::ClosedEarly { .. } => Trouble::ClosedEarly { handshake: false },
                Trouble::Reset { address, .. } => Trouble::Reset { address, handshake: false },
                other => other,
            },
            Some(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                Trouble::Reset { address: None, handshake: false }
            }
            _ => Trouble::ClosedEarly { handshake: false },
        }
    }
}

/// Opens a connection as the go command would, and tells what each layer did.
pub async fn open(network: &Network, target: &Target, deadline: Instant) -> Opened {
    let mut probe = HostProbe {
        role: target.role.clone(),
        scheme: target.scheme.clone(),
        host: target.host.clone(),
        port: target.port,
        ..HostProbe::default()
    };
    let via = target.url().and_then(|url| network.forward_proxy.for_url(&url).cloned());
    let opened = match &via {
        None => straight(network, target, &mut probe, deadline).await,
        Some(_) if network.is_cgi && target.scheme == "http" => Err(refused_in_cgi()),
        Some(proxy) => {
            probe.forward_proxy = Some(without_login(proxy));
            through(network, target, proxy, &mut probe, deadline).await
        }
    };
    match opened {
        Ok(wire) => Opened { probe, wire: Some(wire) },
        Err(trouble) => {
            probe.trouble = Some(trouble);
            Opened { probe, wire: None }
        }
    }
}

/// Go's own refusal.
fn refused_in_cgi() -> Trouble {
    let text = "refusing to use HTTP_PROXY value in CGI environment".to_owned();
    Trouble::ForwardProxy { inner: Box::new(Trouble::BadAnswer { text }) }
}

fn without_login(proxy: &Url) -> String {
    let mut shown = proxy.clone();
    let _ = (shown.set_username(""), shown.set_password(None));
    shown.to_string().trim_end_matches('/').to_owned()
}

async fn straight(
    network: &Network,
    target: &Target,
    probe: &mut HostProbe,
    deadline: Instant,
) -> Result<Wire, Trouble> {
    let (io, heard) = reach(network, &target.host, target.port, probe, deadline).await?;
    if target.scheme == "https" {
        return secure(network, &target.host, io, heard, probe, deadline).await;
    }
    Ok(Wire { io, h2: false, absolute_form: false, proxy_authorization: None, heard, encrypted: false })
}

async fn through(
    network: &Network,
    target: &Target,
    proxy: &Url,
    probe: &mut HostProbe,
    deadline: Instant,
) -> Result<Wire, Trouble> {
    let wrapped = |inner| Trouble::ForwardProxy { inner: Box::new(inner) };
    let host = proxy.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let usual = if proxy.scheme().starts_with("socks5") { 1080 } else { 80 };
    let port = proxy.port_or_known_default().unwrap_or(usual);
    let (mut io, mut heard) = reach(network, host, port, probe, deadline).await.map_err(wrapped)?;
    if proxy.scheme() == "https" {
        let shaken =
            tls::shake_hands(io, &heard, host, &network.authorities, network.now(), Greeting::AsGo, deadline)
                .await;
        if let Some(trouble) = shaken.probe.trouble.clone() {
            probe.tls = Some(shaken.probe);
            return Err(wrapped(trouble));
        }
        let stream = shaken.stream.ok_or_else(|| wrapped(Trouble::HandshakeTimeout))?;
        let (listening, inner) = Listening::new(stream);
        (io, heard) = (Box::new(listening), inner);
    }
    let login = forward_proxy::authorization(proxy);
    if proxy.scheme().starts_with("socks5") {
        forward_proxy::socks(&mut io, &target.host, target.port, proxy, deadline).await?;
    } else if target.scheme == "http" {
        return Ok(Wire {
            io,
            h2: false,
            absolute_form: true,
            proxy_authorization: login,
            heard,
            encrypted: false,
        });
    } else {
        let connected =
            forward_proxy::connect(&mut io, &target.authority(), login.as_deref(), deadline).await;
        probe.connect = connected.said;
        if let Some(trouble) = connected.trouble {
            return Err(trouble);
        }
    }
    // What the forward proxy said is not what the target says.
    let (listening, heard) = Listening::new(io);
    let io: Box<dyn Io> = Box::new(listening);
    if target.scheme == "https" {
        return secure(network, &target.host, io, heard, probe, deadline).await;
    }
    Ok(Wire { io, h2: false, absolute_form: false, proxy_authorization: None, heard, encrypted: false })
}

/// Looks a name up and connects.
async fn reach(
    network: &Network,
    host: &str,
    port: u16,
    probe: &mut HostProbe,
    deadline: Instant,
) -> Result<(Box<dyn Io>, Heard), Trouble> {
    let found = dns::look_up(&network.resolver, host, deadline).await;
    probe.dns = found.dns;
    let addresses = found.result?;
    let (attempts, stream) = tcp::connect(&addresses, port, deadline).await;
    probe.tcp = attempts;
    let (listening, heard) = Listening::new(stream?);
    Ok((Box::new(listening), heard))
}

async fn secure(
    network: &Network,
    host: &str,
    io: Box<dyn Io>,
    heard: Heard,
    probe: &mut HostProbe,
    deadline: Instant,
) -> Result<Wire, Trouble> {
    let shaken =
        tls::shake_hands(io, &heard, host, &network.authorities, network.now(), Greeting::AsGo, deadline)
            .await;
    let trouble = shaken.probe.trouble.clone();
    probe.tls = Some(shaken.probe);
    match (trouble, shaken.stream) {
        (Some(trouble), _) => Err(trouble),
        (None, None) => Err(Trouble::HandshakeTimeout),
        (None, Some(io)) => Ok(Wire {
            io,
            h2: shaken.h2,
            absolute_form: false,
            proxy_authorization: None,
            heard,
            encrypted: true,
        }),
    }
}

#[cfg(test)]
pub(super) mod tests;
