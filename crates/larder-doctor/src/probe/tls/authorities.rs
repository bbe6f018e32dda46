//! The certificate authorities that Go would trust: one file of a list, and the files of some folders.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::System;
use crate::settings::{AUTHORITY_FILES, AUTHORITY_FOLDERS};

/// A folder with more files than this is not one of certificates.
const MOST_FILES: usize = 5000;
/// Nor is a larger file one of certificates.
const MOST_BYTES: u64 = 32 << 20;

/// The authorities of a machine.
#[derive(Debug)]
pub struct Authorities {
    /// The file or folder that they are from; none if no place has any.
    pub from: Option<String>,
    /// Places that were named in the environment and can't be read.
    pub unreadable: Vec<String>,
    /// Each, once.
    pub(super) certificates: BTreeSet<Vec<u8>>,
    /// The same for whoever verifies.
    pub(super) store: RootCertStore,
}

impl Authorities {
    /// Reads them as Go does, `SSL_CERT_FILE` and `SSL_CERT_DIR` included.
    #[must_use]
    pub fn read(system: &System) -> Self {
        let mut found = Self {
            from: None,
            unreadable: Vec::new(),
            certificates: BTreeSet::new(),
            store: RootCertStore::empty(),
        };
        let named_file = system.variable("SSL_CERT_FILE");
        let files = named_file.map_or_else(|| AUTHORITY_FILES.to_vec(), |file| vec![file]);
        for file in files {
            match read(&system.path(file)) {
                Ok(text) => {
                    found.add(file, &text);
                    break;
                }
                Err(_) if named_file.is_some() => found.unreadable.push(file.to_owned()),
                Err(_) => {}
            }
        }
        let named_folders = system.variable("SSL_CERT_DIR");
        let folders = named_folders.unwrap_or(AUTHORITY_FOLDERS).split(':');
        for folder in folders {
            match fs_err::read_dir(system.path(folder)) {
                Ok(entries) => {
                    for entry in entries.flatten().take(MOST_FILES) {
                        if let Ok(text) = read(&entry.path()) {
                            found.add(folder, &text);
                        }
                    }
                }
                Err(_) if named_folders.is_some() => found.unreadable.push(folder.to_owned()),
                Err(_) => {}
            }
        }
        found
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.certificates.len()
    }

    fn add(&mut self, place: &str, text: &[u8]) {
        for certificate in CertificateDer::pem_slice_iter(text).flatten() {
            if self.certificates.insert(certificate.to_vec()) {
                self.store.add_parsable_certificates([certificate]);
                self.from.get_or_insert_with(|| place.to_owned());
            }
        }
    }
}

/// Reads a file; a device, a pipe or something huge reads as empty.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let about = fs_err::metadata(path)?;
    if about.is_dir() || (about.is_file() && about.len() <= MOST_BYTES) {
        fs_err::read(path)
    } else {
        Ok(Vec::new())
    }
}
