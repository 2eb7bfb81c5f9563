//! Small dumps, each with one thing that import has to get right.

use dockfw_iptables::Family;
use dockfw_lower::import::Imported;

use crate::util::{dumped, import_one};

/// Docker's chains, and one network, as 28 and later make them.
fn dump(filter: &str, nat: &str, raw: &str) -> Imported {
    let text = format!(
        "*raw\n{raw}COMMIT\n*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n:DOCKER-BRIDGE - [0:0]\n\
         :DOCKER-FORWARD - [0:0]\n:DOCKER-USER - [0:0]\n-A DOCKER-BRIDGE -o docker0 -j DOCKER\n\
         {filter}COMMIT\n*nat\n:DOCKER - [0:0]\n\
         -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n{nat}COMMIT\n"
    );
    import_one(&dumped(&text, Family::Ipv4))
}

fn leftovers(imported: &Imported) -> Vec<&str> {
    let leftovers = imported.leftovers.iter();
    leftovers.map(|of| of.text.as_str()).collect()
}

#[test]
fn a_rule_of_dockers_form_for_another_interface_is_the_operators() {
    let imported = dump(
        "-A FORWARD -i wg0 -o wg0 -j ACCEPT\n-A FORWARD -j DOCKER-FORWARD\n",
        "-A POSTROUTING -s 10.8.0.0/24 ! -o wg0 -j MASQUERADE\n",
        "",
    );
    let rules = imported.docker_user.ipv4.as_deref();
    assert_eq!(rules, Some("-I FORWARD 1 -i wg0 -o wg0 -j ACCEPT\n"));
    assert_eq!(
        leftovers(&imported),
        ["-A POSTROUTING -s 10.8.0.0/24 ! -o wg0 -j MASQUERADE"]
    );
    assert_eq!(imported.host.networks.len(), 1);
}

#[test]
fn a_remnant_is_left_over() {
    let accept =
        "-A DOCKER -d 172.17.0.9/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT";
    let imported = dump(&format!("{accept}\n"), "", "");
    assert_eq!(leftovers(&imported), [accept]);
}

#[test]
fn rules_into_dockers_chains_are_left_over() {
    let imported = dump(
        "-A DOCKER-USER -i eth0 -j DOCKER\n-A DOCKER-USER -i eth1 -j DROP\n",
        "",
        "",
    );
    assert_eq!(leftovers(&imported), ["-A DOCKER-USER -i eth0 -j DOCKER"]);
    let rules = imported.docker_user.ipv4.as_deref();
    assert_eq!(rules, Some("-A DOCKER-USER -i eth1 -j DROP\n"));
    assert!(imported.host.user.is_some());
}

#[test]
fn direct_routing_shows_in_what_is_missing() {
    let published =
        "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80\n";
    let closed = "-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP\n";
    assert!(dump("", published, "").host.daemon.allow_direct_routing);
    assert!(!dump("", published, closed).host.daemon.allow_direct_routing);
    assert!(!dump("", "", "").host.daemon.allow_direct_routing);
}

#[test]
fn a_subnet_that_no_rule_shows_is_a_stand_in() {
    let imported = dump(
        "-A DOCKER-BRIDGE -o br-lan -j DOCKER\n",
        "",
        "-A PREROUTING -d 192.0.2.77/32 ! -i br-lan -j DROP\n",
    );
    let subnet = imported.host.networks.iter().find(|of| of.name == "br-lan");
    let subnet = subnet
        .and_then(|of| of.ipv4)
        .map(|of| of.subnet.to_string());
    assert_eq!(subnet.as_deref(), Some("192.0.2.0/24"));
    assert!(
        imported
            .assumptions
            .iter()
            .any(|of| of.contains("192.0.2.0/24 stands in"))
    );
}

#[test]
fn internal_networks_of_old_layouts() {
    let text = "*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n:DOCKER-ISOLATION-STAGE-1 - [0:0]\n\
        :DOCKER-ISOLATION-STAGE-2 - [0:0]\n:DOCKER-USER - [0:0]\n\
        -A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-ISOLATION-STAGE-1\n\
        -A FORWARD -i br-in -o br-in -j DROP\n\
        -A DOCKER-ISOLATION-STAGE-1 ! -s 172.19.0.0/16 -o br-in -j DROP\n\
        -A DOCKER-ISOLATION-STAGE-1 ! -d 172.19.0.0/16 -i br-in -j DROP\n\
        -A DOCKER-ISOLATION-STAGE-1 -j RETURN\n-A DOCKER-USER -j RETURN\nCOMMIT\n";
    let imported = import_one(&dumped(text, Family::Ipv4));
    assert_eq!(leftovers(&imported), [""; 0]);
    let network = imported.host.networks.first().cloned();
    assert!(network.is_some_and(|of| of.internal && !of.icc && of.ipv4.is_some()));
}

#[test]
fn unknown_extensions_are_set_aside() {
    let text = "*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -m set --match-set ok src -j RETURN\n\
        -A DOCKER-USER -i eth0 -j DROP\nCOMMIT\n";
    let dumped = dumped(text, Family::Ipv4);
    assert_eq!(
        dumped.unread.iter().map(|of| of.line).collect::<Vec<_>>(),
        [3]
    );
    assert_eq!(import_one(&dumped).score.user, 1);
}
