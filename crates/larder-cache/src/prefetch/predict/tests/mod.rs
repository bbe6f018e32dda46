//! The predictor against made-up graphs.

mod hostile;
mod live;
mod sequences;
mod simulator;
mod world;

use super::*;
use std::net::Ipv4Addr;

fn of(text: &str) -> ModuleVersion {
    let (module, version) = text.split_once('@').expect("path@version");
    ModuleVersion::parse(&format!("example.com/{module}"), version).expect("a module version")
}

fn key(connection: u64) -> SessionKey {
    SessionKey { connection, client: Ipv4Addr::LOCALHOST.into(), private_ok: true }
}

fn facts(pruned: bool, requires: &[&str]) -> ModFacts {
    let requires = requires.iter().map(|text| facts::Requirement { of: of(text), indirect: false }).collect();
    ModFacts { pruned, requires }
}

fn names(wishes: &[Wish]) -> Vec<String> {
    let mut names: Vec<_> = wishes
        .iter()
        .map(|wish| {
            let name = wish.of.to_string();
            format!("{}.{}", name.trim_start_matches("example.com/"), wish.kind)
        })
        .collect();
    names.sort();
    names
}

#[test]
fn requirements_of_roots_are_likely_roots() {
    let mut predictor = Predictor::default();
    let now = Instant::now();
    predictor.asked(key(1), &of("b@v1.0.0"), ObjectKind::Mod, now);
    let wishes = predictor.wishes();
    assert_eq!(names(&wishes), ["b@v1.0.0.mod"]);
    assert!(wishes[0].facts && wishes[0].why == Why::Facts);
    predictor.learned(&of("b@v1.0.0"), &facts(true, &["a@v1.0.0", "c@v1.2.0", "d@v1.0.0"]));
    assert_eq!(
        names(&predictor.wishes()),
        ["c@v1.2.0.mod", "d@v1.0.0.mod"],
        "a sorts before b and is no root"
    );
    assert!(predictor.wishes().is_empty(), "each once");
}

#[test]
fn what_lies_below_an_old_module_is_certain() {
    let mut predictor = Predictor::default();
    let now = Instant::now();
    predictor.asked(key(1), &of("b@v1.0.0"), ObjectKind::Mod, now);
    predictor.learned(&of("b@v1.0.0"), &facts(false, &["a@v1.0.0"]));
    predictor.learned(&of("a@v1.0.0"), &facts(true, &["c@v1.0.0"]));
    let wishes = predictor.wishes();
    assert_eq!(names(&wishes), ["a@v1.0.0.mod", "b@v1.0.0.mod", "c@v1.0.0.mod"]);
    assert!(wishes.iter().all(|wish| wish.why != Why::Likely));
}

#[test]
fn what_waits_for_credit_is_not_lost_when_two_connections_turn_out_to_be_one_client() {
    let mut predictor = Predictor::default();
    let now = Instant::now();
    predictor.asked(key(1), &of("a@v1.0.0"), ObjectKind::Mod, now);
    predictor.learned(&of("a@v1.0.0"), &facts(true, &["z@v1.0.0"]));
    let below: Vec<String> = (0..200).map(|n| format!("below{n}@v1.0.0")).collect();
    let below: Vec<&str> = below.iter().map(String::as_str).collect();
    predictor.asked(key(2), &of("m@v1.0.0"), ObjectKind::Mod, now);
    predictor.learned(&of("m@v1.0.0"), &facts(false, &below));
    assert_eq!(predictor.sessions(), 2);
    predictor.asked(key(2), &of("z@v1.0.0"), ObjectKind::Mod, now);
    assert_eq!(predictor.sessions(), 1, "the first one knew that it would be asked for");
    let mut wished = names(&predictor.wishes());
    for module in &below[..40] {
        predictor.asked(key(2), &of(module), ObjectKind::Mod, now);
        wished.extend(names(&predictor.wishes()));
    }
    let count = wished.iter().filter(|name| name.starts_with("below")).count();
    assert_eq!(count, 200);
}
