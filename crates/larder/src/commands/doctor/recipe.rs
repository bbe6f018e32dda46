//! `larder doctor recipe`: settings to paste, each with its reason.

use std::io::{BufRead, IsTerminal, Write};

use larder_doctor::catalogue::Language;
use larder_doctor::recipe::{Place, Recipe, Wishes, recipe};
use larder_module::defaults;
use serde_json::json;

use super::{Desk, Outcome};
use crate::cli::doctor::{self as cli, PrivateFrom, RecipePlace, Region, ReportFormat};
use crate::render;

/// Prints the recipe for these wishes, or asks for them.
pub(super) fn run(desk: &Desk<'_>, asked: &cli::Recipe) -> Result<(), Outcome> {
    let nothing_said = asked.proxy.is_none()
        && asked.private.is_empty()
        && asked.mirror.is_empty()
        && asked.region.is_none()
        && asked.forward_proxy.is_none()
        && asked.place.is_none();
    let wishes = if nothing_said && std::io::stdin().is_terminal() {
        Questions { input: &mut std::io::stdin().lock(), language: desk.language }.ask()
    } else {
        wishes(asked)
    };
    let recipe = recipe(&wishes, desk.language).map_err(|error| Outcome::usage(&error, None))?;
    match desk.form.format {
        ReportFormat::Text => render::line(text(&recipe).trim_end()),
        ReportFormat::Markdown => render::line(markdown(&recipe).trim_end()),
        ReportFormat::Json => {
            let lines: Vec<_> =
                recipe.lines.iter().map(|line| json!({"text": line.text, "reason": line.reason})).collect();
            render::json(&json!({"schema": larder_doctor::SCHEMA, "lines": lines, "notes": recipe.notes}));
        }
    }
    Ok(())
}

fn wishes(asked: &cli::Recipe) -> Wishes {
    let usual = if asked.proxy.is_some() { PrivateFrom::Proxy } else { PrivateFrom::Git };
    let from = asked.private_from.unwrap_or(usual);
    let china = asked.region == Some(Region::China);
    Wishes {
        proxy: asked.proxy.clone(),
        login: asked.login,
        private: asked.private.clone(),
        proxy_serves_private: from == PrivateFrom::Proxy,
        mirrors: mirrors(&asked.mirror, china && asked.proxy.is_none()),
        // A proxy of the company passes the checksum database on, or is near somebody who can.
        database_blocked: china && asked.proxy.is_none(),
        forward_proxy: asked.forward_proxy.clone(),
        place: match asked.place.unwrap_or(RecipePlace::Shell) {
            RecipePlace::Shell => Place::Shell,
            RecipePlace::Docker => Place::Docker,
            RecipePlace::Github => Place::GithubActions,
            RecipePlace::Gitlab => Place::GitlabCi,
        },
    }
}

fn mirrors(named: &[String], needed: bool) -> Vec<String> {
    if named.is_empty() && needed {
        return defaults::PUBLIC_MIRRORS.iter().map(|url| (*url).to_owned()).collect();
    }
    named.to_vec()
}

/// Asks a person. An empty answer means no, or nothing.
struct Questions<'a, R> {
    input: &'a mut R,
    language: Language,
}

impl<R: BufRead> Questions<'_, R> {
    fn ask(&mut self) -> Wishes {
        let mut asked = cli::Recipe {
            proxy: self
                .answer("Company module proxy (URL, or nothing):", "公司的模块代理（URL，没有则留空）："),
            ..cli::Recipe::default()
        };
        asked.login = asked.proxy.is_some() && self.yes("Does it want a login? [y/N]", "它需要登录吗？[y/N]");
        let private = self.answer(
            "Private modules, as patterns with commas between (git.corp.example, or nothing):",
            "私有模块的模式，用逗号分隔（如 git.corp.example，没有则留空）：",
        );
        asked.private =
            private.iter().flat_map(|all| all.split(',')).map(|one| one.trim().to_owned()).collect();
        if asked.proxy.is_some() && !asked.private.is_empty() {
            let by_proxy = self.yes("Does the proxy serve them? [y/N]", "由该代理提供它们吗？[y/N]");
            asked.private_from = Some(if by_proxy { PrivateFrom::Proxy } else { PrivateFrom::Git });
        }
        if asked.proxy.is_none() && self.yes("Are you in mainland China? [y/N]", "您在中国大陆吗？[y/N]")
        {
            asked.region = Some(Region::China);
        }
        asked.forward_proxy =
            self.answer("Forward proxy on the way out (URL, or nothing):", "出网代理（URL，没有则留空）：");
        let place = self.answer(
            "For: shell, docker, github, gitlab [shell]:",
            "用于：shell、docker、github、gitlab [shell]：",
        );
        asked.place = place.and_then(|name| <RecipePlace as clap::ValueEnum>::from_str(&name, true).ok());
        wishes(&asked)
    }

    fn answer(&mut self, english: &str, chinese: &str) -> Option<String> {
        let question = if self.language == Language::Chinese { chinese } else { english };
        let mut out = anstream::stderr();
        let _closed = write!(out, "{question} ").and_then(|()| out.flush());
        let mut line = String::new();
        let _ended = self.input.read_line(&mut line);
        let answer = line.trim();
        (!answer.is_empty()).then(|| answer.to_owned())
    }

    fn yes(&mut self, english: &str, chinese: &str) -> bool {
        let answer = self.answer(english, chinese).unwrap_or_default().to_lowercase();
        answer.starts_with('y') || answer.starts_with('是')
    }
}

/// Lines to paste with their reasons as comments, which every one of these places knows.
fn text(recipe: &Recipe) -> String {
    let mut out = String::new();
    for line in &recipe.lines {
        let indent = &line.text[..line.text.len() - line.text.trim_start().len()];
        out.push_str(&format!("{indent}# {}\n{}\n", line.reason, line.text));
    }
    for note in &recipe.notes {
        out.push_str(&format!("\n# {note}\n"));
    }
    out
}

fn markdown(recipe: &Recipe) -> String {
    let mut out = format!("```\n{}```\n", text(&Recipe { notes: Vec::new(), ..recipe.clone() }));
    for note in &recipe.notes {
        out.push_str(&format!("\n- {note}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(text: &str) -> Wishes {
        Questions { input: &mut text.as_bytes(), language: Language::English }.ask()
    }

    #[test]
    fn questions_lead_to_the_same_wishes_as_options() {
        let asked = answers("https://proxy.corp.example\ny\ngit.corp.example, team.example\ny\n\ndocker\n");
        let options = cli::Recipe {
            proxy: Some("https://proxy.corp.example".to_owned()),
            login: true,
            private: vec!["git.corp.example".to_owned(), "team.example".to_owned()],
            place: Some(RecipePlace::Docker),
            ..cli::Recipe::default()
        };
        assert_eq!(asked, wishes(&options));
        let nothing = answers("");
        assert_eq!(nothing, Wishes::default());
        let china = answers("\n\ny\n\n\n");
        assert_eq!(china.mirrors, defaults::PUBLIC_MIRRORS);
        assert!(china.database_blocked);
    }

    #[test]
    fn reasons_are_comments_where_the_lines_are() {
        let made = recipe(
            &Wishes { private: vec!["git.corp.example".to_owned()], ..Wishes::default() },
            Language::English,
        );
        let text = text(&made.expect("it can be meant"));
        assert!(text.contains("\ngo env -w GOPRIVATE=git.corp.example\n"), "{text}");
        assert!(
            text.lines().all(|line| line.is_empty() || line.starts_with("# ") || line.starts_with("go env")),
            "{text}"
        );
    }
}
