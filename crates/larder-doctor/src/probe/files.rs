//! A `file://` entry: the same files as a proxy's, read from the disk.

use std::io::Read;
use std::path::Path;
use std::time::Instant;

use super::RequestProbe;
use super::http::{Answer, shown};
use crate::System;
use crate::symptom::Trouble;

/// Reads one file of a tree, at most `limit` bytes of it.
pub(super) fn read(system: &System, tree: &Path, file: &str, limit: u64) -> Answer {
    let began = Instant::now();
    let path = tree.join(file.trim_start_matches('/'));
    let mut answer = Answer {
        probe: RequestProbe { url: format!("file://{}", path.display()), ..RequestProbe::default() },
        ..Answer::default()
    };
    let mut body = Vec::new();
    let read = fs_err::File::open(system.path(&path))
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut body));
    match read {
        Ok(_) => {
            answer.whole = body.len() as u64 <= limit;
            answer.probe.status = Some(200);
            answer.probe.received = body.len() as u64;
            answer.probe.body = shown(&body);
            answer.body = body;
        }
        Err(error) => {
            let text = match error.kind() {
                std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                _ => error.to_string(),
            };
            let path = Some(path.display().to_string());
            answer.probe.trouble = Some(Trouble::FileTrouble { path, operation: "open".to_owned(), text });
        }
    }
    answer.probe.total_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    answer
}
