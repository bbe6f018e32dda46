//! Pseudo-versions: their bases, their times, their digits.

use larder_testkit::{Commit, ObjectFormat};

use super::World;

pub(super) fn build(world: &mut World<'_>) {
    merges(world);
    criss_cross(world);
    skewed(world);
    checked(world);
    sixty_four_digits(world);
    unrelated(world);
}

/// The base of a pseudo-version is the highest version among all ancestors, not the nearest.
pub(super) fn merges(world: &mut World<'_>) {
    let mut case = world.case("merges");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let release = case.repository.commit(Commit::on("release-1.3").parent(first).file("r.go", "package a\n"));
    let main = case.repository.files(&[("m.go", "package a\n")]);
    let unmerged = case.repository.commit(Commit::on("future").parent(main).file("f.go", "package a\n"));
    let before = case.repository.files(&[("n.go", "package a\n")]);
    let merged = case.repository.commit(Commit::on("main").merge(release).file("o.go", "package a\n"));
    let side = case.repository.commit(Commit::on("side").parent(first).file("s.go", "package a\n"));
    let other = case.repository.commit(Commit::on("other").parent(first).file("t.go", "package a\n"));
    let octopus =
        case.repository.commit(Commit::on("main").merge(side).merge(other).file("p.go", "package a\n"));
    case.repository.tag("v1.0.0", first);
    case.repository.annotated_tag("v1.3.0", release);
    case.repository.tag("v1.2.0", main);
    case.repository.tag("v1.9.0", unmerged);
    case.repository.tag("v1.3.1-beta", other);
    let made: Vec<String> = [
        case.pseudo("v1.2.1-0.", before),
        case.pseudo("v1.3.1-0.", before),
        case.pseudo("v1.3.1-0.", merged),
        case.pseudo("v1.2.1-0.", merged),
        case.pseudo("v1.0.1-0.", merged),
        case.pseudo("v1.9.1-0.", merged),
        case.pseudo("v1.3.1-beta.0.", octopus),
        case.pseudo("v1.3.1-0.", octopus),
        case.pseudo("v1.0.1-0.", side),
        case.pseudo("v0.0.0-", octopus),
    ]
    .into();
    let (merged, before) = (case.hash(merged, 12), case.hash(before, 12));
    case.ask(&format!("{} main side future {merged} {before}", made.join(" ")));
    world.add(case);
}

fn criss_cross(world: &mut World<'_>) {
    let mut case = world.case("criss-cross");
    let (go_mod, lib) = (case.go_mod(""), case.go_mod("lib"));
    let root =
        case.repository.files(&[("go.mod", &go_mod), ("lib/go.mod", &lib), ("lib/l.go", "package l\n")]);
    let (mut left, mut right) = (root, root);
    for round in 0..6 {
        let name = format!("{round}.go");
        let (old_left, old_right) = (left, right);
        let with = |branch: &str| Commit::on(branch).file(&format!("{branch}{name}"), "package a\n");
        left = case.repository.commit(with("main").parent(old_left).merge(old_right));
        right = case.repository.commit(with("right").parent(old_right).merge(old_left));
        case.repository.tag(&format!("v1.{round}.0"), if round % 2 == 0 { left } else { right });
        if round == 2 {
            case.repository.tag("lib/v0.5.0", right);
        }
    }
    let made: Vec<String> = [
        case.pseudo("v1.5.1-0.", left),
        case.pseudo("v1.4.1-0.", right),
        case.pseudo("v1.5.1-0.", right),
        case.pseudo("v1.1.1-0.", left),
    ]
    .into();
    let lib = case.pseudo("v0.5.1-0.", left);
    case.ask(&format!("{} main right v1", made.join(" ")));
    case.ask_below("lib", &format!("{lib} v0.5.0 main"));
    world.add(case);
}

