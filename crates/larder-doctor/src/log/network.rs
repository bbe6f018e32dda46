//! What Go says about names, sockets, TLS and forward proxies, on Linux, macOS and Windows.

use crate::symptom::Trouble;

/// What is known about the request whose failure is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Request {
    /// Whether TLS is spoken.
    pub(super) https: bool,
    /// Whether the answer had begun to come.
    pub(super) body: bool,
}

/// Reads the words after `Get "U": `, or a whole line whose beginning is lost.
pub(super) fn network(text: &str, request: Request) -> Option<Trouble> {
    if let Some((_, inner)) =
        text.split_once("proxyconnect tcp: ").or_else(|| text.split_once("socks connect "))
    {
        let inner = network(inner, Request { https: inner.contains("tls"), body: false }).unwrap_or_default();
        return Some(Trouble::ForwardProxy { inner: Box::new(inner) });
    }
    look_up(text)
        .or_else(|| certificate(text))
        .or_else(|| tls(text))
        .or_else(|| dial(text))
        .or_else(|| stream(text, request))
}

fn any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// `lookup HOST on SERVER: CAUSE`
fn look_up(text: &str) -> Option<Trouble> {
    let mut from = 0;
    while let Some(found) = text[from..].find("lookup ") {
        let at = from + found;
        from = at + 7;
        let before = text[..at].trim_end();
        if !(before.is_empty() || before.ends_with(':') || before.ends_with(['"', '(', '>'])) {
            continue;
        }
        let rest = &text[from..];
        let end = rest.find([' ', ':']).unwrap_or(rest.len());
        let (host, rest) = (rest[..end].trim_matches('"'), &rest[end..]);
        let (server, cause) = match rest.strip_prefix(" on ") {
            Some(rest) => {
                let (server, cause) = rest.split_once(": ").unwrap_or((rest, ""));
                (Some(server.to_owned()), cause)
            }
            None => (None, rest.strip_prefix(": ").unwrap_or("")),
        };
        if !host.is_empty()
            && let Some(trouble) = resolver(host, server, cause)
        {
            return Some(trouble);
        }
    }
    None
}

fn resolver(host: &str, server: Option<String>, cause: &str) -> Option<Trouble> {
    const ABSENT: &[&str] = &[
        "no such host",
        "No such host",
        "not known",
        "no data of the requested type",
        "No address associated",
        "name does not exist",
        "\u{4e0d}\u{77e5}\u{9053}\u{8fd9}\u{6837}\u{7684}\u{4e3b}\u{673a}",
    ];
    const BROKEN: &[&str] = &[
        "server misbehaving",
        "emporary failure",
        "temporary error during hostname",
        "no answer from",
        "cannot unmarshal DNS",
        "device or resource busy",
        "invalid DNS response",
        "server failure",
    ];
    let host = host.to_owned();
    if cause.contains("too many open files") {
        return Some(Trouble::TooManyFiles { text: cause.to_owned() });
    }
    if any(cause, &["operation not permitted", "permission denied", "forbidden by its access permissions"]) {
        return Some(Trouble::SocketDenied { text: cause.to_owned() });
    }
    if any(cause, ABSENT) {
        return Some(Trouble::NoSuchHost { host, server });
    }
    if any(cause, REFUSED) || any(cause, UNROUTABLE) || any(cause, RESET) {
        return Some(Trouble::ResolverUnreachable { host, server, text: cause.to_owned() });
    }
    if any(cause, BROKEN) {
        return Some(Trouble::ResolverError { host, server });
    }
    if any(cause, TIMED_OUT) || any(cause, &["deadline exceeded", "operation was canceled", "timeout"]) {
        return Some(Trouble::ResolverTimeout { host, server });
    }
    cause.contains("getaddrinfow:").then_some(Trouble::NoSuchHost { host, server })
}

const TIMED_OUT: &[&str] = &[
    "i/o timeout",
    "timed out",
    "did not properly respond",
    "\u{6ca1}\u{6709}\u{6b63}\u{786e}\u{7b54}\u{590d}",
    "\u{6ca1}\u{6709}\u{53cd}\u{5e94}",
    "\u{6ca1}\u{6709}\u{6b63}\u{786e}\u{54cd}\u{5e94}",
    "\u{672a}\u{80fd}\u{54cd}\u{5e94}",
];
const REFUSED: &[&str] = &[
    "connection refused",
    "actively refused",
    "\u{79ef}\u{6781}\u{62d2}\u{7edd}",
    "verweigerte die Verbindung",
];
const UNROUTABLE: &[&str] = &[
    "network is unreachable",
    "no route to host",
    "host is down",
    "network is down",
    "host is unreachable",
    "unreachable network",
    "unreachable host",
    "invalid argument",
    "assign requested address",
    "address family not supported",
    "\u{65e0}\u{6cd5}\u{8fde}\u{63a5}\u{7684}\u{7f51}\u{7edc}",
];
const RESET: &[&str] = &[
    "connection reset",
    "forcibly closed",
    "aborted by the software",
    "broken pipe",
    "software caused connection abort",
    "\u{5f3a}\u{8feb}\u{5173}\u{95ed}",
    "\u{4e2d}\u{6b62}\u{4e86}\u{4e00}\u{4e2a}\u{5df2}\u{5efa}\u{7acb}\u{7684}\u{8fde}\u{63a5}",
];
const DENIED: &[&str] = &[
    "operation not permitted",
    "permission denied",
    "forbidden by its access permissions",
    "\u{8bbf}\u{95ee}\u{6743}\u{9650}\u{4e0d}\u{5141}\u{8bb8}",
];

