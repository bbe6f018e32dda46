//! Judging a chain of certificates as Go does, and in Go's order: the time, then the name, then who signed it.
//!
//! The TLS library asks in another order, so it is only asked the last of the three questions.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use larder_module::time::Timestamp;
use rustls::CertificateError;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::Authorities;
use crate::probe::CertificateFacts;
use crate::symptom::Trouble;

/// Describes a certificate; one that can't be read has empty fields.
pub(super) fn describe(certificate: &CertificateDer<'_>) -> CertificateFacts {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return CertificateFacts::default() };
    let validity = parsed.validity();
    let (dns, addresses) = names(&parsed);
    CertificateFacts {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        names: dns.into_iter().chain(addresses.iter().map(ToString::to_string)).collect(),
        not_before: Timestamp::from_unix(validity.not_before.timestamp()).to_string(),
        not_after: Timestamp::from_unix(validity.not_after.timestamp()).to_string(),
        issuer_url: issuer_url(&parsed),
        self_signed: parsed.subject().as_raw() == parsed.issuer().as_raw(),
    }
}

fn names(certificate: &X509Certificate<'_>) -> (Vec<String>, Vec<IpAddr>) {
    let (mut dns, mut addresses) = (Vec::new(), Vec::new());
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return (dns, addresses) };
    for name in &alternatives.value.general_names {
        match name {
            GeneralName::DNSName(name) => dns.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
                    addresses.push(four.into());
                } else if let Ok(six) = <[u8; 16]>::try_from(*bytes) {
                    addresses.push(six.into());
                }
            }
            _ => {}
        }
    }
    (dns, addresses)
}

fn issuer_url(certificate: &X509Certificate<'_>) -> Option<String> {
    certificate.extensions().iter().find_map(|extension| {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else { return None };
        access.accessdescs.iter().find_map(|one| match &one.access_location {
            GeneralName::URI(url) if one.access_method.to_id_string() == "1.3.6.1.5.5.7.48.2" => {
                Some((*url).to_owned())
            }
            _ => None,
        })
    })
}

/// Says what is wrong with a chain for this host at this time, as Go would.
pub(super) fn judge(
    chain: &[CertificateDer<'static>],
    host: &str,
    authorities: &Authorities,
    now: SystemTime,
    provider: &CryptoProvider,
) -> Option<Trouble> {
    let Some((leaf, others)) = chain.split_first() else {
        return Some(Trouble::BadCertificate { text: "the peer sent no certificate".to_owned() });
    };
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
        return Some(Trouble::BadCertificate {
            text: "tls: failed to parse certificate from server".to_owned(),
        });
    };
    wrong_time(&parsed, now)
        .or_else(|| wrong_name(&parsed, host))
        .or_else(|| wrong_signer(leaf, others, authorities, now, provider))
}

fn wrong_time(certificate: &X509Certificate<'_>, now: SystemTime) -> Option<Trouble> {
    let now =
        now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let validity = certificate.validity();
    let (begins, ends) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let limit = if now < begins {
        begins
    } else if now > ends {
        ends
    } else {
        return None;
    };
    Some(Trouble::NotInValidity {
        now: Timestamp::from_unix(now).to_string(),
        limit: Timestamp::from_unix(limit).to_string(),
        after: now > ends,
    })
}

fn wrong_name(certificate: &X509Certificate<'_>, host: &str) -> Option<Trouble> {
    let (dns, addresses) = names(certificate);
    let host = host.trim_end_matches('.').trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let wanted = host.clone();
    if let Ok(address) = host.parse::<IpAddr>() {
        if addresses.contains(&address.to_canonical()) {
            return None;
        }
        let valid_for = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Some(Trouble::WrongName { valid_for, wanted });
    }
    let has_names = certificate.subject_alternative_name().is_ok_and(|found| found.is_some());
    if !has_names {
        let common_name =
            certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok()).next();
        if common_name.is_some_and(|name| name_matches(name, &host)) {
            return Some(Trouble::CommonNameOnly);
        }
    }
    if dns.iter().any(|name| name_matches(name, &host)) {
        return None;
    }
    Some(Trouble::WrongName { valid_for: dns.join(", "), wanted })
}

/// Matches a name of a certificate; `*` stands for the whole first label.
fn name_matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.trim_end_matches('.').to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(first, tail)| !first.is_empty() && tail == rest),
        None => !pattern.is_empty() && pattern == host,
    }
}

fn wrong_signer(
    leaf: &CertificateDer<'static>,
    others: &[CertificateDer<'static>],
    authorities: &Authorities,
    now: SystemTime,
    provider: &CryptoProvider,
) -> Option<Trouble> {
    // Go trusts a server's own certificate where the machine's authorities contain it.
    if authorities.certificates.contains(leaf.as_ref()) {
        return None;
    }
    let unknown =
        || Some(Trouble::UnknownAuthority { text: "certificate signed by unknown authority".to_owned() });
    let bad = |text: String| Some(Trouble::BadCertificate { text });
    let Ok(parsed) = ParsedCertificate::try_from(leaf) else { return unknown() };
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    let schemes = provider.signature_verification_algorithms.all;
    let judged = verify_server_cert_signed_by_trust_anchor(&parsed, &authorities.store, others, now, schemes);
    match judged {
        Ok(()) => None,
        Err(rustls::Error::InvalidCertificate(error)) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                bad("a certificate of the chain has expired or is not yet valid".to_owned())
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                bad("certificate specifies an incompatible key usage".to_owned())
            }
            // Nobody known, or a form that Go too can't follow to anybody known.
            _ => unknown(),
        },
        Err(other) => bad(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        for (pattern, host, matches) in [
            ("proxy.example.com", "proxy.example.com", true),
            ("Proxy.Example.com.", "proxy.example.com", true),
            ("*.example.com", "proxy.example.com", true),
            ("*.example.com", "a.proxy.example.com", false),
            ("*.example.com", "example.com", false),
            ("*", "com", false),
            ("", "", false),
        ] {
            assert_eq!(name_matches(pattern, host), matches, "{pattern} {host}");
        }
    }
}
