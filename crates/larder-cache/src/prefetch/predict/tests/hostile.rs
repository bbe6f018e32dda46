//! Modules whose only purpose is to fill memory, and clients who ask for them.

use super::*;

/// Requires so many modules that nobody else does.
fn many(name: &str, count: usize) -> ModFacts {
    let requires = (0..count)
        .map(|n| facts::Requirement { of: of(&format!("{name}/m{n}@v1.0.0")), indirect: false })
        .collect();
    ModFacts { pruned: false, requires }
}

/// What all sessions keep.
fn load(predictor: &Predictor) -> usize {
    predictor.sessions.values().map(Session::load).sum()
}

#[test]
fn a_large_go_mod_file_asked_for_over_many_connections_takes_little_memory() {
    let mut predictor = Predictor::default();
    let now = Instant::now();
    predictor.asked(key(1), &of("big@v1.0.0"), ObjectKind::Mod, now);
    predictor.learned(&of("big@v1.0.0"), &many("big", 10_000));
    let alone = load(&predictor);
    for connection in 2..50 {
        // Each of them twice, so that all are clients of their own.
        for version in ["big@v1.0.0", "other@v1.0.0"] {
            predictor.asked(key(connection), &of(version), ObjectKind::Mod, now);
            predictor.asked(key(connection), &of(version), ObjectKind::Zip, now);
        }
        predictor.wishes();
        assert!(load(&predictor) <= MAX_LOAD + alone, "{connection}");
    }
    assert!(predictor.sessions() >= 10, "only the heaviest end: {}", predictor.sessions());
}

#[test]
fn large_go_mod_files_below_each_other_are_forgotten_before_they_fill_memory() {
    let mut predictor = Predictor::default();
    let now = Instant::now();
    predictor.asked(key(1), &of("root@v1.0.0"), ObjectKind::Mod, now);
    predictor.learned(&of("root@v1.0.0"), &many("root", 100));
    // As many as are fetched on credit before the client asks for anything else.
    for number in 0..100 {
        let module = format!("root/m{number}");
        predictor.learned(&of(&format!("{module}@v1.0.0")), &many(&module, 10_000));
        assert!(predictor.graph.weight() <= MAX_WEIGHT, "{number}");
        assert!(load(&predictor) <= 250_000, "{number}: {}", load(&predictor));
    }
}

#[test]
fn packages_that_import_each_other_without_end_are_not_counted_to_the_end() {
    let mut packages = std::collections::BTreeMap::new();
    let inside = (0..300).map(|n| format!("example.com/a/p{n}").into());
    let imports: Vec<Arc<str>> = inside.chain(["example.com/b".into()]).collect();
    for number in 0..300 {
        let package = facts::Package { is_command: false, imports: imports.clone() };
        packages.insert(format!("p{number}").into_boxed_str(), package);
    }
    let mut few = ZipFacts::default();
    few.packages
        .insert("p".into(), facts::Package { is_command: false, imports: vec!["example.com/b".into()] });
    assert_eq!(common::imports("example.com/a", &few).len(), 1);
    // 300 packages that each come by 90,000 imports: nobody waits for the count.
    assert!(common::imports("example.com/a", &ZipFacts { packages }).is_empty());
}

#[test]
fn a_module_of_many_packages_is_not_looked_through_for_each_of_them() {
    const PACKAGES: usize = 20_000;
    let mut predictor = Predictor::default();
    let now = Instant::now();
    predictor.asked(key(1), &of("a/p0@v1.0.0"), ObjectKind::Info, now);
    predictor.asked(key(1), &of("a@v1.0.0"), ObjectKind::Info, now);
    predictor.asked(key(1), &of("a@v1.0.0"), ObjectKind::Zip, now);
    predictor.learned(&of("a@v1.0.0"), &facts(true, &["b@v1.0.0"]));
    predictor.wishes();
    // Each imports the next one, and the last one another module: with a look at all of them for each, 400 million.
    let mut chain = ZipFacts::default();
    for number in 0..PACKAGES {
        let next = if number + 1 < PACKAGES { format!("a/p{}", number + 1) } else { "b".to_owned() };
        let imports = vec![format!("example.com/{next}").into()];
        chain.packages.insert(format!("p{number}").into(), facts::Package { is_command: false, imports });
    }
    predictor.unpacked(&of("a@v1.0.0"), Arc::new(chain));
    assert!(names(&predictor.wishes()).contains(&"b@v1.0.0.zip".to_owned()));
}