/// `dial tcp ADDRESS: CAUSE`
fn dial(text: &str) -> Option<Trouble> {
    let at = text.find("dial tcp").or_else(|| text.find("dial udp"))?;
    let rest = text[at + 8..].trim_start_matches(['4', '6']);
    let (address, cause) = rest.split_once(": ").unwrap_or(("", rest));
    let address = address.trim().to_owned();
    if cause.contains("too many open files") {
        Some(Trouble::TooManyFiles { text: cause.to_owned() })
    } else if any(cause, DENIED) {
        Some(Trouble::SocketDenied { text: cause.to_owned() })
    } else if any(cause, REFUSED) {
        Some(Trouble::ConnectRefused { address })
    } else if any(cause, UNROUTABLE) {
        Some(Trouble::Unroutable { address, text: cause.to_owned() })
    } else if any(cause, TIMED_OUT) || any(cause, &["deadline exceeded", "operation was canceled"]) {
        Some(Trouble::ConnectTimeout { address })
    } else if any(cause, RESET) {
        Some(Trouble::Reset { address: Some(address), handshake: false })
    } else {
        None
    }
}

/// Complaints about certificates.
fn certificate(text: &str) -> Option<Trouble> {
    let at = text.find("x509: ").or_else(|| text.find("tls: failed to verify certificate: "))?;
    let words =
        text[at..].trim_start_matches("tls: failed to verify certificate: ").trim_start_matches("x509: ");
    let words = words.trim_end_matches([')', '"', ',', ' ']);
    let text = words.to_owned();
    if words.contains("too many open files") {
        return Some(Trouble::TooManyFiles { text });
    }
    if any(words, UNKNOWN_AUTHORITY) {
        return Some(Trouble::UnknownAuthority { text });
    }
    if let Some((_, rest)) = words.split_once("certificate is valid for ") {
        let (names, wanted) = rest.rsplit_once(", not ").unwrap_or((rest, ""));
        return Some(Trouble::WrongName { valid_for: names.to_owned(), wanted: first_word(wanted) });
    }
    if let Some((_, wanted)) = words.split_once("not valid for any names, but wanted to match ") {
        return Some(Trouble::WrongName { valid_for: String::new(), wanted: first_word(wanted) });
    }
    if let Some((_, wanted)) = words.split_once("cannot validate certificate for ") {
        return Some(Trouble::WrongName { valid_for: String::new(), wanted: first_word(wanted) });
    }
    if words.contains("certificate name does not match input") {
        let valid_for = words.split('"').nth(1).unwrap_or("").to_owned();
        return Some(Trouble::WrongName { valid_for, wanted: String::new() });
    }
    if words.contains("legacy Common Name field") {
        return Some(Trouble::CommonNameOnly);
    }
    if any(words, &["has expired or is not yet valid", "certificate is expired", "certificate has expired"]) {
        return Some(validity(words));
    }
    Some(Trouble::BadCertificate { text })
}

const UNKNOWN_AUTHORITY: &[&str] = &[
    "signed by unknown authority",
    "certificate is not trusted",
    "not trusted by the trust provider",
    "failed to load system roots",
    "system root pool is not available",
    "self-signed certificate",
    "unable to get local issuer",
];

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or("").trim_end_matches(['"', ')', ',', ';']).to_owned()
}

/// `certificate has expired or is not yet valid: current time T is after T2`
fn validity(words: &str) -> Trouble {
    let rest = words.split_once("current time ").map_or("", |(_, rest)| rest);
    let (now, after, limit) = match (rest.split_once(" is after "), rest.split_once(" is before ")) {
        (Some((now, limit)), _) => (now, true, limit),
        (None, Some((now, limit))) => (now, false, limit),
        // macOS says `certificate is expired` for both and names no time.
        (None, None) => ("", true, ""),
    };
    Trouble::NotInValidity { now: now.to_owned(), limit: first_word(limit), after }
}

