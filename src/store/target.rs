//! Which Redis a URL means: one server, the primary that Sentinels know, or a Cluster.
//!
//! ```text
//! redis://[user:password@]host[:port][/db]      rediss://…      redis+unix:///path
//! redis-sentinel://[user:password@]host:port,host:port,…/name[?sentinel_password=…]
//! redis-cluster://[user:password@]host:port,host:port,…
//! ```
//!
//! `rediss-sentinel` and `rediss-cluster` speak TLS. User and password are the data servers'; Sentinels often have none.

use redis::ConnectionAddr;
use url::Url;

/// Port of a Sentinel that names none.
const SENTINEL_PORT: u16 = 26379;
/// Port of a server that names none.
const SERVER_PORT: u16 = 6379;

/// What a URL means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// One server, by its URL.
    Server(String),
    /// The primary of that name.
    Sentinel {
        /// Where the Sentinels are.
        sentinels: Seeds,
        /// What they call the primary.
        name: String,
        /// What they ask for.
        password: Option<String>,
    },
    /// A Cluster, found from any of these.
    Cluster(Seeds),
}

/// Several hosts and what all of them are told.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Seeds {
    /// Host and port.
    pub(super) hosts: Vec<(String, u16)>,
    /// Whether to speak TLS.
    pub(super) tls: bool,
    /// Account at the data servers.
    pub(super) user: Option<String>,
    /// Its password.
    pub(super) password: Option<String>,
}

impl std::fmt::Debug for Seeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seeds").field("hosts", &self.hosts).field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl Seeds {
    /// As addresses of the client library.
    pub(super) fn addresses(&self) -> Vec<ConnectionAddr> {
        let address = |(host, port): &(String, u16)| match self.tls {
            true => ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host.clone(), *port),
        };
        self.hosts.iter().map(address).collect()
    }
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it; nothing of it is repeated, there may be a password in it.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("a URL such as redis://host:6379 is wanted")?;
        let tls = scheme.starts_with("rediss");
        match scheme {
            "redis-cluster" | "rediss-cluster" => Ok(Self::Cluster(seeds(rest, tls, SERVER_PORT)?.0)),
            "redis-sentinel" | "rediss-sentinel" => {
                let (sentinels, url) = seeds(rest, tls, SENTINEL_PORT)?;
                let name = url.path().trim_matches('/').to_owned();
                if name.is_empty() {
                    return Err("redis-sentinel://host:port,…/NAME: the primary's name is missing");
                }
                let password =
                    url.query_pairs().find(|(key, _)| key == "sentinel_password").map(|(_, value)| value.into_owned());
                Ok(Self::Sentinel { sentinels, name, password })
            }
            _ => Ok(Self::Server(text.to_owned())),
        }
    }
}

/// A URL as it may be shown.
#[must_use]
pub fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let shown = match authority.rsplit_once('@') {
        Some((account, hosts)) => {
            let user = account.split_once(':').map_or(account, |(user, _)| user);
            let secret = if account.contains(':') { ":***" } else { "" };
            format!("{user}{secret}@{hosts}")
        }
        None => authority.to_owned(),
    };
    let tail = match tail.split_once("sentinel_password=") {
        Some((before, after)) => {
            let rest = after.split_once('&').map(|(_, rest)| format!("&{rest}")).unwrap_or_default();
            format!("{before}sentinel_password=***{rest}")
        }
        None => tail.to_owned(),
    };
    format!("{scheme}://{shown}{tail}")
}

/// Hosts, account, and the rest of the URL, read with the first host alone.
fn seeds(rest: &str, tls: bool, default_port: u16) -> Result<(Seeds, Url), &'static str> {
    const BAD: &str = "hosts are wanted as host:port,host:port,…";
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (account, hosts) = authority.rsplit_once('@').map_or(("", authority), |(a, h)| (a, h));
    let at = if account.is_empty() { String::new() } else { format!("{account}@") };
    let read = |host: &str| Url::parse(&format!("redis://{at}{host}{tail}")).map_err(|_| BAD);
    let mut found = Vec::new();
    for host in hosts.split(',') {
        let url = read(host)?;
        let name = url.host_str().filter(|h| !h.is_empty()).ok_or(BAD)?;
        found.push((name.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(default_port)));
    }
    let url = read(hosts.split(',').next().unwrap_or_default())?;
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = Some(plain(url.username())).filter(|u| !u.is_empty());
    Ok((Seeds { hosts: found, tls, user, password: url.password().map(plain) }, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_what_stands_behind_it() {
        assert_eq!(Target::read("redis://h/1"), Ok(Target::Server("redis://h/1".into())));
        let Ok(Target::Cluster(seeds)) = Target::read("redis-cluster://u:p%40@a:7000,[::1]:7001,c") else { panic!() };
        assert_eq!(seeds.hosts, [("a".into(), 7000), ("::1".into(), 7001), ("c".into(), 6379)]);
        assert_eq!((seeds.user.as_deref(), seeds.password.as_deref()), (Some("u"), Some("p@")));
        assert!(!format!("{seeds:?}").contains("p@"));
        let Ok(Target::Sentinel { sentinels, name, password }) =
            Target::read("rediss-sentinel://a:1,b/main?sentinel_password=s")
        else {
            panic!()
        };
        assert_eq!((sentinels.hosts[1].1, sentinels.tls, name.as_str()), (26379, true, "main"));
        assert_eq!(password.as_deref(), Some("s"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in
            ["h:6379", "redis-cluster://", "redis-cluster://a:x", "redis-sentinel://a:1", "redis-sentinel://a,/m"]
        {
            assert!(Target::read(bad).is_err(), "{bad}");
        }
    }
}
