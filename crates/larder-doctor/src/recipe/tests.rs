use super::*;

fn texts(wishes: &Wishes) -> Vec<String> {
    let made = recipe(wishes, Language::English).expect("it can be meant");
    assert!(made.lines.iter().all(|line| !line.reason.is_empty()));
    made.lines.into_iter().map(|line| line.text).collect()
}

fn company(place: Place) -> Wishes {
    Wishes {
        proxy: Some("https://proxy.corp.example:8443/".to_owned()),
        login: true,
        private: vec!["git.corp.example".to_owned(), "*.team.example/x".to_owned()],
        proxy_serves_private: true,
        forward_proxy: Some("http://out.corp.example:3128".to_owned()),
        place,
        ..Wishes::default()
    }
}

#[test]
fn a_proxy_that_serves_private_modules_is_not_bypassed() {
    assert_eq!(
        texts(&company(Place::Shell)),
        [
            "go env -w GOPROXY=https://proxy.corp.example:8443",
            "go env -w 'GONOSUMDB=git.corp.example,*.team.example/x'",
            "export HTTPS_PROXY=http://out.corp.example:3128",
            "export HTTP_PROXY=http://out.corp.example:3128",
            "export NO_PROXY=git.corp.example,.team.example,proxy.corp.example",
            "umask 077; echo 'machine proxy.corp.example:8443 login USER password TOKEN' >> ~/.netrc",
        ]
    );
    let made = recipe(&company(Place::Shell), Language::English).expect("it can be meant");
    assert!(made.notes.iter().any(|note| note.contains("Leave GOPRIVATE unset")), "{made:?}");
}

#[test]
fn private_modules_from_git_keep_their_names_from_everybody() {
    let wishes = Wishes { private: vec!["git.corp.example".to_owned()], ..Wishes::default() };
    assert_eq!(texts(&wishes), ["go env -u GOPROXY", "go env -w GOPRIVATE=git.corp.example"]);
}

#[test]
fn mirrors_lead_on_after_any_failure_and_verification_stays_on() {
    let wishes = Wishes {
        mirrors: vec![
            "https://mirror-a.example.com".to_owned(),
            "https://mirror-b.example.com/goproxy/".to_owned(),
        ],
        database_blocked: true,
        ..Wishes::default()
    };
    assert_eq!(
        texts(&wishes),
        [
            "go env -w 'GOPROXY=https://mirror-a.example.com|https://mirror-b.example.com/goproxy|direct'"
                .to_owned(),
            format!("go env -w GOSUMDB={}", defaults::GOSUMDB_ALIAS),
        ]
    );
    for place in [Place::Shell, Place::Docker, Place::GithubActions, Place::GitlabCi] {
        for line in texts(&Wishes { place, ..wishes.clone() }).into_iter().chain(texts(&company(place))) {
            assert!(!line.contains("GOSUMDB=off") && !line.contains("GOINSECURE"), "{line}");
        }
    }
}

#[test]
fn a_dockerfile_never_holds_the_login() {
    let lines = texts(&company(Place::Docker));
    assert_eq!(lines[0], "ENV GOPROXY=\"https://proxy.corp.example:8443\"");
    assert!(
        lines.iter().any(|line| line.contains("--mount=type=secret,id=netrc") && line.contains("NETRC=")),
        "{lines:#?}"
    );
    assert!(lines.iter().all(|line| !line.contains("password")), "{lines:#?}");
    assert!(
        lines.last().is_some_and(|line| line.starts_with("# docker build --build-arg HTTPS_PROXY=")),
        "{lines:#?}"
    );
}

#[test]
fn ci_files_begin_with_their_block() {
    assert!(texts(&company(Place::GithubActions))[0].starts_with("env:\n  GOPROXY: "));
    assert!(texts(&company(Place::GitlabCi))[0].starts_with("variables:\n  GOPROXY: "));
    assert!(
        texts(&Wishes { place: Place::GitlabCi, ..Wishes::default() })[0]
            .starts_with("variables:\n  GOMODCACHE: ")
    );
}

#[test]
fn wishes_that_can_not_be_meant_are_named() {
    let wrong = |wishes: Wishes| recipe(&wishes, Language::English).expect_err("it can't be meant");
    let proxy = |url: &str| Wishes { proxy: Some(url.to_owned()), ..Wishes::default() };
    assert!(matches!(wrong(proxy("proxy.corp.example")), WishError::Url(_)));
    assert!(matches!(wrong(proxy("ftp://proxy.corp.example")), WishError::Url(_)));
    assert!(matches!(wrong(proxy("https://a.example,direct")), WishError::Url(_)));
    assert_eq!(wrong(proxy("https://u:secret@proxy.corp.example")), WishError::LoginInUrl);
    for pattern in ["https://git.corp.example", "a, b", ".corp.example", "", "a;b"] {
        let wishes = Wishes { private: vec![pattern.to_owned()], ..Wishes::default() };
        assert!(matches!(wrong(wishes), WishError::Pattern(_)), "{pattern}");
    }
    let nobody =
        Wishes { private: vec!["a.example".to_owned()], proxy_serves_private: true, ..Wishes::default() };
    assert_eq!(wrong(nobody), WishError::NoProxy);
}
