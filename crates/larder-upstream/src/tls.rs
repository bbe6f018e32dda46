//! The TLS side of asking upstreams.
//!
//! The HTTP library's own set-up fails on a machine without any certificate authority (a scratch container).
//! Larder must start there too: it may only ever ask plain or private upstreams. So the configuration is built
//! here, from what there is, and an empty store shows when an `https` upstream is asked.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::settings::TlsSettings;

/// The authorities that are trusted, and what was wrong with some.
pub(crate) struct Roots {
    pub(crate) store: Arc<RootCertStore>,
    pub(crate) problems: Vec<String>,
}

/// Collects the trusted authorities of the machine and of the settings.
pub(crate) fn roots(settings: &TlsSettings) -> Roots {
    let mut store = RootCertStore::empty();
    let mut problems = Vec::new();
    if settings.native_roots {
        let native = rustls_native_certs::load_native_certs();
        problems.extend(
            native.errors.iter().map(|error| format!("certificate authorities of this machine: {error}")),
        );
        store.add_parsable_certificates(native.certs);
        if store.is_empty() {
            problems.push(
                "this machine has no certificate authorities, so no https upstream can be verified"
                    .to_owned(),
            );
        }
    }
    for certificate in &settings.extra_roots {
        if let Err(error) = store.add(certificate.clone()) {
            problems.push(format!("an extra certificate authority is not usable: {error}"));
        }
    }
    Roots { store: Arc::new(store), problems }
}

/// Builds the TLS configuration of a client, with a client certificate if there is one.
pub(crate) fn client_config(
    roots: &Arc<RootCertStore>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(roots));
    let mut config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Says in words why a TLS handshake failed.
pub(crate) fn reason(error: &rustls::Error, no_roots: bool) -> String {
    use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error};
    let text = match error {
        Error::InvalidCertificate(Certificate::UnknownIssuer) if no_roots => {
            "no certificate authority is known here, so no certificate can be verified"
        }
        Error::InvalidCertificate(Certificate::UnknownIssuer) => {
            "its certificate is signed by an authority that is not trusted here"
        }
        Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        Error::InvalidCertificate(Certificate::NotValidYet | Certificate::NotValidYetContext { .. }) => {
            "its certificate is not valid yet (is the clock right?)"
        }
        Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "its certificate is for another name",
        Error::InvalidCertificate(Certificate::BadSignature) => "the signature of its certificate is wrong",
        Error::InvalidMessage(_) => "what listens there does not speak TLS",
        Error::AlertReceived(Alert::CertificateRequired) => "it wants a client certificate",
        Error::AlertReceived(Alert::BadCertificate | Alert::UnknownCA | Alert::CertificateUnknown) => {
            "it does not accept the client certificate"
        }
        other => return crate::clean::one_line(&other.to_string()),
    };
    text.to_owned()
}
