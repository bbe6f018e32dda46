//! `kill -9` of the server while git fetches: no process is left, and the next server answers.

use std::time::{Duration, Instant};

use larder_testkit::git_server::{GitFault, Stage};
use larder_testkit::{FakeUpstream, GitServer, LarderProcess, Scenario};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");
const NAME: &str = "git.corp.example/team/repo";

/// Returns the processes whose arguments hold some text, but not those of the server.
fn processes(text: &str) -> Vec<String> {
    let entries = fs_err::read_dir("/proc").expect("Linux").flatten();
    let arguments = entries.filter_map(|entry| {
        let arguments = fs_err::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&arguments).replace('\0', " "))
    });
    arguments.filter(|arguments| arguments.contains(text) && arguments.contains("git")).collect()
}

fn wait_until(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

fn ask(larder: &LarderProcess) -> u16 {
    larder.get(&format!("/{NAME}/@v/v1.0.0.info")).status
}

#[test]
fn nothing_outlives_a_killed_server_and_the_next_one_answers() {
    let forge = GitServer::start();
    let mut source = forge.repository(NAME);
    let first = source.files(&[("go.mod", &format!("module {NAME}\n")), ("a.go", "package a\n")]);
    source.tag("v1.0.0", first);
    source.save();
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let config = format!(
        "[upstream]\nca = [\"{}\"]\n[[route]]\nmatch = [\"git.corp.example\"]\nchain = \"direct\"\nprivate = true\n\
         [[repository]]\nmatch = [\"{NAME}\"]\nurl = \"{}\"\n",
        forge.authority_file().display(),
        forge.url(NAME)
    );
    let settings = scene.larder.clone().config(&config);
    let mark = forge.address().to_string();
    for stage in [Stage::Advertisement, Stage::Fetch] {
        let fault = if stage == Stage::Fetch { GitFault::Stall(50) } else { GitFault::Hang };
        forge.fault(NAME, Some(stage), fault, None);
        let larder = settings.start();
        let (address, path) = (larder.url().to_owned(), format!("/{NAME}/@v/v1.0.0.info"));
        std::thread::spawn(move || larder_testkit::client::get(&address, &path));
        assert!(wait_until(Duration::from_secs(20), || forge.log().iter().any(|asked| asked.stage == stage)));
        assert!(wait_until(Duration::from_secs(10), || processes(&mark).len() > 1), "{:?}", processes(&mark));
        larder.kill();
        assert!(wait_until(Duration::from_secs(5), || processes(&mark).is_empty()), "{:?}", processes(&mark));
        forge.heal();
        forge.forget();
    }
    let larder = settings.start();
    assert_eq!(ask(&larder), 200);
    assert!(wait_until(Duration::from_secs(5), || processes(&mark).is_empty()));
}
