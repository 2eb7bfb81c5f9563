//! What a packet costs does not grow with published ports, containers or networks.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;
use std::net::IpAddr;

use dockfw::policy::{Source, parse};
use dockfw_ir::eval::{Conntrack, Cost, Evaluator, From, Host, Interface, Packet, Tuple, Verdict};
use dockfw_ir::eval::{Direction, Route, State};
use dockfw_ir::verify::verify;
use dockfw_lower::lower;

/// Published ports in all, spread over the networks, one container each.
fn policy(networks: usize, ports: usize, userland_proxy: bool) -> String {
    let mut text = format!("version = 1\n[daemon]\nuserland-proxy = {userland_proxy}\n");
    for network in 0..networks {
        let _ = write!(
            text,
            "[[network]]\nname = \"n{network}\"\nbridge = \"br-{network}\"\n\
             subnets = [\"10.{network}.0.0/24\"]\n\
             [[container]]\nname = \"c{network}\"\nnetworks.n{network} = [\"10.{network}.0.2\"]\n\
             publish = ["
        );
        for port in (network..ports).step_by(networks) {
            let _ = write!(
                text,
                "\"{}:{}\",",
                10_000 + port,
                1_000 + 2 * (port / networks)
            );
        }
        text.push_str("]\n");
    }
    text
}

/// The costs of the first packet to the last published port, of an answer to it, of a packet to
/// an unpublished port and of one that leaves a container.
fn costs(networks: usize, ports: usize, userland_proxy: bool) -> [Cost; 4] {
    let bytes = policy(networks, ports, userland_proxy).into_bytes();
    let source = Source {
        name: "cost".to_owned(),
        bytes,
    };
    let policy = parse(vec![source]).unwrap();
    let ruleset = verify(lower(&policy.host)).unwrap();
    let evaluator = Evaluator::new(&ruleset);
    let interface = |name: &str, address: &str| Interface {
        name: name.to_owned(),
        addresses: vec![address.parse().unwrap()],
    };
    let mut interfaces = vec![interface("eth0", "192.0.2.1/24")];
    for network in 0..networks {
        interfaces.push(interface(
            &format!("br-{network}"),
            &format!("10.{network}.0.1/24"),
        ));
    }
    let default = Route {
        destination: "0.0.0.0/0".parse().unwrap(),
        interface: "eth0".to_owned(),
    };
    let host = Host {
        interfaces,
        routes: vec![default],
    };

    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let outside = address("198.51.100.7");
    let packet = |from: &str, source: IpAddr, destination: IpAddr, ports| Packet {
        ports: Some(ports),
        ..Packet::new(From::Interface(from.to_owned()), source, destination, 6)
    };
    let last = u16::try_from(10_000 + ports - 1).unwrap();
    let first = packet("eth0", outside, address("192.0.2.1"), (40_000, last));
    let reached = evaluator.eval(&host, &first);
    assert!(
        matches!(reached.verdict, Verdict::Forwarded { .. }),
        "{reached:?}"
    );
    let container = reached.destination;
    let bridge = format!("br-{}", (ports - 1) % networks);
    let (_, inside) = reached.ports.unwrap();

    let original = Tuple {
        source: outside,
        destination: address("192.0.2.1"),
        protocol: 6,
        ports: Some((40_000, last)),
    };
    let reply = Tuple {
        source: container,
        destination: outside,
        protocol: 6,
        ports: Some((inside, 40_000)),
    };
    let answer = Packet {
        ct: Conntrack {
            state: State::Established,
            direction: Direction::Reply,
            original: Some(original),
            reply: Some(reply),
            ..Conntrack::default()
        },
        ..packet(&bridge, container, outside, (inside, 40_000))
    };
    let answered = evaluator.eval(&host, &answer);
    assert!(
        matches!(answered.verdict, Verdict::Forwarded { .. }),
        "{answered:?}"
    );

    let direct = evaluator.eval(&host, &packet("eth0", outside, container, (40_000, 7)));
    assert!(
        matches!(direct.verdict, Verdict::Dropped { .. }),
        "{direct:?}"
    );
    let leaving = evaluator.eval(&host, &packet(&bridge, container, outside, (40_000, 443)));
    assert!(
        matches!(leaving.verdict, Verdict::Forwarded { .. }),
        "{leaving:?}"
    );
    assert_eq!(leaving.source, address("192.0.2.1"), "masqueraded");
    [reached.cost, answered.cost, direct.cost, leaving.cost]
}