/// Clocks that go wrong, zones, and times at the ends of what can be written.
fn skewed(world: &mut World<'_>) {
    let mut case = world.case("skewed");
    let go_mod = case.go_mod("");
    let first = case.repository.commit(
        Commit::on("main")
            .file("go.mod", &go_mod)
            .file("a.go", "package a\n")
            .time(1_900_000_000)
            .zone("-1130"),
    );
    let second = case.repository.commit(Commit::on("main").file("b.go", "package a\n").time(1_000_000_000));
    let third = case.repository.commit(
        Commit::on("main").file("c.go", "package a\n").time(1_500_000_000).author_time(86_400).zone("+1400"),
    );
    let ancient =
        case.repository.commit(Commit::on("ancient").parent(third).file("d.go", "package a\n").time(1));
    let far = case
        .repository
        .commit(Commit::on("far").parent(third).file("e.go", "package a\n").time(4_102_444_799));
    case.repository.tag("v1.0.0", first);
    case.repository.tag("v1.1.0", second);
    let made: Vec<String> = [third, ancient, far].map(|mark| case.pseudo("v1.1.1-0.", mark)).into();
    case.ask(&format!("v1.0.0 v1.1.0 main ancient far {}", made.join(" ")));
    world.add(case);
}

/// Every rule that a pseudo-version is checked by.
fn checked(world: &mut World<'_>) {
    let mut case = world.case("checked");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let second = case.repository.files(&[("b.go", "package a\n")]);
    let third = case.repository.files(&[("c.go", "package a\n")]);
    let tip = case.repository.files(&[("d.go", "package a\n")]);
    case.repository.tag("v1.1.0", second);
    case.repository.tag("v1.2.0-pre", third);
    let early = case.pseudo("v0.0.0-", first);
    let base = case.pseudo("v1.1.1-0.", tip);
    let hash = case.hash(tip, 40);
    let time = base.rsplit_once('-').map_or(String::new(), |(front, _)| front.to_owned());
    let late = time.replace("v1.1.1-0.2024", "v1.1.1-0.2025");
    let made = [
        early,
        case.pseudo("v0.0.0-", tip),
        base.clone(),
        case.pseudo("v1.2.0-pre.0.", tip),
        case.pseudo("v1.1.1-0.", second),
        case.pseudo("v1.1.1-0.", first),
        case.pseudo("v1.0.1-0.", tip),
        case.pseudo("v1.0.0-", tip),
        case.pseudo("v2.0.0-", tip),
        case.pseudo("v0.1.0-0.", tip),
        case.pseudo("v1.1.2-0.", tip),
        case.pseudo("v1.3.0-pre.0.", tip),
        case.pseudo("v1.2.0-pre.0.", third),
        format!("{time}-{}", &hash[..11]),
        format!("{time}-{}", &hash[..13]),
        format!("{time}-{hash}"),
        format!("{time}-0123456789ab"),
        format!("{time}-{}", hash[..12].to_uppercase()),
        format!("{late}-{}", &hash[..12]),
        format!("v1.1.1-0.20241301000000-{}", &hash[..12]),
        format!("v1.1.1-0.20240101-{}", &hash[..12]),
        format!("{base}+incompatible"),
        format!("{base}+meta"),
    ];
    case.ask(&format!("{} main {}", made.join(" "), &hash[..12]));
    world.add(case);
}

fn sixty_four_digits(world: &mut World<'_>) {
    let mut case = world.case_as("sha256", ObjectFormat::Sha256);
    let (go_mod, sub) = (case.go_mod(""), case.go_mod("sub"));
    let first = case.repository.files(&[
        ("go.mod", &go_mod),
        ("a.go", "package a\n"),
        ("sub/go.mod", &sub),
        ("sub/b.go", "package b\n"),
    ]);
    let tip = case.repository.files(&[("c.go", "package a\n")]);
    case.repository.annotated_tag("v1.0.0", first);
    case.repository.tag("sub/v1.0.0", first);
    let pseudo = case.pseudo("v1.0.1-0.", tip);
    let hash = case.hash(tip, 64);
    case.ask(&format!("v1.0.0 main {pseudo} {hash} {} {} {}", &hash[..12], &hash[..40], &hash[..7]));
    case.ask_below("sub", "v1.0.0 main");
    world.add(case);
}

/// Two histories that share nothing.
fn unrelated(world: &mut World<'_>) {
    let mut case = world.case("unrelated");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let orphan = case
        .repository
        .commit(Commit::on("rewrite").orphan().file("go.mod", &go_mod).file("z.go", "package a\n"));
    let next = case.repository.files_on("rewrite", &[("y.go", "package a\n")]);
    case.repository.tag("v1.4.0", first);
    case.repository.tag("v0.9.0", orphan);
    let (right, wrong) = (case.pseudo("v0.9.1-0.", next), case.pseudo("v1.4.1-0.", next));
    case.ask(&format!("v1.4.0 v0.9.0 rewrite main {right} {wrong}"));
    world.add(case);
}
