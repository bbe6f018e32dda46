//! The pictures in docs are the catalogue's. `LARDER_RECORD=1` draws them anew.

use larder_doctor::catalogue::{Catalogue, Language, tree};
use larder_testkit::settings;

#[test]
fn the_pictures_have_a_place_for_every_cause() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    for (name, language) in
        [("doctor-tree.svg", Language::English), ("doctor-tree.zh.svg", Language::Chinese)]
    {
        let file = format!("{docs}/{name}");
        if settings::machine("LARDER_RECORD").is_some_and(|value| value != "0") {
            fs_err::write(&file, tree::svg(language)).expect("docs can be written");
        }
        let kept = fs_err::read_to_string(&file).expect("the picture was drawn once");
        for entry in Catalogue::of(language).entries() {
            assert!(
                kept.contains(&format!(">{}<", entry.id)),
                "{} is missing in {name}: LARDER_RECORD=1 cargo test -p larder-doctor --test tree",
                entry.id
            );
        }
    }
}
