use super::*;

fn names() -> Names {
    let facts: Facts = serde_json::from_value(serde_json::json!({
        "settings": {
            "go": [
                {"name": "GOPRIVATE", "value": "git.corp.example,github.com/corp", "origin": "environment"},
                {"name": "GOPROXY", "value": "https://goproxy.corp.example/go,https://proxy-a:3000", "origin": "environment"}
            ],
            "network": {"proxy_variables": [["HTTPS_PROXY", "http://squid:3128"]]}
        },
        "project": {"go_mod": "/srv/work/app/go.mod", "module": "github.com/acme/app",
                    "requires": [["git.corp.example/team/lib", "v1.0.0", false]]},
    }))
    .expect("facts");
    let environment = [("USER", "wanda"), ("HOME", "/home/wanda"), ("HOSTNAME", "build-7")];
    Names::of(&facts, &environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

#[test]
fn private_names_become_others_and_public_ones_stay() {
    let mut names = names();
    for (text, expected) in [
        ("git.corp.example/team/lib@v1.2.3", "module-1@v1.2.3"),
        (
            "reading https://goproxy.corp.example/go/git.corp.example/team/lib/@v/v1.2.3.info: 404 Not Found",
            "reading https://host-1/go/module-1/@v/v1.2.3.info: 404 Not Found",
        ),
        ("git.corp.example/team/lib/secret/plan", "module-1/package-1"),
        ("git.corp.example/other/!thing", "module-2"),
        ("github.com/corp/tool@v0.1.0", "module-3@v0.1.0"),
        ("github.com/acme/app/internal/x", "module-4/package-2"),
        ("github.com/acme/other", "module-5"),
        ("github.com/pkg/errors@v0.9.1", "github.com/pkg/errors@v0.9.1"),
        (
            "dial tcp: lookup goproxy.corp.example on 10.1.2.3:53: no such host",
            "dial tcp: lookup host-1 on address-1:53: no such host",
        ),
        ("lookup proxy-a on 10.1.2.3:53", "lookup host-2 on address-1:53"),
        ("read tcp 10.1.2.4:4711->10.1.2.3:443: read", "read tcp address-2:4711->address-1:443: read"),
        ("dial tcp [fd00::1]:443", "dial tcp [address-3]:443"),
        ("127.0.0.53:53 and [::1]:53", "127.0.0.53:53 and [::1]:53"),
        ("NO_PROXY=10.0.0.0/8,.corp.example", "NO_PROXY=address-4/8,.host-3"),
        (
            "/home/wanda/go/pkg/mod/cache/download/git.corp.example/team/lib/@v/list",
            "/home/user-1/go/pkg/mod/cache/download/module-1/@v/list",
        ),
        ("/home/otto/x", "/home/user-2/x"),
        ("owner wanda", "owner user-1"),
        ("/srv/work/app/go.mod:7: unknown directive", "/folder-1/go.mod:7: unknown directive"),
        ("git@git.corp.example:team/lib.git", "git@host-4:module-1"),
        ("mail paula@corp.example", "mail user-3@host-3"),
        ("on build-7", "on host-5"),
        ("http://squid:3128", "http://host-6:3128"),
        ("main.go:12:3: errors.New in go.mod", "main.go:12:3: errors.New in go.mod"),
        ("C:\\Users\\Wanda\\go", "C:\\Users\\user-4\\go"),
        ("GOPRIVATE=git.corp.example,*.corp.example/x", "GOPRIVATE=host-4,*.module-6"),
        ("v1.2.3.4 and go1.24.11", "v1.2.3.4 and go1.24.11"),
    ] {
        assert_eq!(names.rename(text), expected, "{text}");
    }
}

#[test]
fn the_public_defaults_of_go_stay() {
    let mut names = names();
    for text in [defaults::GOPROXY, defaults::GOSUMDB, defaults::GOSUMDB_ALIAS_URL] {
        assert_eq!(names.rename(text), text);
    }
}

#[test]
fn the_module_behind_a_checksum_database_is_private_too() {
    let asked =
        |module: &str| format!("https://{0}/lookup/{module}@v1.2.3", larder_module::defaults::GOSUMDB);
    assert_eq!(names().rename(&asked("git.corp.example/team/lib")), asked("module-1"));
    assert_eq!(names().rename(&asked("github.com/pkg/errors")), asked("github.com/pkg/errors"));
}

#[test]
fn no_text_makes_it_panic() {
    let mut names = names();
    for text in [
        "",
        "@",
        "://",
        "/",
        "%",
        "%2",
        "%2F",
        "é@é",
        "a@",
        "@b.cd",
        "!",
        "//",
        ":",
        "a.bc:",
        "\\",
        "模块.中文/a",
        "%é",
        "a/@v",
    ] {
        let _renamed = names.rename(text);
    }
}

#[test]
fn a_module_whose_repository_wants_a_login_is_private_wherever_it_lies() {
    let symptom = crate::Symptom {
        module: Some("github.com/corp/hidden".to_owned()),
        text: "fatal: could not read Username for 'https://github.com'".to_owned(),
        ..crate::Symptom::default()
    };
    let mut names = Names::of(&Facts { symptoms: vec![symptom], ..Facts::default() }, &BTreeMap::new());
    assert_eq!(names.rename("github.com/corp/hidden and github.com/corp/two"), "module-1 and module-2");
    assert_eq!(names.rename("https://github.com/pkg/errors"), "https://github.com/pkg/errors");
}