#[test]
fn a_packet_costs_the_same_for_any_number_of_ports_and_networks() {
    for userland_proxy in [false, true] {
        let least = costs(1, 1, userland_proxy);
        for (networks, ports) in [(1, 100), (1, 10_000), (10, 100), (100, 100), (100, 10_000)] {
            let found = costs(networks, ports, userland_proxy);
            assert_eq!(
                found, least,
                "{networks} networks, {ports} ports, proxy {userland_proxy}"
            );
        }
        for cost in least {
            assert!(cost.rules <= 60 && cost.lookups <= 40, "{cost:?}");
        }
    }
}

/// Published ports of services, and a server on the default bridge without icc that exposes as
/// many ports to each of its clients.
fn swarm_policy(services: usize, clients: usize) -> String {
    let mut text = String::from(
        "version = 1\n[daemon]\nicc = false\n\
         [[network]]\nname = \"bridge\"\nsubnets = [\"10.0.0.0/16\"]\n\
         [[network]]\nname = \"docker_gwbridge\"\nbridge = \"docker_gwbridge\"\n\
         subnets = [\"10.1.0.0/16\"]\n\
         [swarm]\ningress-sandbox = \"10.1.0.2\"\npublish = [",
    );
    for port in 0..services {
        let _ = write!(text, "\"{}:80\",", 10_000 + port);
    }
    text.push_str("]\n[[container]]\nname = \"server\"\nnetworks.bridge = [\"10.0.0.2\"]\n");
    let _ = writeln!(text, "expose = [\"1000-{}\"]", 999 + services);
    for client in 0..clients {
        let _ = write!(
            text,
            "[[container]]\nname = \"client{client}\"\nnetworks.bridge = [\"10.0.1.{}\"]\n\
             links = [\"server\"]\n",
            client + 1
        );
    }
    text
}

/// The costs of the first packet to the last service from outside, of a linked client's packet to
/// the last exposed port and its answer, and of a packet between containers that are not linked.
fn swarm_costs(services: usize, clients: usize) -> [Cost; 4] {
    let source = Source {
        name: "cost".to_owned(),
        bytes: swarm_policy(services, clients).into_bytes(),
    };
    let ruleset = verify(lower(&parse(vec![source]).unwrap().host)).unwrap();
    let evaluator = Evaluator::new(&ruleset);
    let interface = |name: &str, address: &str| Interface {
        name: name.to_owned(),
        addresses: vec![address.parse().unwrap()],
    };
    let host = Host {
        interfaces: vec![
            interface("eth0", "192.0.2.1/24"),
            interface("docker0", "10.0.0.1/16"),
            interface("docker_gwbridge", "10.1.0.1/16"),
        ],
        routes: Vec::new(),
    };
    let packet = |from: &str, source: &str, destination: &str, ports| Packet {
        ports: Some(ports),
        ..Packet::new(
            From::Interface(from.to_owned()),
            source.parse().unwrap(),
            destination.parse().unwrap(),
            6,
        )
    };
    let bridged = |source: &str, destination: &str, ports| Packet {
        to: Some("docker0".to_owned()),
        ..packet("docker0", source, destination, ports)
    };
    let count = u16::try_from(services).unwrap();
    let client = format!("10.0.1.{clients}");
    let cost = |packet: &Packet, passes: bool| {
        let outcome = evaluator.eval(&host, packet);
        let forwarded = matches!(outcome.verdict, Verdict::Forwarded { .. });
        assert_eq!(forwarded, passes, "{outcome:?}");
        outcome.cost
    };
    let service = packet("eth0", "192.0.2.9", "192.0.2.1", (40_000, 9_999 + count));
    let exposed = 999 + count;
    [
        cost(&service, true),
        cost(&bridged(&client, "10.0.0.2", (40_000, exposed)), true),
        cost(&bridged("10.0.0.2", &client, (exposed, 40_000)), true),
        cost(&bridged("10.0.0.2", &client, (40_000, exposed)), false),
    ]
}

#[test]
fn a_packet_costs_the_same_for_any_number_of_services_and_links() {
    let least = swarm_costs(1, 1);
    for (services, clients) in [(100, 1), (1, 100), (100, 100), (5_000, 5)] {
        let found = swarm_costs(services, clients);
        assert_eq!(found, least, "{services} services, {clients} links");
    }
    for cost in least {
        assert!(cost.rules <= 60 && cost.lookups <= 40, "{cost:?}");
    }
}
