//! What was checked and found well, in words.

use crate::Facts;
use crate::catalogue::Language;

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
    if let Some(probes) = &facts.probes {
        let (hosts, requests) = (probes.hosts.len(), probes.requests.len());
        lines.push(if english {
            format!("Network: hosts reached: {hosts}, requests answered as the go command needs: {requests}")
        } else {
            format!("网络：{hosts} 个主机可达，{requests} 个请求的回答符合 go 命令的需要")
        });
    }
    lines
}
