//! Whom Valence may speak to: URLs of Pod Managers come from users, and must not lead it to the machine it runs on or to a cloud's
//! metadata service.
//!
//! One rule, applied twice, because reqwest never shows an IP literal to a resolver: to the literal host of a URL ([`check_url`]), and to
//! every address that a name resolves to ([`Resolver`]). The connection goes to the addresses that were checked and no others, so a name
//! that changes its address between check and connect gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Addresses where clouds keep credentials for whoever asks, outside the link-local range: AWS over IPv6, Alibaba, Oracle, Azure.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// An address or URL that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAllowed(pub String);

/// The rule for one kind of connection.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Networks whose addresses are allowed whatever they are.
    pub allow: Arc<[IpNet]>,
    /// Without TLS: then only those networks.
    pub plain: bool,
}

impl Rule {
    /// Whether a connection to the address may be made.
    ///
    /// # Errors
    /// [`NotAllowed`] saying why.
    pub fn check(&self, addr: IpAddr) -> Result<(), NotAllowed> {
        let addr = unwrapped(addr);
        if self.allow.iter().any(|net| net.contains(&addr)) {
            return Ok(());
        }
        let what = forbidden(addr).or_else(|| self.plain.then_some("reached without TLS"));
        what.map_or(Ok(()), |what| {
            Err(NotAllowed(format!("{addr} is {what} and not in the networks that are allowed (allow_cidrs)")))
        })
    }
}

/// The IPv4 address inside an IPv6 one that only carries it (mapped, NAT64), else the address itself.
fn unwrapped(addr: IpAddr) -> IpAddr {
    if let IpAddr::V6(v6) = addr {
        let s = v6.segments();
        if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
            let [.., a, b, c, d] = v6.octets();
            return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        }
    }
    addr.to_canonical()
}

fn forbidden(addr: IpAddr) -> Option<&'static str> {
    if METADATA.contains(&addr) {
        return Some("a metadata service");
    }
    let (link_local, reserved) = match addr {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[0] == 0 || v4.octets()[0] >= 240),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), false),
    };
    [
        (addr.is_loopback(), "loopback"),
        (link_local, "link-local"),
        (addr.is_unspecified(), "unspecified"),
        (addr.is_multicast(), "multicast"),
        (reserved, "reserved"),
    ]
    .into_iter()
    .find_map(|(is, what)| is.then_some(what))
}

/// Checks a URL before anything is done with it: its scheme, that it names no user, and its host when that is an address.
///
/// # Errors
/// [`NotAllowed`] saying why.
pub fn check_url(url: &Url, allow: &Arc<[IpNet]>) -> Result<(), NotAllowed> {
    let plain = match url.scheme() {
        "https" => false,
        "http" => true,
        other => return Err(NotAllowed(format!("'{other}' is no scheme of a Pod Manager: http and https are"))),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(NotAllowed("a Pod Manager's URL may not name a user".into()));
    }
    let rule = Rule { allow: Arc::clone(allow), plain };
    match url.host() {
        Some(Host::Ipv4(addr)) => rule.check(IpAddr::V4(addr)),
        Some(Host::Ipv6(addr)) => rule.check(IpAddr::V6(addr)),
        Some(Host::Domain(_)) => Ok(()),
        None => Err(NotAllowed("a Pod Manager's URL must name a host".into())),
    }
}

/// The system's resolver, with every address it gives checked: one that is not allowed spoils the name.
pub struct Resolver(pub Rule);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            for addr in &found {
                rule.check(addr.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, allow: &[&str]) -> bool {
        let allow: Arc<[IpNet]> = allow.iter().map(|n| n.parse().unwrap()).collect();
        check_url(&Url::parse(url).unwrap(), &allow).is_ok()
    }

    #[test]
    fn addresses_of_this_machine_and_of_metadata_services_are_refused() {
        for url in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://0.0.0.0/",
            "https://[::]/",
            "https://169.254.169.254/latest",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
        ] {
            assert!(!check(url, &[]), "{url}");
        }
    }

    #[test]
    fn ordinary_addresses_need_tls_and_listed_ones_do_not() {
        assert!(check("https://10.1.2.3:8443/", &[]));
        assert!(!check("http://10.1.2.3/", &[]));
        assert!(check("http://10.1.2.3/", &["10.0.0.0/8"]));
        assert!(check("http://127.0.0.1:9000/", &["127.0.0.0/8"]));
        assert!(!check("http://127.0.0.1:9000/", &["10.0.0.0/8"]));
    }

    #[test]
    fn other_schemes_and_users_in_urls_are_refused() {
        for url in ["file:///etc/passwd", "gopher://h/", "ftp://h/", "https://user@h/", "https://u:p@h/"] {
            assert!(!check(url, &["0.0.0.0/0"]), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_for_a_refused_address_does_not_resolve() {
        let rule = Rule { allow: Arc::from([]), plain: false };
        assert!(Resolver(rule).resolve("localhost".parse().unwrap()).await.is_err());
        let nets = ["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let rule = Rule { allow: Arc::from(nets), plain: true };
        assert!(Resolver(rule).resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
