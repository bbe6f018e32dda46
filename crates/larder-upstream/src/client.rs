//! The HTTP clients: one for hosts that the operator named, one for those that strangers name.

use std::time::Duration;

use crate::guard::{GuardedResolver, Judge};
use crate::resolver::SystemResolver;
use crate::settings::UpstreamSettings;
use crate::transport::SettingsError;

/// Builds the client for upstreams and listed hosts.
pub(crate) fn client(
    config: rustls::ClientConfig,
    settings: &UpstreamSettings,
    resolver: &SystemResolver,
) -> Result<reqwest::Client, SettingsError> {
    let forward_proxy = settings.forward_proxy.clone();
    builder(config, settings)
        .proxy(reqwest::Proxy::custom(move |url| forward_proxy.for_url(url).cloned()))
        .dns_resolver(resolver.clone())
        .build()
        .map_err(SettingsError::Client)
}

/// Builds the client for everybody else: it connects to addresses that `judge` has nothing against, and never through a forward proxy.
pub(crate) fn guarded_client(
    config: rustls::ClientConfig,
    settings: &UpstreamSettings,
    resolver: &SystemResolver,
    judge: Judge,
) -> Result<reqwest::Client, SettingsError> {
    builder(config, settings)
        .no_proxy()
        .dns_resolver(GuardedResolver { inner: resolver.clone(), judge })
        .build()
        .map_err(SettingsError::Client)
}

fn builder(config: rustls::ClientConfig, settings: &UpstreamSettings) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(settings.user_agent.clone())
        .connect_timeout(settings.timeouts.connect)
        .pool_max_idle_per_host(settings.concurrency.in_flight + settings.concurrency.ahead)
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_keepalive(Duration::from_secs(30))
        .http2_keep_alive_interval(Duration::from_secs(15))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        // A zip of some MiB comes in a round trip or two, and dozens of them at once don't wait for each other's credit. What
        // they hold is memory only while the disk lags behind.
        .http2_initial_stream_window_size(4 << 20)
        .http2_initial_connection_window_size(32 << 20)
}
