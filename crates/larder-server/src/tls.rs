//! TLS by files, read again when they change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::TlsFiles;

/// Why the TLS files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read; the message names it.
    #[error("cannot read a TLS file: {0}")]
    Read(#[from] std::io::Error),
    /// The certificate file holds no certificate.
    #[error("{} holds no PEM certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The certificate file is damaged.
    #[error("{} is no PEM certificate chain: {cause}", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: rustls::pki_types::pem::Error,
    },
    /// The key file holds no usable private key.
    #[error("{} holds no PEM private key: {cause}", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: rustls::pki_types::pem::Error,
    },
    /// Certificate and key can't work together.
    #[error("certificate {} and key {} do not work together: {cause}", certificate.display(), key.display())]
    Mismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What is wrong.
        cause: rustls::Error,
    },
}

/// The certificate in use.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
    seen: Mutex<Stamp>,
}

/// What tells one state of the files from another without reading them.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Tls {
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = stamp(&files);
        let config = read(&files)?;
        Ok(Self { files, current: RwLock::new(Arc::new(config)), seen: Mutex::new(seen) })
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again; on failure the old certificate stays in use.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let stamp = stamp(&self.files);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        let config = Arc::new(read(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Reads the files again if they have changed since the last time; reports whether they had.
    pub(crate) fn reload_if_changed(&self) -> Result<bool, TlsError> {
        if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == stamp(&self.files) {
            return Ok(false);
        }
        self.reload().map(|()| true)
    }
}

fn stamp(files: &TlsFiles) -> Stamp {
    [&files.certificate, &files.key].map(|path| {
        let facts = fs_err::metadata(path).ok()?;
        Some((facts.modified().ok()?, facts.len()))
    })
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let pem = fs_err::read(&files.certificate)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| TlsError::BadCertificate { path: files.certificate.clone(), cause })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: files.certificate.clone() });
    }
    let pem = fs_err::read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|cause| TlsError::BadKey { path: files.key.clone(), cause })?;
    let mismatch =
        |cause| TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone(), cause };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(mismatch)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(mismatch)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(folder: &std::path::Path, name: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("certificate");
        let files = TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        fs_err::write(&files.certificate, made.cert.pem()).expect("written");
        fs_err::write(&files.key, made.signing_key.serialize_pem()).expect("written");
        files
    }

    #[test]
    fn changed_files_are_read_again_and_bad_ones_leave_the_old_in_use() {
        let folder = tempfile::tempdir().expect("folder");
        let files = write_pair(folder.path(), "one.example.com");
        let tls = Tls::load(files.clone()).expect("loaded");
        let first = tls.config();
        assert!(!tls.reload_if_changed().expect("unchanged"));
        fs_err::write(&files.key, "nonsense").expect("written");
        assert!(matches!(tls.reload_if_changed(), Err(TlsError::BadKey { .. })));
        assert!(Arc::ptr_eq(&first, &tls.config()), "the old certificate stays");
        assert!(!tls.reload_if_changed().expect("said once"), "the same bad file is not reported twice");
        write_pair(folder.path(), "two.longer.example.com");
        assert!(tls.reload_if_changed().expect("good again"));
        assert!(!Arc::ptr_eq(&first, &tls.config()));
    }

    #[test]
    fn each_mistake_names_its_file() {
        let folder = tempfile::tempdir().expect("folder");
        let files = write_pair(folder.path(), "one.example.com");
        let missing = TlsFiles { certificate: folder.path().join("none.pem"), key: files.key.clone() };
        assert!(Tls::load(missing).expect_err("missing").to_string().contains("none.pem"));
        let swapped = TlsFiles { certificate: files.key.clone(), key: files.certificate.clone() };
        assert!(Tls::load(swapped).expect_err("swapped").to_string().contains("key.pem"));
    }
}
