use larder_module::defaults;

use super::*;
use crate::project::ProjectFacts;
use crate::settings::{GoSetting, NetworkSettings, Origin};

fn facts(settings: &[(&str, &str)]) -> Facts {
    let mut go: Vec<GoSetting> = settings
        .iter()
        .map(|(name, value)| GoSetting {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            origin: Origin::Environment,
            hides: Vec::new(),
        })
        .collect();
    for (name, value) in [("GOPROXY", defaults::GOPROXY), ("GOSUMDB", defaults::GOSUMDB)] {
        if !go.iter().any(|one| one.name == name) {
            go.push(GoSetting { name: name.to_owned(), value: value.to_owned(), ..GoSetting::default() });
        }
    }
    Facts { settings: Some(SettingFacts { go, ..SettingFacts::default() }), ..Facts::default() }
}

fn whom(explanation: &Explanation) -> Vec<String> {
    match &explanation.route {
        Route::Refused => vec!["refused".to_owned()],
        Route::Local => vec!["local".to_owned()],
        Route::Asked { stations, .. } => stations
            .iter()
            .map(|station| match &station.whom {
                Whom::Proxy(url) => format!("{url}{}", if station.after_failure { "|" } else { "" }),
                Whom::Direct => "direct".to_owned(),
                Whom::Off => "off".to_owned(),
            })
            .collect(),
    }
}

#[test]
fn routes() {
    let a = "https://a.example.com";
    for (settings, module, expected) in [
        (
            &[("GOPROXY", "https://a.example.com|direct")][..],
            "example.com/m",
            vec![format!("{a}|"), "direct".into()],
        ),
        (&[("GOPROXY", "https://u:p@a.example.com")], "example.com/m", vec![a.to_owned()]),
        (&[("GOPROXY", "off")], "example.com/m", vec!["off".into()]),
        (&[("GOPROXY", "off"), ("GONOPROXY", "example.com")], "example.com/m", vec!["direct".into()]),
        (&[("GOPROXY", "none"), ("GONOPROXY", "example.com")], "example.com/m", vec!["refused".into()]),
        (
            &[("GOPROXY", "https://a.example.com"), ("GONOPROXY", "other.example")],
            "example.com/m",
            vec![a.to_owned()],
        ),
        (&[], "fmt", vec!["local".into()]),
        (&[], "https://example.com/m", vec!["refused".into()]),
        (&[("GO111MODULE", "off")], "example.com/m", vec!["refused".into()]),
        (&[("GOFLAGS", "mod=mod")], "example.com/m", vec!["refused".into()]),
    ] {
        assert_eq!(
            whom(&explain(&facts(settings), module, Some("v1.0.0"))),
            expected,
            "{settings:?} {module}"
        );
    }
}

#[test]
fn replacements_are_asked_for_instead() {
    let mut facts = facts(&[("GOPROXY", "https://a.example.com"), ("GONOSUMDB", "fork.example")]);
    facts.project = Some(ProjectFacts {
        module: Some("example.com/own".to_owned()),
        requires: vec![("example.com/m".to_owned(), "v1.0.0".to_owned(), false)],
        replaces: vec![
            ("example.com/m@v1.0.0".to_owned(), "fork.example/m@v1.1.0".to_owned(), true),
            ("example.com/n".to_owned(), "../n".to_owned(), true),
        ],
        ..ProjectFacts::default()
    });
    let explanation = explain(&facts, "example.com/m", None);
    assert!(matches!(&explanation.route, Route::Asked { path, .. } if path == "fork.example/m"));
    assert_eq!(explanation.checksum, ChecksumRoute::NotAsked);
    assert_eq!(whom(&explain(&facts, "example.com/n", None)), ["local"]);
    assert_eq!(whom(&explain(&facts, "example.com/own", None)), ["local"]);
}

#[test]
fn checksum_databases() {
    let through = |explanation: &Explanation| match &explanation.checksum {
        ChecksumRoute::NotAsked => "nobody".to_owned(),
        ChecksumRoute::Refused => "refused".to_owned(),
        ChecksumRoute::At { url, .. } => url.clone(),
        ChecksumRoute::Through { proxies, .. } => format!("{} proxies", proxies.len()),
    };
    for (settings, module, expected) in [
        (&[][..], "example.com/m", "1 proxies"),
        (&[("GOPROXY", "direct")], "example.com/m", "0 proxies"),
        (&[("GOSUMDB", "off")], "example.com/m", "nobody"),
        (&[("GOSUMDB", "off\r")], "example.com/m", "refused"),
        (&[("GOSUMDB", "a b c")], "example.com/m", "refused"),
        (&[("GONOSUMDB", "example.com")], "example.com/m", "nobody"),
        (&[("GOSUMDB", "off")], "toolchain", "refused"),
        (&[("GOSUMDB", "off"), ("GOPROXY", "file:///srv/go")], "toolchain", "nobody"),
        (&[("GOSUMDB", defaults::GOSUMDB_ALIAS)], "example.com/m", defaults::GOSUMDB_ALIAS_URL),
    ] {
        let explanation = explain(&facts(settings), module, Some("v1.0.0"));
        assert_eq!(through(&explanation), expected, "{settings:?} {module}");
    }
}

#[test]
fn no_step_shows_a_login_and_each_has_words() {
    let mut facts = facts(&[
        ("GOPROXY", "https://u:hunter2@a.example.com,http://u:hunter2@b.example.com|direct"),
        ("GOVCS", "public:hg"),
        ("GOINSECURE", "example.com"),
        ("GONOPROXY", " example.com"),
    ]);
    let network = NetworkSettings {
        proxy_variables: vec![(
            "HTTPS_PROXY".to_owned(),
            "http://u:hunter2@proxy.example.com:3128".to_owned(),
        )],
        ..NetworkSettings::default()
    };
    if let Some(settings) = facts.settings.as_mut() {
        settings.network = network;
    }
    let explanation = explain(&facts, "example.com/m", None);
    let mut text = serde_json::to_string(&explanation).expect("JSON");
    for language in [Language::English, Language::Chinese] {
        for step in &explanation.steps {
            text.push_str(&step.sentence(language));
            text.push('\n');
        }
        explanation.leaks.iter().for_each(|leak| text.push_str(&leak.sentence(language)));
    }
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("through http://proxy.example.com:3128"), "{text}");
    assert!(text.contains("the blank is part of the pattern"), "{text}");
}
