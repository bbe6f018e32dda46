//! What tags and branches may be called and look like.

use larder_testkit::Commit;

use super::World;

pub(super) fn build(world: &mut World<'_>) {
    kinds(world);
    not_canonical(world);
    metadata(world);
    branches_like_versions(world);
    names_like_hashes(world);
    off_branch(world);
    pseudo_tags(world);
    many(world);
}

/// Lightweight, annotated, signed; a tag of a tag; tags of what is no commit.
pub(super) fn kinds(world: &mut World<'_>) {
    let mut case = world.case("tag-kinds");
    let go_mod = case.go_mod("");
    let marks: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| case.repository.files(&[("go.mod", &go_mod), (&format!("{name}.go"), "package a\n")]))
        .collect();
    case.repository.tag("v1.0.0", marks[0]);
    case.repository.annotated_tag("v1.1.0", marks[1]);
    case.repository.signed_tag("v1.2.0", marks[2]);
    case.repository.annotated_tag("v1.2.1-pre", marks[2]);
    case.repository.annotated_tag("release", marks[3]);
    let tip = case.pseudo("v1.2.1-0.", marks[3]);
    let early = case.pseudo("v1.0.1-0.", marks[3]);
    let repository = &case.repository;
    repository.git(&["tag", "-a", "-m", "again", "v1.3.0", "v1.1.0"]);
    repository.git(&["tag", "v1.8.0", "v1.0.0^{tree}"]);
    repository.git(&["tag", "-a", "-m", "a file", "v1.9.0", "v1.0.0:go.mod"]);
    let object = repository.git(&["rev-parse", "refs/tags/v1.1.0"]);
    let (same, tree) =
        (case.pseudo("v1.0.1-0.", marks[0]), case.repository.git(&["rev-parse", "v1.0.0^{tree}"]));
    case.ask(&format!(
        "v1.0.0 v1.1.0 v1.2.0 v1.2.1-pre v1.3.0 v1.8.0 v1.9.0 release main {tip} {early} {same}"
    ));
    case.ask(&format!("{object} {} {tree} {}", &object[..12], &tree[..12]));
    world.add(case);
}

fn not_canonical(world: &mut World<'_>) {
    let mut case = world.case("tags-not-canonical");
    let go_mod = case.go_mod("");
    let tags = [
        "v1",
        "v1.2",
        "1.2.3",
        "v01.2.3",
        "V1.4.0",
        "v1.5.0.1",
        "v1.6.x",
        "release-1.7.0",
        "v1.8.0-",
        "v-1.9.0",
        "v1.0.0-01",
    ];
    for tag in tags {
        let mark =
            case.repository.files(&[("go.mod", &go_mod), ("a.go", &format!("package a\n\n// {tag}\n"))]);
        case.repository.tag(tag, mark);
    }
    let real = case.repository.files(&[("b.go", "package a\n")]);
    case.repository.tag("v0.3.0", real);
    case.repository.files(&[("c.go", "package a\n")]);
    case.ask(&format!("{} v0.3.0 v1.2.3 v1.2.0 v1.0.0 main", tags.join(" ")));
    world.add(case);

    let mut case = world.case("tags-only-not-canonical");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    case.repository.tag("v1", first);
    case.repository.tag("v1.2", first);
    let tip = case.repository.files(&[("b.go", "package a\n")]);
    let pseudo = case.pseudo("v1.2.1-0.", tip);
    case.ask(&format!("v1 v1.2 v1.0.0 v1.2.0 main {pseudo}"));
    world.add(case);
}

/// `+metadata` is no version of its own, but may be the base of one.
fn metadata(world: &mut World<'_>) {
    let mut case = world.case("tags-metadata");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let second = case.repository.files(&[("b.go", "package a\n")]);
    let third = case.repository.files(&[("c.go", "package a\n")]);
    let tip = case.repository.files(&[("d.go", "package a\n")]);
    case.repository.tag("v1.0.0+build.1", first);
    case.repository.tag("v1.1.0-pre+exp", second);
    case.repository.tag("v1.0.0+build.2", third);
    case.repository.tag("v1.2.0+incompatible", third);
    let made: Vec<String> = [
        case.pseudo("v1.0.1-0.", first),
        case.pseudo("v1.1.0-pre.0.", second),
        case.pseudo("v1.2.1-0.", tip),
        case.pseudo("v1.0.1-0.", tip),
    ]
    .into();
    case.ask(
        "v1.0.0+build.1 v1.0.0+build.2 v1.0.0 v1.1.0-pre+exp v1.1.0-pre v1.2.0+incompatible v1.2.0 v1 main",
    );
    case.ask(&made.join(" "));
    world.add(case);
}

