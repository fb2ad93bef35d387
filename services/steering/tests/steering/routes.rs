//! Longest prefix match equals a scan of every announcement.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use millrace_steering::fleet::Routes;
use proptest::prelude::*;

/// Prefixes of all lengths that tend to be inside each other.
fn prefix() -> impl Strategy<Value = IpNet> {
    let bits = || prop_oneof![Just(0_u128), Just(u128::MAX), 0_u128..4, any::<u128>()];
    let v4 = (bits(), 0_u8..=32).prop_map(|(bits, length)| {
        let ip = Ipv4Addr::from((bits >> 96) as u32 ^ (bits & 0xff) as u32);
        IpNet::V4(Ipv4Net::new(ip, length).unwrap())
    });
    let v6 = (bits(), 0_u8..=128)
        .prop_map(|(bits, length)| IpNet::V6(Ipv6Net::new(Ipv6Addr::from(bits), length).unwrap()));
    prop_oneof![v4, v6]
}

/// The announcements that cover `ip`, longest first, by looking at every one.
fn scan(model: &BTreeSet<(IpNet, u16)>, ip: IpAddr) -> Vec<(IpNet, Vec<u16>)> {
    let mut found: Vec<(IpNet, Vec<u16>)> = Vec::new();
    for (net, no) in model.iter().filter(|(net, _)| net.contains(&ip)) {
        match found.iter_mut().find(|(other, _)| other == net) {
            Some((_, by)) => by.push(*no),
            None => found.push((*net, vec![*no])),
        }
    }
    found.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
    found
}

fn look(routes: &Routes, ip: IpAddr) -> Vec<(IpNet, Vec<u16>)> {
    routes.covering(ip).iter().map(|a| (a.prefix, a.by.iter().collect())).collect()
}

proptest! {
    #[test]
    fn covering_prefixes_are_those_of_a_scan_and_snapshots_do_not_change(
        changes in prop::collection::vec((0_u8..5, prefix(), 0_u16..4), 1..60),
        strangers in prop::collection::vec(any::<u128>(), 4),
    ) {
        let (mut routes, mut model) = (Routes::default(), BTreeSet::new());
        let mut ips: Vec<IpAddr> = strangers.iter().flat_map(|bits| {
            [IpAddr::V4(((bits >> 96) as u32).into()), IpAddr::V6((*bits).into())]
        }).collect();
        ips.extend(changes.iter().flat_map(|(_, net, _)| [net.network(), net.broadcast()]));
        let mut before: Option<(Routes, BTreeSet<(IpNet, u16)>)> = None;
        for (index, (what, net, no)) in changes.iter().enumerate() {
            if index == changes.len() / 2 {
                before = Some((routes.clone(), model.clone()));
            }
            match *what {
                // One that is there, so that something is withdrawn.
                0 => {
                    let (net, no) = model.first().copied().unwrap_or((net.trunc(), *no));
                    prop_assert_eq!(routes.withdraw(net, no), model.remove(&(net, no)));
                }
                1 => {
                    let gone = model.remove(&(net.trunc(), *no));
                    prop_assert_eq!(routes.withdraw(*net, *no), gone);
                }
                _ => {
                    prop_assert_eq!(routes.announce(*net, *no), model.insert((net.trunc(), *no)));
                }
            }
        }
        for (routes, model) in before.iter().chain([&(routes, model)]) {
            let nets: BTreeSet<_> = model.iter().map(|(net, _)| *net).collect();
            prop_assert_eq!(routes.prefixes(), nets.len());
            for ip in &ips {
                prop_assert_eq!(look(routes, *ip), scan(model, *ip));
            }
        }
    }
}

#[test]
fn the_longest_comes_first_and_hosts_and_defaults_are_prefixes_too() {
    let mut routes = Routes::default();
    for (no, net) in (0..).zip(["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "10.1.0.0/16", "::/0"]) {
        routes.announce(net.parse().unwrap(), no);
    }
    let lengths = |ip: &str| -> Vec<u8> {
        let ip: IpAddr = ip.parse().unwrap();
        routes.covering(ip).iter().map(|a| a.prefix.prefix_len()).collect()
    };
    assert_eq!(lengths("10.1.2.3"), [32, 16, 8, 0]);
    assert_eq!(lengths("10.2.2.3"), [8, 0]);
    assert_eq!(lengths("2001:db8::1"), [0]);
}
