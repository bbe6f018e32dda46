//! Walking chains by Go's rules.

use larder_module::pattern::Patterns;
use larder_upstream::{
    FetchCause, FetchError, Prefetch, Route, Routes, SmallReply, Upstream, VerifyMode, WalkFailure,
};

use crate::support::{Server, Step, chain, good_body, info, pool, reply, soon};

async fn ask(upstream: Upstream) -> Result<SmallReply, FetchError> {
    upstream.small(&info(), None, soon()).await
}

/// Starts a server for each letter and walks the list in which the letter stands for its URL.
///
/// g: good, n: not found, o: gone, f: forbidden, e: error, r: reset, s: stalled, h: a page.
async fn walk(list: &str) -> (Result<char, WalkFailure>, String) {
    let (mut servers, mut text) = (Vec::new(), String::new());
    let mut word = String::new();
    for letter in list.chars().chain([',']) {
        match letter {
            ',' | '|' => {
                if word.len() > 1 {
                    text.push_str(&word);
                } else if let Some(behaviour) = word.chars().next() {
                    let server = Server::start(move |head, _| match behaviour {
                        'g' => reply(200, "", good_body(head.path())),
                        'n' => reply(404, "", "not found"),
                        'o' => reply(410, "", "gone"),
                        'f' => reply(403, "", "no"),
                        'e' => reply(500, "", "broken"),
                        'h' => reply(200, "", "<html>"),
                        's' => vec![Step::Stall],
                        _ => vec![Step::Reset],
                    })
                    .await;
                    text.push_str(&server.url());
                    servers.push((behaviour, server));
                }
                word.clear();
                text.push(letter);
            }
            letter => word.push(letter),
        }
    }
    let pool = pool();
    let result = chain(&pool, text.trim_end_matches(',')).walk(ask).await;
    let asked =
        servers.iter().filter(|(_, server)| server.requests() > 0).map(|(letter, _)| *letter).collect();
    let winner = |(_, name): (SmallReply, larder_upstream::UpstreamName)| {
        servers.iter().find(|(_, server)| server.url() == name.as_str()).map(|(letter, _)| *letter).unwrap()
    };
    (result.map(winner), asked)
}

#[tokio::test]
async fn separators_decide_who_is_asked_next() {
    let mut walks = tokio::task::JoinSet::new();
    for (list, asked, found) in [
        ("g", "g", true),
        ("g,g", "g", true),
        ("n,g", "ng", true),
        ("o,g", "og", true),
        ("n,o,g", "nog", true),
        ("f,g", "f", false),
        ("e,g", "e", false),
        ("r,g", "r", false),
        ("s,g", "s", false),
        ("h,g", "h", false),
        ("f|g", "fg", true),
        ("e|g", "eg", true),
        ("r|g", "rg", true),
        ("s|g", "sg", true),
        ("h|g", "hg", true),
        ("e|n,g", "eng", true),
        ("e|f,g", "ef", false),
        ("n|e,g", "ne", false),
        ("n,off", "n", false),
        ("n,direct", "n", false),
        ("off,g", "", false),
        ("direct|g", "", false),
    ] {
        walks.spawn(async move {
            let (result, who) = walk(list).await;
            assert_eq!(who, asked, "{list}");
            assert_eq!(result.is_ok(), found, "{list}");
        });
    }
    while let Some(result) = walks.join_next().await {
        result.unwrap();
    }
}

#[tokio::test]
async fn absence_needs_everybody_to_say_so() {
    let is_status =
        |cause: &FetchCause, code| matches!(cause, FetchCause::Status { status, .. } if *status == code);
    for list in ["n", "o", "n,o", "n|n", "direct", "n,direct"] {
        let failure = walk(list).await.0.unwrap_err();
        assert!(failure.is_absence() && failure.verdict().unwrap().is_absence(), "{list}");
    }
    for list in ["e|n", "n|e", "e|n|n", "n,e", "e|off", "e|direct", "e|n,direct"] {
        let failure = walk(list).await.0.unwrap_err();
        assert!(!failure.is_absence(), "{list}");
        assert!(is_status(&failure.verdict().unwrap().cause, 500), "{list}: {failure:?}");
    }
    // Of several failures the last one stands for the walk.
    let failure = walk("e|f|n").await.0.unwrap_err();
    assert_eq!(failure.verdict().unwrap().cause, FetchCause::Denied { status: Some(403) });
    assert_eq!(failure.attempts.len(), 3);
}

#[tokio::test]
async fn off_ends_the_look_ups_and_says_so() {
    for (list, expected) in [("off", FetchCause::LookupsOff), ("n,off", FetchCause::LookupsOff)] {
        let failure = walk(list).await.0.unwrap_err();
        let verdict = failure.verdict().unwrap();
        assert_eq!(verdict.cause, expected, "{list}");
        assert!(!failure.is_absence() && verdict.attempts == 0);
    }
}

#[tokio::test]
async fn the_first_route_that_matches_decides() {
    let pool = pool();
    let route = |name: &str, patterns: &str, list: &str, private| Route {
        name: name.to_owned(),
        patterns: Patterns::parse(patterns),
        chain: chain(&pool, list),
        private,
        verify: VerifyMode::default(),
        prefetch: Prefetch::default(),
    };
    let routes = Routes::new(
        vec![
            route("inner", "git.example.com/team", "off", true),
            route("corp", "git.example.com,*.corp.example.com", "https://private.example.com", true),
        ],
        route("public", "*", "https://proxy.example.com,direct", false),
    );
    for (path, name) in [
        ("git.example.com/team/x", "inner"),
        ("git.example.com/other/x", "corp"),
        ("a.corp.example.com/x", "corp"),
        ("example.com/x", "public"),
    ] {
        assert_eq!(routes.route(path).name, name, "{path}");
    }
    assert_eq!(routes.iter().count(), 3);
    assert_eq!(routes.route("x.example.com").verify, VerifyMode::Required);
}
