//! Which texts Go's reader of URLs accepts, as far as a list of proxies asks.

use std::net::Ipv6Addr;

/// Why a text is no URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UrlFault {
    /// A control character.
    #[error("control character")]
    ControlCharacter,
    /// It starts with a colon.
    #[error("nothing before the colon")]
    EmptyScheme,
    /// Without a scheme, a colon before the first slash.
    #[error("colon in the first path element")]
    Colon,
    /// A `%` that is not followed by two hexadecimal digits, or one where it is not allowed.
    #[error("invalid percent-encoding")]
    Escape,
    /// A character that host names do not hold.
    #[error("invalid character in the host name")]
    HostCharacter,
    /// Brackets around something that is no IPv6 address.
    #[error("invalid IP address in brackets")]
    IpLiteral,
    /// A port that is no number.
    #[error("invalid port")]
    Port,
    /// A character that user name and password must encode.
    #[error("invalid user name or password")]
    UserInfo,
}

/// What a list of proxies needs to know of a URL.
pub(super) struct UrlParts {
    /// In lower case; empty if there is none.
    pub(super) scheme: String,
    /// Reports whether it is a scheme, `//` and a path, and nothing else.
    pub(super) is_path_only: bool,
}

/// Where an escape stands, which decides what it may stand for.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    Host,
    Zone,
    Elsewhere,
}

pub(super) fn parse(url: &str) -> Result<UrlParts, UrlFault> {
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    if url.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(UrlFault::ControlCharacter);
    }
    let (scheme, rest) = split_scheme(url)?;
    let scheme = scheme.to_ascii_lowercase();
    let (rest, has_query) = rest.split_once('?').map_or((rest, false), |(rest, _)| (rest, true));
    let parts = |is_path_only| Ok(UrlParts { scheme: scheme.clone(), is_path_only });
    if !rest.starts_with('/') {
        if scheme.is_empty() && url != "*" && rest.split('/').next().is_some_and(|first| first.contains(':'))
        {
            return Err(UrlFault::Colon);
        }
        // With a scheme, what follows is opaque and not looked into.
        if scheme.is_empty() {
            check_escapes(rest, Place::Elsewhere)?;
        }
        check_escapes(fragment, Place::Elsewhere)?;
        return parts(false);
    }
    let mut path = rest;
    let mut authority = None;
    if let Some(after) = rest.strip_prefix("//").filter(|_| !scheme.is_empty() || !rest.starts_with("///")) {
        let (text, after) = after.split_at(after.find('/').unwrap_or(after.len()));
        check_authority(&scheme, text)?;
        (authority, path) = (Some(text), after);
    }
    check_escapes(path, Place::Elsewhere)?;
    check_escapes(fragment, Place::Elsewhere)?;
    parts(authority == Some("") && !has_query && fragment.is_empty())
}

fn split_scheme(url: &str) -> Result<(&str, &str), UrlFault> {
    let end = url.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
    match end {
        Some(0) if url.starts_with(':') => Err(UrlFault::EmptyScheme),
        Some(at) if url[at..].starts_with(':') && url.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Ok((&url[..at], &url[at + 1..]))
        }
        _ => Ok(("", url)),
    }
}

fn check_authority(scheme: &str, authority: &str) -> Result<(), UrlFault> {
    let (user_info, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    check_host(scheme, host)?;
    let Some(user_info) = user_info else { return Ok(()) };
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user_info.chars().all(is_allowed) {
        return Err(UrlFault::UserInfo);
    }
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    check_escapes(user, Place::Elsewhere)?;
    check_escapes(password, Place::Elsewhere)
}

fn check_host(scheme: &str, host: &str) -> Result<(), UrlFault> {
    if host.rfind('[').is_some_and(|at| at > 0) {
        return Err(UrlFault::IpLiteral);
    }
    if let Some(literal) = host.strip_prefix('[') {
        let (address, port) = literal.rsplit_once(']').ok_or(UrlFault::IpLiteral)?;
        check_port(port)?;
        return check_ip_literal(address);
    }
    let is_web = matches!(scheme, "http" | "https");
    if let Some(at) = if is_web { host.find(':') } else { host.rfind(':') } {
        check_port(&host[at..])?;
    }
    check_escapes(host, Place::Host)
}

fn check_port(port: &str) -> Result<(), UrlFault> {
    match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        None if port.is_empty() => Ok(()),
        _ => Err(UrlFault::Port),
    }
}

fn check_ip_literal(literal: &str) -> Result<(), UrlFault> {
    let address = match literal.find("%25") {
        Some(at) => {
            let (address, zone) = literal.split_at(at);
            check_escapes(zone, Place::Zone)?;
            // A zone has to have a name after its percent sign.
            if zone == "%25" {
                return Err(UrlFault::IpLiteral);
            }
            address
        }
        None => literal,
    };
    check_escapes(address, Place::Host)?;
    address.parse::<Ipv6Addr>().map(|_| ()).map_err(|_| UrlFault::IpLiteral)
}

fn check_escapes(text: &str, place: Place) -> Result<(), UrlFault> {
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if place != Place::Elsewhere && byte.is_ascii() && !is_host_byte(byte) {
                return Err(UrlFault::HostCharacter);
            }
            continue;
        }
        let mut digit =
            || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(UrlFault::Escape);
        let code = u8::try_from(digit()? * 16 + digit()?).map_err(|_| UrlFault::Escape)?;
        let is_allowed = match place {
            Place::Host => code >= 0x80 || code == b'%',
            Place::Zone => code == b'%' || code == b' ' || is_host_byte(code),
            Place::Elsewhere => true,
        };
        if !is_allowed {
            return Err(UrlFault::Escape);
        }
    }
    Ok(())
}
