//! A private certificate authority, as companies run one.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// An authority that nobody knows unless told.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Makes a new one.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names, no mistake");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("the machine has randomness");
        Self(CertifiedIssuer::self_signed(params, key).expect("a key signs"))
    }

    /// Returns its certificate as text.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes its certificate to a file.
    pub fn write(&self, file: &Path) {
        fs_err::write(file, self.pem()).expect("a temporary folder");
    }

    /// Returns what a server with these names (or addresses) needs.
    pub fn server(&self, names: &[String]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("the machine has randomness");
        let params = CertificateParams::new(names).expect("names of hosts");
        let signed = params.signed_by(&key, &self.0).expect("a key signs");
        let chain = vec![signed.der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows today's versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key belongs to the certificate");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}
