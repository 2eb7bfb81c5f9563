//! Networks that have no rules on the host, and why: whoever reads the output shall not look for
//! them.

use std::fmt::Write as _;

use dockfw_lower::host::{Driver, Host};
use serde_json::json;

use crate::diagnostic::printable;

/// The longest name of a network in characters; what is beyond is cut off.
///
/// iptables-restore reads a line in pieces of some 10,000 bytes, and takes the second piece of a
/// longer comment for a rule.
const NAME_LIMIT: usize = 128;

/// A network that has no rules on the host.
struct WithoutRules<'h> {
    network: &'h str,
    driver: Driver,
    reason: &'static str,
}

fn without_rules(host: &Host) -> impl Iterator<Item = WithoutRules<'_>> {
    host.networks.iter().filter_map(|network| {
        Some(WithoutRules {
            network: &network.name,
            driver: network.driver,
            reason: reason(network.driver)?,
        })
    })
}

/// Why networks of a driver have no rules; `None` when they have some.
const fn reason(driver: Driver) -> Option<&'static str> {
    match driver {
        Driver::Bridge => None,
        Driver::Ipvlan | Driver::Macvlan => {
            Some("its traffic does not pass this host's netfilter hooks")
        }
        Driver::Overlay => Some(
            "its traffic stays in a network namespace of its own, and leaves it through \
             docker_gwbridge",
        ),
        Driver::Host => {
            Some("its containers share the host's network namespace, nothing is published")
        }
        Driver::None => Some("its containers have no network"),
    }
}

/// One line for each network.
pub(super) fn lines(host: &Host) -> String {
    let mut text = String::new();
    for WithoutRules {
        network,
        driver,
        reason,
    } in without_rules(host)
    {
        let name = printable(network, NAME_LIMIT);
        let _ = writeln!(text, "network {name} ({driver}): no rules, {reason}");
    }
    text
}

/// One line for each network, as a comment of nft(8) and iptables-restore(8).
pub(super) fn comments(host: &Host) -> String {
    let mut text = String::new();
    for WithoutRules {
        network,
        driver,
        reason,
    } in without_rules(host)
    {
        let name = printable(network, NAME_LIMIT);
        let _ = writeln!(text, "# network \"{name}\" ({driver}): no rules, {reason}");
    }
    text
}

/// An array with an object for each network.
pub(super) fn to_json(host: &Host) -> serde_json::Value {
    let object = |of: WithoutRules<'_>| {
        json!({
            "network": of.network,
            "driver": of.driver.to_string(),
            "reason": of.reason,
        })
    };
    without_rules(host).map(object).collect()
}

#[cfg(test)]
mod tests {
    use dockfw_lower::host::Host;

    use super::{NAME_LIMIT, comments, lines, to_json};
    use crate::policy::{Source, parse};

    fn host(name: &str) -> Host {
        let text =
            format!("version = 1\n[[network]]\nname = \"{name}\"\ndriver = \"none\"\n[host]\n");
        let source = Source {
            name: "p".to_owned(),
            bytes: text.into_bytes(),
        };
        parse(vec![source]).unwrap().host
    }

    #[test]
    fn a_name_cannot_end_the_line() {
        let mut host = host("none");
        host.networks[0].name = "a\n-A FORWARD -j ACCEPT\r\u{1b}[2J\u{2028}\u{202e}".to_owned();
        let shown = r"a\n-A FORWARD -j ACCEPT\r\u{1b}[2J\u{2028}\u{202e}";
        assert_eq!(
            comments(&host),
            format!("# network \"{shown}\" (none): no rules, its containers have no network\n")
        );
        assert_eq!(
            lines(&host),
            format!("network {shown} (none): no rules, its containers have no network\n")
        );
        assert_eq!(to_json(&host)[0]["network"], host.networks[0].name);
    }

    #[test]
    fn a_long_name_is_cut_off() {
        let text = comments(&host(&"\\u202e".repeat(20_000)));
        assert_eq!(text.lines().count(), 1);
        assert_eq!(text.matches("\\u{202e}").count(), NAME_LIMIT);
        assert!(text.len() < 2000, "{}", text.len());
    }
}