/// What TLS itself says.
fn tls(text: &str) -> Option<Trouble> {
    if text.contains("TLS handshake timeout") {
        return Some(Trouble::HandshakeTimeout);
    }
    if any(text, &["server gave HTTP response to HTTPS client"]) {
        return Some(Trouble::NotTls { http: true });
    }
    if any(text, &["first record does not look like a TLS handshake", "oversized record received"]) {
        return Some(Trouble::NotTls { http: false });
    }
    if let Some(at) = text.find("malformed HTTP ") {
        return Some(Trouble::NotHttp { text: text[at..].to_owned() });
    }
    for mark in ["remote error: tls: ", "local error: tls: ", "tls: "] {
        if let Some((_, words)) = text.split_once(mark) {
            return Some(Trouble::TlsAlert { text: words.trim_end().to_owned() });
        }
    }
    None
}

/// What happens to a connection after it stood.
fn stream(text: &str, request: Request) -> Option<Trouble> {
    let bare = text.trim_end().trim_end_matches(['"', ')', ',', '\'', '.']).trim_end();
    let address = peer(text);
    if any(text, RESET) {
        return Some(if request.body {
            Trouble::BodyBroken { text: text.to_owned() }
        } else {
            Trouble::Reset { address, handshake: request.https }
        });
    }
    if any(text, &["stream error: stream ID", "http2: ", "connection error: ", "GOAWAY", "INTERNAL_ERROR"]) {
        return Some(Trouble::BodyBroken { text: text.to_owned() });
    }
    if bare == "unexpected EOF" || bare.ends_with(": unexpected EOF") || bare.ends_with(" unexpected EOF") {
        return Some(Trouble::BodyBroken { text: "unexpected EOF".to_owned() });
    }
    if bare == "EOF"
        || bare.ends_with(": EOF")
        || any(
            text,
            &["server closed idle connection", "server closed connection", "transport connection broken"],
        )
    {
        return Some(if request.body {
            Trouble::BodyBroken { text: bare.to_owned() }
        } else {
            Trouble::ClosedEarly { handshake: request.https }
        });
    }
    let socket = any(text, &["read tcp ", "write tcp "]);
    if any(
        text,
        &["awaiting response headers", "awaiting headers", "context deadline exceeded", "Client.Timeout"],
    ) || (socket && (any(text, TIMED_OUT) || any(text, UNROUTABLE)))
    {
        return Some(Trouble::Stalled { seconds: 0, received: 0 });
    }
    if any(
        text,
        &["connect: permission denied", "socket: permission denied", "socket: operation not permitted"],
    ) {
        return Some(Trouble::SocketDenied { text: text.to_owned() });
    }
    // Beginnings get lost: these endings say enough by themselves.
    if text.contains("connect: connection refused") || text.contains("actively refused it") {
        let address = text.split(": connect").next().unwrap_or("").rsplit(' ').next().unwrap_or("");
        return Some(Trouble::ConnectRefused { address: address.to_owned() });
    }
    if any(text, &["connect: network is unreachable", "connect: no route to host"]) {
        return Some(Trouble::Unroutable { address: String::new(), text: text.to_owned() });
    }
    if bare.ends_with(": no such host") {
        let host = text.split(" on ").next().unwrap_or("").rsplit(' ').next().unwrap_or("");
        return Some(Trouble::NoSuchHost { host: host.trim_end_matches(':').to_owned(), server: None });
    }
    None
}

/// Returns B of `read tcp A->B: `.
fn peer(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("->")?;
    let (peer, _) = rest.split_once(": ")?;
    (!peer.contains(' ')).then(|| peer.to_owned())
}

/// Returns the code of a bare status text, which is how Go words a refused CONNECT.
pub(super) fn bare_status(text: &str) -> Option<Option<u16>> {
    const STATUSES: &[(u16, &str)] = &[
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (402, "Payment Required"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (407, "Proxy Authentication Required"),
        (408, "Request Timeout"),
        (410, "Gone"),
        (429, "Too Many Requests"),
        (451, "Unavailable For Legal Reasons"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
        (504, "Gateway Time-out"),
        (505, "HTTP Version Not Supported"),
        (511, "Network Authentication Required"),
    ];
    let bare = text.trim().trim_end_matches(['"', ')', ',', '\'']);
    if let Some((code, _)) = STATUSES.iter().find(|(_, words)| words.eq_ignore_ascii_case(bare)) {
        return Some(Some(*code));
    }
    let wordy = bare.len() < 60
        && bare.starts_with(|char: char| char.is_ascii_uppercase())
        && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -_()'.".contains(&byte));
    (wordy && bare != "EOF").then_some(None)
}
