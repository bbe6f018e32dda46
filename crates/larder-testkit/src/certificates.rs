//! A private certificate authority, as companies run one.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WantsServerCert;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ConfigBuilder, ServerConfig, WantsVerifier};

/// An authority that nobody knows unless told.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Makes a new one.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("the machine has randomness");
        Self(CertifiedIssuer::self_signed(authority_params(name), key).expect("a key signs"))
    }

    /// Returns its certificate as text.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Returns its certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// Writes its certificate to a file.
    pub fn write(&self, file: &Path) {
        fs_err::write(file, self.pem()).expect("a temporary folder");
    }

    /// Returns what a server with these names (or addresses) needs.
    pub fn server(&self, names: &[String]) -> Arc<ServerConfig> {
        server_config(server_builder().with_no_client_auth(), &self.identity(&Leaf::of(names)))
    }

    /// Signs a certificate.
    pub fn identity(&self, leaf: &Leaf) -> Identity {
        let key = KeyPair::generate().expect("the machine has randomness");
        let signed = leaf.params().signed_by(&key, &self.0).expect("a key signs");
        Identity { chain: vec![signed.der().clone()], key: key.serialize_der() }
    }

    /// Makes an authority that this one vouches for, and returns it with its certificate.
    pub fn intermediate(&self, name: &str) -> (Self, CertificateDer<'static>) {
        let key = KeyPair::generate().expect("the machine has randomness");
        let signed = CertifiedIssuer::signed_by(authority_params(name), key, &self.0).expect("a key signs");
        let der = signed.der().clone();
        (Self(signed), der)
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names, no mistake");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    params
}

/// What a server's certificate says.
#[derive(Clone, Debug, Default)]
pub struct Leaf {
    names: Vec<String>,
    common_name: Option<String>,
    years: Option<(i32, i32)>,
    issuer_url: Option<String>,
}

impl Leaf {
    /// Names these hosts or addresses.
    pub fn of(names: &[String]) -> Self {
        Self { names: names.to_vec(), ..Self::default() }
    }

    /// Names a host as certificates did long ago, outside the list of alternative names.
    pub fn common_name_only(name: &str) -> Self {
        Self { common_name: Some(name.to_owned()), ..Self::default() }
    }

    /// Holds from the first day of a year to the first day of another.
    pub fn years(mut self, from: i32, to: i32) -> Self {
        self.years = Some((from, to));
        self
    }

    /// Says where the issuer's certificate can be had.
    pub fn issuer_url(mut self, url: &str) -> Self {
        self.issuer_url = Some(url.to_owned());
        self
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(self.names.clone()).expect("names of hosts");
        if let Some(name) = self.common_name.as_ref().or_else(|| self.names.first()) {
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
        }
        if let Some((from, to)) = self.years {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        }
        if let Some(url) = &self.issuer_url {
            params.custom_extensions.push(authority_information(url));
        }
        params
    }

    /// Makes a certificate that vouches for itself.
    pub fn self_signed(&self) -> Identity {
        let key = KeyPair::generate().expect("the machine has randomness");
        let signed = self.params().self_signed(&key).expect("a key signs");
        Identity { chain: vec![signed.der().clone()], key: key.serialize_der() }
    }
}

/// The extension that says where the issuer's certificate lies (RFC 5280, 4.2.2.1).
fn authority_information(url: &str) -> rcgen::CustomExtension {
    let length = |size: usize| u8::try_from(size).expect("a short URL");
    let mut location = vec![0x86, length(url.len())];
    location.extend_from_slice(url.as_bytes());
    // 1.3.6.1.5.5.7.48.2, the issuer's certificate
    let mut description = vec![0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    description.extend_from_slice(&location);
    let mut inner = vec![0x30, length(description.len())];
    inner.extend_from_slice(&description);
    let mut content = vec![0x30, length(inner.len())];
    content.extend_from_slice(&inner);
    rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content)
}

/// A certificate with what is sent beside it, and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Identity {
    /// Sends another certificate too.
    pub fn with(mut self, certificate: CertificateDer<'static>) -> Self {
        self.chain.push(certificate);
        self
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()))
    }

    /// Returns what a server needs that chooses certificates by the name asked for.
    pub fn certified(&self) -> Arc<CertifiedKey> {
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&self.key()).expect("a usual key");
        Arc::new(CertifiedKey::new(self.chain.clone(), key))
    }

    /// Returns what a server with only this needs.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.server_with(server_builder().with_no_client_auth())
    }

    /// Returns what a server with only this needs, and with a mind of its own about clients.
    pub fn server_with(&self, builder: ConfigBuilder<ServerConfig, WantsServerCert>) -> Arc<ServerConfig> {
        server_config(builder, self)
    }
}

/// Begins what a server needs.
pub fn server_builder() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows today's versions")
}

fn server_config(
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    identity: &Identity,
) -> Arc<ServerConfig> {
    let mut config = builder
        .with_single_cert(identity.chain.clone(), identity.key())
        .expect("the key belongs to the certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
