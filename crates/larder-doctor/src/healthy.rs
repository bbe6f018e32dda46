//! What was checked and found well, in words.

use crate::Facts;
use crate::catalogue::Language;
use crate::probe::ProbeFacts;

/// Returns the lines for what was looked at; whoever shows them knows that nothing was found.
pub(crate) fn words(facts: &Facts, language: Language) -> Vec<String> {
    let english = language == Language::English;
    let mut lines = Vec::new();
    if let Some(settings) = &facts.settings {
        let chain = settings.value("GOPROXY");
        lines.push(if english {
            format!("Settings: {} of Go, GOPROXY={chain}", settings.go.len())
        } else {
            format!("设置：{} 项 Go 设置，GOPROXY={chain}", settings.go.len())
        });
    }
    if facts.project.is_some() || facts.cache.is_some() {
        let project = facts.project.as_ref().and_then(|project| project.module.as_deref());
        let cache = facts.cache.as_ref().and_then(|cache| cache.folder.as_deref()).unwrap_or("-");
        lines.push(match (english, project) {
            (true, Some(module)) => format!("Local: module {module}, module cache {cache}"),
            (true, None) => format!("Local: no project here, module cache {cache}"),
            (false, Some(module)) => format!("本地：模块 {module}，模块缓存 {cache}"),
            (false, None) => format!("本地：此处没有项目，模块缓存 {cache}"),
        });
    }
    lines.extend(facts.probes.as_ref().map(|probes| network(probes, english)));
    lines
}

/// What was asked of the network, or why nothing was.
fn network(probes: &ProbeFacts, english: bool) -> String {
    let (hosts, requests, git) = (probes.hosts.len(), probes.requests.len(), probes.git.len());
    let was_skipped = |id: &str| probes.skipped.iter().any(|skipped| skipped.id == id);
    match (english, hosts + requests + git) {
        (true, 0) if was_skipped("network") => "Network: not looked at, as was asked for".to_owned(),
        (false, 0) if was_skipped("network") => "网络：按要求未检查".to_owned(),
        (true, 0) => "Network: nothing to ask, all that is needed lies here".to_owned(),
        (false, 0) => "网络：无需询问，所需内容均在本地".to_owned(),
        (true, _) if git > 0 => {
            format!(
                "Network: hosts reached: {hosts}, answered as the go command needs: {requests} requests, and git"
            )
        }
        (false, _) if git > 0 => {
            format!("网络：{hosts} 个主机可达，{requests} 个请求与 git 的回答符合 go 命令的需要")
        }
        (true, _) => {
            format!("Network: hosts reached: {hosts}, requests answered as the go command needs: {requests}")
        }
        (false, _) => format!("网络：{hosts} 个主机可达，{requests} 个请求的回答符合 go 命令的需要"),
    }
}