fn branches_like_versions(world: &mut World<'_>) {
    let mut case = world.case("branch-like-version");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let second = case.repository.files(&[("b.go", "package a\n")]);
    case.repository.tag("v1.0.0", first);
    case.repository.branch("v1.5.0", second);
    case.repository.branch("v1", first);
    case.repository.branch("v1.6", second);
    case.repository.branch("v1.0.0", second);
    case.repository.branch("both", second);
    case.repository.tag("both", first);
    case.repository.branch("latest", first);
    case.repository.branch("upgrade", first);
    case.repository.branch("main2/v1.0.0", first);
    case.ask("v1.5.0 v1 v1.6 v1.6.0 v1.0.0 both main none patch");
    world.add(case);
}

fn names_like_hashes(world: &mut World<'_>) {
    let mut case = world.case("names-like-hashes");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let second = case.repository.files(&[("b.go", "package a\n")]);
    let hash = case.hash(first, 12);
    case.repository.branch("deadbeef", second);
    case.repository.tag("cafebabe", second);
    case.repository.branch("main", second);
    case.repository.branch("beef", second);
    case.ask(&format!("deadbeef cafebabe beef {hash} {} {}", hash.to_uppercase(), &hash[..8]));
    world.add(case);
}

/// Tags whose commits no branch holds, and commits that nothing holds.
fn off_branch(world: &mut World<'_>) {
    let mut case = world.case("off-branch");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let aside = case.repository.commit(Commit::detached().parent(first).file("fix.go", "package a\n"));
    let before = case.repository.commit(Commit::detached().parent(first).file("before.go", "package a\n"));
    let after = case.repository.commit(Commit::detached().parent(before).file("after.go", "package a\n"));
    let lost = case.repository.commit(Commit::detached().parent(first).file("lost.go", "package a\n"));
    let tip = case.repository.files(&[("b.go", "package a\n")]);
    case.repository.tag("v1.0.0", first);
    case.repository.tag("v1.0.1", aside);
    case.repository.tag("v1.1.0", after);
    let (tip_version, wrong) = (case.pseudo("v1.0.1-0.", tip), case.pseudo("v1.0.2-0.", tip));
    let (inner, lost_version) = (case.pseudo("v1.0.1-0.", before), case.pseudo("v1.0.1-0.", lost));
    case.repository.save();
    // As forges keep merge requests: a reference, but neither branch nor tag.
    let lost = case.hash(lost, 40);
    case.repository.git(&["update-ref", "refs/merge-requests/1/head", &lost]);
    case.ask(&format!(
        "v1.0.0 v1.0.1 v1.1.0 main {tip_version} {wrong} {inner} {lost_version} {lost} {}",
        &lost[..12]
    ));
    world.add(case);
}

/// Tags that look like pseudo-versions are none.
fn pseudo_tags(world: &mut World<'_>) {
    let mut case = world.case("pseudo-tags");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let second = case.repository.files(&[("b.go", "package a\n")]);
    let right = case.pseudo("v0.0.0-", first);
    case.repository.tag(&right, first);
    case.repository.tag("v0.0.0-20200101000000-0123456789ab", second);
    case.repository.tag("v0.2.1-0.20200101000000-0123456789ab", second);
    case.ask(&format!(
        "{right} v0.0.0-20200101000000-0123456789ab v0.2.1-0.20200101000000-0123456789ab main"
    ));
    world.add(case);
}

fn many(world: &mut World<'_>) {
    let mut case = world.case("many-tags");
    let (go_mod, api) = (case.go_mod(""), case.go_mod("api"));
    let mut last = None;
    for minor in 0..30 {
        let text = format!("package a\n\nconst Minor = {minor}\n");
        let mark = case.repository.files(&[("go.mod", &go_mod), ("api/go.mod", &api), ("a.go", &text)]);
        case.repository.tag(&format!("v1.{minor}.0"), mark);
        case.repository.tag(&format!("api/v0.{minor}.{}", minor * 2), mark);
        if minor % 5 == 0 {
            case.repository.tag(&format!("v1.{minor}.1-rc.{minor}"), mark);
        }
        last = Some(mark);
    }
    let tip = case.repository.files(&[("z.go", "package a\n")]);
    let pseudo = case.pseudo("v1.29.1-0.", tip);
    let _ = last;
    case.ask(&format!("v1.0.0 v1.5.1-rc.5 v1.10.0 v1.29.0 v1 v1.3 v1.10 main {pseudo}"));
    case.ask_below("api", "v0.29.58 v0 v0.1 main");
    world.add(case);
}
