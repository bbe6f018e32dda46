//! Where `direct` leads: a repository that the path names itself, or the page that names it.

use larder_module::govcs::Govcs;
use larder_module::hosting::{Told, told_by};

use super::{Decision, Role, Work, chain, pattern};

/// Notes where the repository of a path is looked for. `always` says that nobody is asked before.
pub(super) fn decide(work: &mut Work<'_>, path: &str, always: bool) {
    let told = told_by(path);
    let (root, system) = match &told {
        Told::Impossible(reason) => {
            work.step(Decision::NoRepository { reason: (*reason).to_owned() }, &[]);
            return;
        }
        Told::Everything { root, system, repository, .. } => {
            let host = repository.split('/').next().unwrap_or_default().to_owned();
            work.step(
                Decision::Repository { root: root.clone(), system: (*system).to_owned(), host: host.clone() },
                &[],
            );
            work.leak(host, Role::Repository, always, false);
            (root.as_str(), Some(*system))
        }
        Told::Nothing => {
            page(work, path, always);
            (path, None)
        }
    };
    version_control(work, root, system);
}

fn page(work: &mut Work<'_>, path: &str, always: bool) {
    let url = format!("https://{path}?go-get=1");
    let forward_proxy = chain::forward_proxy(work, &url);
    work.step(Decision::GoImport { url: url.clone(), forward_proxy }, &[]);
    if let Some(pattern) = pattern::first_match(work.value("GOINSECURE"), path) {
        work.step(Decision::Insecure { pattern }, &["GOINSECURE"]);
    }
    work.login(&url);
    let host = path.split('/').next().unwrap_or_default();
    work.leak(host, Role::GoImport, always, false);
}

fn version_control(work: &mut Work<'_>, root: &str, system: Option<&str>) {
    let rules = match Govcs::parse(work.value("GOVCS")) {
        Ok(rules) => rules,
        Err(fault) => {
            work.step(Decision::BadVersionControlRules { fault: fault.to_string() }, &["GOVCS"]);
            return;
        }
    };
    let private = pattern::first_match(work.value("GOPRIVATE"), root).is_some();
    let rule = rules.rule_for(root, private);
    let allowed = rules.allows(system.unwrap_or("git"), root, private);
    work.step(
        Decision::VersionControl {
            rule: rule.map(|rule| rule.to_string()).unwrap_or_default(),
            private,
            system: system.map(str::to_owned),
            allowed,
        },
        &["GOVCS", "GOPRIVATE"],
    );
}
