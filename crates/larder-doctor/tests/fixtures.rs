//! Every folder of `fixtures` is a cause: `fires*` must name it first, `near*` must not name it at all.
//!
//! A `.log` is what somebody would paste, a `.json` is [`Facts`].

use std::path::Path;

use larder_doctor::catalogue::{Catalogue, Language};
use larder_doctor::{Facts, diagnose, log};

fn facts(path: &Path) -> Result<Facts, String> {
    let bytes = fs_err::read(path).map_err(|error| error.to_string())?;
    if path.extension().is_some_and(|kind| kind == "json") {
        return serde_json::from_slice(&bytes).map_err(|error| error.to_string());
    }
    log::read(bytes.as_slice())
        .map(|said| said.into_facts(Facts::default()))
        .map_err(|error| error.to_string())
}

/// Says what is wrong with a fixture.
fn complaint(id: &str, path: &Path) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let facts = match facts(path) {
        Ok(facts) => facts,
        Err(error) => return Some(format!("{id}/{name}: {error}")),
    };
    let report = diagnose(&facts, Language::English);
    let found: Vec<String> = report
        .findings
        .iter()
        .map(|finding| format!("{} {:.2} ({})", finding.id, finding.confidence, finding.about))
        .collect();
    let first = report.findings.first().is_some_and(|finding| finding.id.0 == id);
    let named = report.findings.iter().any(|finding| finding.id.0 == id);
    if name.starts_with("fires") && !first {
        Some(format!("{id}/{name}: expected first, found {found:?}; symptoms {:#?}", facts.symptoms))
    } else if name.starts_with("near") && named {
        Some(format!("{id}/{name}: expected absent, found {found:?}"))
    } else if !name.starts_with("fires") && !name.starts_with("near") {
        Some(format!("{id}/{name}: neither fires* nor near*"))
    } else {
        None
    }
}

#[test]
fn fixtures_name_their_cause() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let catalogue = Catalogue::of(Language::English);
    let mut complaints = Vec::new();
    let mut count = 0;
    let mut folders: Vec<_> =
        fs_err::read_dir(&root).expect("there are fixtures").flatten().map(|entry| entry.path()).collect();
    folders.sort();
    for folder in folders {
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if catalogue.entry(&id).is_none() {
            complaints.push(format!("{id}: the catalogue does not know it"));
            continue;
        }
        let mut files: Vec<_> =
            fs_err::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
        files.sort();
        count += files.len();
        complaints.extend(files.iter().filter_map(|path| complaint(&id, path)));
    }
    assert!(complaints.is_empty(), "{} of {count} fixtures:\n{}", complaints.len(), complaints.join("\n"));
}
