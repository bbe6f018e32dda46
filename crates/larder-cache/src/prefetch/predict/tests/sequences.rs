//! Runs of the real go command, played to the predictor. The bars are somewhat below what it reaches.
//!
//! - `large` is a project with 227 modules, some of them with old go lines; `build` is one small command of it.
//! - `new` and `old` are small main modules, with go lines 1.20 and 1.16, over an old graph of 350 go.mod files; `work` is a workspace of
//!   both.
//! - `install` is `go install` of one command at a version.

use std::fmt::Write as _;

use super::{
    simulator::{Compared, Outcome, Setting, play, play_together},
    world::{Ask, World},
};

const LARGE: &str = include_str!("recordings/large.txt");
const NEW: &str = include_str!("recordings/new.txt");
const OLD: &str = include_str!("recordings/old.txt");
const INSTALL: &str = include_str!("recordings/install.txt");

/// What a sequence has to reach: hundredths of the direct speed at least, per cent more requests and per mille more bytes at most.
type Bar = (&'static str, u64, usize, u64);

fn check(recording: &str, bars: &[Bar]) {
    let world = World::read(recording);
    let mut failures = String::new();
    for &(name, speed, requests, bytes) in bars {
        let asks = world.sequence(name);
        let direct = play(&world, asks, Setting::direct());
        let ahead = play(&world, asks, Setting::ahead());
        let compared = Compared { direct: &direct, ahead: &ahead };
        assert_eq!(ahead.repeated, 0, "{name}: something was asked of the upstream twice");
        if compared.speed() < speed || compared.requests() > requests || compared.bytes() > bytes {
            let _ = writeln!(failures, "{name}: {compared} ({ahead})");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn a_download_of_a_large_project() {
    check(
        LARGE,
        &[("download-1.24", 550, 20, 5), ("download-1.26", 550, 20, 5), ("download-1.27", 550, 20, 5)],
    );
}

#[test]
fn one_command_of_a_large_project_is_built() {
    // Which modules the main module imports is foreseen by nobody: seven or eight of thirteen zips.
    check(LARGE, &[("build-1.24", 200, 30, 5), ("build-1.26", 260, 5, 5), ("build-1.27", 260, 5, 5)]);
}

#[test]
fn the_graph_of_a_large_project_is_listed() {
    // Nothing but .mod and .info; the bytes of a run are a few.
    check(LARGE, &[("list-1.26", 800, 20, 250), ("graph-1.26", 310, 80, 600)]);
}

#[test]
fn a_small_project_over_an_old_graph() {
    check(
        NEW,
        &[
            ("download-1.21", 1000, 2, 5),
            ("download-1.24", 1000, 2, 5),
            ("download-1.27", 1000, 2, 5),
            ("list-1.21", 1400, 2, 10),
            ("list-1.27", 1400, 2, 10),
            ("tidy-1.21", 1000, 15, 60),
            ("tidy-1.27", 1000, 15, 60),
            ("get-1.21", 800, 15, 40),
            ("get-1.27", 800, 15, 40),
            ("why-1.26", 650, 20, 60),
        ],
    );
}

#[test]
fn a_workspace() {
    check(NEW, &[("work-1.21", 1200, 2, 5), ("work-1.27", 1200, 2, 5)]);
}

#[test]
fn an_old_main_module() {
    check(OLD, &[("download-1.21", 1200, 2, 5), ("download-1.26", 1200, 2, 5), ("deps-1.26", 780, 10, 50)]);
}

#[test]
fn a_command_is_installed() {
    check(INSTALL, &[("install-1.26", 220, 2, 5)]);
}

#[test]
fn who_asks_for_one_version_gets_nothing_else_fetched() {
    check(NEW, &[("single-1.27", 99, 0, 0)]);
}

/// Many clients behind one address, each with a graph of its own.
#[test]
fn twenty_graphs_at_once() {
    let alone = World::read(NEW);
    let asks = without_zips(alone.sequence("download-1.27"));
    let setting = Setting { delay: 50_000, ..Setting::ahead() };
    let one = play(&alone, &asks, setting);
    let mut all = World::default();
    let mut sequences = Vec::new();
    for number in 10..30 {
        let world = World::read(&NEW.replace("example.com/e", &format!("example.com/g{number}e")));
        sequences.push(without_zips(world.sequence("download-1.27")));
        all.mods.extend(world.mods);
        all.zips.extend(world.zips);
    }
    let sequences: Vec<&[Ask]> = sequences.iter().map(Vec::as_slice).collect();
    let twenty = play_together(&all, &sequences, Setting { streams: 640, ..setting });
    assert!(twenty.time * 10 <= one.time * 11, "{twenty} for twenty, {one} for one");
    assert!(twenty.requests <= one.requests * 20, "{twenty} for twenty, {one} for one");
}

/// Many clients behind one address, all of one project: nothing is asked for twice, and nobody is slower for it.
#[test]
fn twenty_of_one_graph() {
    let world = World::read(NEW);
    let asks = without_zips(world.sequence("download-1.27"));
    let setting = Setting { delay: 50_000, ..Setting::ahead() };
    let one = play(&world, &asks, setting);
    let twenty = play_together(&world, &[asks.as_slice(); 20], setting);
    assert!(twenty.time * 10 <= one.time * 11, "{twenty} for twenty, {one} for one");
    assert_eq!((twenty.requests, twenty.repeated), (one.requests, 0));
}

/// Projects that share modules at other versions: what one session learns must not mislead the others.
#[test]
fn different_commands_of_one_address_at_once() {
    let large = World::read(LARGE);
    let names = ["download-1.26", "build-1.26", "list-1.26", "build-1.27"];
    let sequences: Vec<&[Ask]> = names.iter().map(|name| large.sequence(name)).collect();
    let together = play_together(&large, &sequences, Setting::ahead());
    let alone: Vec<Outcome> = sequences.iter().map(|asks| play(&large, asks, Setting::ahead())).collect();
    let slowest = alone.iter().map(|outcome| outcome.time).max().unwrap_or_default();
    let requests: usize = alone.iter().map(|outcome| outcome.requests).sum();
    assert!(together.time * 10 <= slowest * 11, "{together}, {slowest} us alone: {:?}", together.blind);
    assert!(together.requests <= requests && together.repeated == 0, "{together}, {requests} alone");
}

fn without_zips(asks: &[Ask]) -> Vec<Ask> {
    asks.iter().filter(|ask| ask.kind != larder_module::request::ObjectKind::Zip).cloned().collect()
}
