//! Name resolution that hands out allowed addresses only, so that what was checked is what is
//! dialled.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::address::forbidden;

/// A name or address that leads into the operator's own network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{host}` is {ip}, which is {why}; set `allow_private: true` on the route if that is meant"
)]
pub(crate) struct AddressRefused {
    pub(crate) host: String,
    pub(crate) ip: IpAddr,
    pub(crate) why: &'static str,
}

/// Checks a host that is written as an address; such hosts never meet the [`Resolver`].
pub(crate) fn check_literal(url: &Url) -> Result<(), AddressRefused> {
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    forbidden(ip).map_or(Ok(()), |why| Err(AddressRefused { host: ip.to_string(), ip, why }))
}

type Found = Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>>;
type Lookup = Arc<dyn Fn(String) -> Found + Send + Sync>;

/// Resolves names and leaves out the addresses a route may not reach.
#[derive(Clone)]
pub(crate) struct Resolver {
    lookup: Lookup,
    allow_private: bool,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("allow_private", &self.allow_private)
            .finish_non_exhaustive()
    }
}

impl Resolver {
    /// The system's resolver behind the check.
    pub(crate) fn new(allow_private: bool) -> Self {
        let lookup = |host: String| -> Found {
            Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
        };
        Self { lookup: Arc::new(lookup), allow_private }
    }

    async fn allowed(
        self,
        host: String,
    ) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
        let found = (self.lookup)(host.clone()).await?;
        if self.allow_private {
            return Ok(Box::new(found.into_iter()));
        }
        let refused = found.iter().find_map(|a| Some((a.ip(), forbidden(a.ip())?)));
        let public: Vec<_> = found.into_iter().filter(|a| forbidden(a.ip()).is_none()).collect();
        match refused {
            // One public address among private ones is enough: the others are never dialled.
            Some((ip, why)) if public.is_empty() => Err(Box::new(AddressRefused { host, ip, why })),
            _ => Ok(Box::new(public.into_iter())),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(self.clone().allowed(name.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn answers(answers: &'static [&'static [&'static str]], allow_private: bool) -> Resolver {
        let calls = AtomicUsize::new(0);
        let lookup = move |_: String| -> Found {
            let answer = answers[calls.fetch_add(1, Ordering::Relaxed) % answers.len()];
            let parse = |ip: &&str| SocketAddr::new(ip.parse().expect("an address"), 0);
            let found = answer.iter().map(parse).collect();
            Box::pin(std::future::ready(Ok(found)))
        };
        Resolver { lookup: Arc::new(lookup), allow_private }
    }

    async fn resolve(resolver: &Resolver) -> Result<Vec<IpAddr>, String> {
        let name: Name = "hooks.example.com".parse().expect("a name");
        match resolver.resolve(name).await {
            Ok(found) => Ok(found.map(|a| a.ip()).collect()),
            Err(e) => Err(e.to_string()),
        }
    }

    #[tokio::test]
    async fn a_name_that_is_rebound_to_a_private_address_is_refused_at_that_moment() {
        let resolver = answers(&[&["8.8.8.8"], &["169.254.169.254"]], false);
        assert!(resolve(&resolver).await.is_ok());
        let refusal = resolve(&resolver).await.expect_err("private now");
        assert!(refusal.contains("169.254.169.254") && refusal.contains("allow_private"));
    }

    #[tokio::test]
    async fn private_addresses_are_left_out_of_a_mixed_answer() {
        let mixed = &[&["127.0.0.1", "8.8.8.8", "::1"] as &[_]];
        let public: IpAddr = "8.8.8.8".parse().expect("an address");
        assert_eq!(resolve(&answers(mixed, false)).await, Ok(vec![public]));
        assert_eq!(resolve(&answers(mixed, true)).await.expect("allowed").len(), 3);
    }

    #[test]
    fn addresses_in_urls_are_checked_in_every_spelling() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1:80/",
            "http://[::1]/",
            "http://[::ffff:a9fe:a9fe]/",
            "https://10.0.0.1/",
        ] {
            let url = Url::parse(url).expect("a URL");
            assert!(check_literal(&url).is_err(), "{url}");
        }
        assert!(check_literal(&Url::parse("https://8.8.8.8/").expect("a URL")).is_ok());
    }
}
