//! Whole configurations: layers, inheritance, refusals.

use larder_module::defaults;

use super::*;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary folder"))
    }

    fn environment(&self, extra: &[(&str, &str)]) -> Environment {
        let mut environment = Environment::from([("HOME", self.0.path().to_str().expect("utf-8"))]);
        for (name, value) in extra {
            environment.set(name, value);
        }
        environment
    }

    fn go_env(&self, text: &str) {
        fs_err::create_dir_all(self.0.path().join(".config/go")).expect("folder");
        fs_err::write(self.0.path().join(".config/go/env"), text).expect("file");
    }

    fn config(&self, text: &str) -> PathBuf {
        let path = self.0.path().join("larder.toml");
        fs_err::write(&path, text).expect("file");
        path
    }
}

fn resolve(home: &Home, extra: &[(&str, &str)], file: &str, flags: Flags) -> Result<Config, Vec<String>> {
    let path = home.config(file);
    Config::resolve(&home.environment(extra), Some(path), flags)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn nothing_said_means_what_the_go_command_would_do() {
    let home = Home::new();
    let config = Config::resolve(&home.environment(&[]), None, Vec::new()).expect("defaults are fine");
    assert_eq!(config.text("goproxy"), defaults::GOPROXY);
    assert_eq!(config.text("gosumdb"), defaults::GOSUMDB);
    assert_eq!(config.routes.len(), 1);
    assert!(config.path("data").expect("a folder").starts_with(home.0.path()));
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let home = Home::new();
    let file = "listen = \"127.0.0.1:1\"\n[answers]\nfresh = \"5s\"\n";
    let with_flag = vec![("listen", "127.0.0.1:3".to_owned(), "listen")];
    let config = resolve(&home, &[("LARDER_LISTEN", "127.0.0.1:2")], file, with_flag).expect("fine");
    assert_eq!(config.listen().port(), 3);
    assert_eq!(config.origin("listen"), Origin::Flag("listen"));
    assert_eq!(config.duration("answers.fresh"), Duration::from_secs(5));
    let config = resolve(&home, &[("LARDER_LISTEN", "127.0.0.1:2")], file, Vec::new()).expect("fine");
    assert_eq!(config.listen().port(), 2);
}

#[test]
fn mistakes_of_all_layers_are_reported_together() {
    let home = Home::new();
    let flags = vec![("listen", "nowhere".to_owned(), "listen")];
    let wrong =
        resolve(&home, &[("LARDER_MEMROY", "1"), ("LARDER_MEMORY", "lots")], "dta = 1\n", flags).unwrap_err();
    assert_eq!(wrong.len(), 4, "{wrong:?}");
    assert!(wrong.iter().any(|line| line.contains("did you mean LARDER_MEMORY?")), "{wrong:?}");
}

#[test]
fn inherited_private_patterns_come_first_and_only_the_same_pattern_replaces_one() {
    let home = Home::new();
    let environment =
        [("GOPRIVATE", "a.example.com,b.example.com"), ("GOPROXY", "https://proxy.example.com")];
    let file = "[[route]]\nmatch = [\"b.example.com\"]\nchain = \"off\"\n[[route]]\nmatch = [\"a.example.com/x\"]\nchain = \"off\"\n";
    let config = resolve(&home, &environment, file, Vec::new()).expect("fine");
    let seen: Vec<_> =
        config.routes.iter().map(|r| (r.patterns.as_str(), r.chain.as_str(), r.private)).collect();
    assert_eq!(
        seen,
        [
            ("a.example.com", "direct", true),
            ("b.example.com", "off", false),
            ("a.example.com/x", "off", false),
            ("*", "https://proxy.example.com", false),
        ]
    );
    assert_eq!(config.private_patterns(), "a.example.com");
    assert_eq!(config.unlisted_patterns(), "a.example.com,b.example.com");
    assert_eq!(config.text("gonosumdb"), "a.example.com,b.example.com");
}

#[test]
fn private_but_proxied_stays_private() {
    let home = Home::new();
    let environment =
        [("GOPRIVATE", "a.example.com"), ("GONOPROXY", "none"), ("GOPROXY", "https://proxy.example.com")];
    let config = resolve(&home, &environment, "", Vec::new()).expect("fine");
    assert_eq!(config.routes[0].chain, "https://proxy.example.com");
    assert!(config.routes[0].private);
}

#[test]
fn an_inherited_entry_that_is_this_server_is_left_out_with_a_notice() {
    let home = Home::new();
    home.go_env("GOPROXY=https://proxy-b.example.com,direct\n");
    let config =
        resolve(&home, &[("GOPROXY", "http://localhost:3000,direct")], "", Vec::new()).expect("fine");
    assert_eq!(config.text("goproxy"), "https://proxy-b.example.com,direct");
    assert_eq!(config.notices.len(), 1, "{:?}", config.notices);
    home.go_env("");
    let config = resolve(&home, &[("GOPROXY", "http://localhost:3000")], "", Vec::new()).expect("fine");
    assert_eq!(config.text("goproxy"), defaults::GOPROXY);
}

#[test]
fn a_configured_entry_that_is_this_server_is_refused() {
    let home = Home::new();
    let wrong = resolve(&home, &[], "goproxy = \"http://127.0.0.1:3000,direct\"\n", Vec::new()).unwrap_err();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("is this server itself"), "{wrong:?}");
    let file = "[[route]]\nmatch = [\"*\"]\nchain = \"localhost:3000\"\n";
    let wrong = resolve(&home, &[], file, Vec::new()).unwrap_err();
    assert_eq!(wrong.len(), 1, "scheme-less means https, but a port of 3000 is still ours: {wrong:?}");
}

#[test]
fn values_that_need_each_other_are_checked_together() {
    let home = Home::new();
    let wrong =
        resolve(&home, &[("LARDER_TLS_KEY", "key.pem")], "base_path = \"go/\"\n", Vec::new()).unwrap_err();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    let wrong =
        resolve(&home, &[], "private_clients = [\"10.0.0.0/33\"]\nanswers.fresh = \"2h\"\n", Vec::new());
    assert_eq!(wrong.unwrap_err().len(), 2);
}

#[test]
fn a_missing_file_is_named() {
    let home = Home::new();
    let missing = home.0.path().join("nope.toml");
    let wrong = Config::resolve(&home.environment(&[]), Some(missing), Vec::new()).unwrap_err();
    assert!(wrong[0].to_string().contains("nope.toml"), "{wrong:?}");
}

#[test]
fn what_the_manuals_show_is_accepted() {
    let manuals = [
        include_str!("../../../../docs/configuration.md"),
        include_str!("../../../../docs/private-modules.md"),
    ];
    let samples: Vec<&str> = manuals
        .iter()
        .flat_map(|text| text.split("```toml\n").skip(1))
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(samples.len() >= 8, "{}", samples.len());
    for sample in samples {
        let home = Home::new();
        resolve(&home, &[], sample, Vec::new()).unwrap_or_else(|wrong| panic!("{sample}\n{wrong:?}"));
    }
}
