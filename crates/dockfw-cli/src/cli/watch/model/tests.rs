//! A host that changes at random: what the commits leave in the kernel's sets is what compiling the
//! whole at the end gives.

use std::collections::BTreeMap;
use std::time::Instant;

use dockfw_ir::Set;
use dockfw_ir::set::Element;
use proptest::prelude::*;

use super::{Effect, Model, Next};
use crate::docker::daemon::{Found, Settings};
use crate::docker::{
    Container, Daemon, Endpoint, Message, Network, Port, Stamp, State, Subnet, Unread,
};
use crate::policy::Base;

fn stamp() -> Stamp {
    Stamp {
        received: Instant::now(),
        event: None,
        what: "test".to_owned(),
    }
}

/// A network; the fourth one is internal, so that its containers have no elements.
fn network(number: usize) -> Network {
    Network {
        internal: number == 3,
        name: format!("net{number}"),
        // The device has the first twelve digits.
        id: format!("{number:x}").repeat(64),
        driver: "bridge".to_owned(),
        ipv4: true,
        subnets: vec![Subnet {
            subnet: format!("172.{}.0.0/16", 18 + number),
            gateway: format!("172.{}.0.1", 18 + number),
        }],
        ..Network::default()
    }
}

/// A container with an address of its own in each of these networks.
fn container(number: usize, networks: &[usize], publishes: bool) -> Container {
    let endpoint = |of: &usize| Endpoint {
        network_name: network(*of).name,
        network_id: network(*of).id,
        ipv4: format!("172.{}.0.{}", 18 + of, 2 + number),
        ..Endpoint::default()
    };
    let port = |container: &str, host: usize| Port {
        container: container.to_owned(),
        host_ip: "0.0.0.0".to_owned(),
        host_port: host.to_string(),
    };
    Container {
        name: format!("c{number}"),
        id: format!("{:064x}", 1000 + number),
        endpoints: networks.iter().map(endpoint).collect(),
        ports: if publishes {
            vec![port("80/tcp", 8000 + number), port("53/udp", 8000 + number)]
        } else {
            Vec::new()
        },
        ..Container::default()
    }
}

fn daemon(userland_proxy: bool) -> Daemon {
    Daemon {
        settings: Settings {
            userland_proxy: Some(Found {
                value: userland_proxy,
                place: "test".to_owned(),
            }),
            ..Settings::default()
        },
        ..Daemon::default()
    }
}

/// The elements of a ruleset, by table, set and key.
type Elements = BTreeMap<String, BTreeMap<String, Element>>;

fn key(element: &Element) -> String {
    format!("{:?}", element.key)
}

/// The kernel, as far as elements go, and what decides about it.
#[derive(Default)]
struct World {
    model: Model,
    kernel: Elements,
}

impl World {
    fn commit(&mut self) -> Next {
        let next = self.model.next().expect("what is wanted compiles");
        match &next {
            Next::Nothing => {}
            Next::Elements { removed, added, .. } => {
                for set in removed {
                    for element in &set.elements {
                        let of = self.kernel.get_mut(set.name.as_str()).expect("a set");
                        of.remove(&key(element)).expect("what goes is there");
                    }
                }
                for set in added {
                    for element in &set.elements {
                        let of = self.kernel.get_mut(set.name.as_str()).expect("a set");
                        let old = of.insert(key(element), element.clone());
                        assert_eq!(old, None, "what comes is not there");
                    }
                }
            }
            Next::Whole { ruleset, .. } => self.kernel = elements(&ruleset.tables[0].sets),
        }
        next
    }

    fn settle(&mut self) {
        match self.commit() {
            Next::Nothing => self.model.nothing(),
            Next::Elements { after, .. } | Next::Whole { after, .. } => {
                self.model.committed(after);
            }
        }
        assert!(self.model.is_in_force());
    }

    /// What compiling everything gives.
    fn whole(&self) -> Elements {
        let Next::Whole { ruleset, .. } = self.model.whole().expect("it compiles") else {
            unreachable!("the whole");
        };
        elements(&ruleset.tables[0].sets)
    }
}

fn elements(sets: &[Set]) -> Elements {
    let of = |set: &Set| {
        let elements = set.elements.iter().map(|of| (key(of), of.clone()));
        (set.name.to_string(), elements.collect())
    };
    sets.iter().map(of).collect()
}

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    Container(usize, Option<(Vec<usize>, bool)>),
    Network(usize, bool),
    Everything,
    Policy,
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let networks = proptest::sample::subsequence(vec![0_usize, 1, 2, 3], 0..=2);
    prop_oneof![
        8 => (0_usize..6, proptest::option::of((networks, any::<bool>())))
            .prop_map(|(number, of)| Step::Container(number, of)),
        2 => (0_usize..4, any::<bool>()).prop_map(|(number, is)| Step::Network(number, is)),
        1 => Just(Step::Everything),
        1 => Just(Step::Policy),
        6 => Just(Step::Settle),
    ]
}

proptest! {
    #[test]
    fn commits_add_up_to_the_whole(
        steps in proptest::collection::vec(step(), 1..40),
        userland_proxy: bool,
    ) {
        let mut world = World::default();
        world.model.policy(Base::default(), Vec::new());
        let mut state = State { daemon: daemon(userland_proxy), ..State::default() };
        world.model.fold(Message::State { state: Box::new(state.clone()), at: stamp() });
        for step in steps {
            match step {
                Step::Container(number, of) => {
                    let id = container(number, &[], false).id;
                    let now = of.map(|(networks, publishes)| container(number, &networks, publishes));
                    match &now {
                        Some(now) => state.containers.insert(id.clone(), now.clone()),
                        None => state.containers.remove(&id),
                    };
                    let container = now.map(Box::new);
                    world.model.fold(Message::Container { id, container, others: 0, at: stamp() });
                }
                Step::Network(number, is_there) => {
                    let id = network(number).id;
                    let now = is_there.then(|| network(number));
                    match &now {
                        Some(now) => state.networks.insert(id.clone(), now.clone()),
                        None => state.networks.remove(&id),
                    };
                    let network = now.map(Box::new);
                    world.model.fold(Message::Network { id, network, at: stamp() });
                }
                Step::Everything => {
                    let state = Box::new(state.clone());
                    world.model.fold(Message::State { state, at: stamp() });
                }
                Step::Policy => drop(world.model.policy(Base::default(), Vec::new())),
                Step::Settle => {
                    world.settle();
                    prop_assert_eq!(&world.kernel, &world.whole());
                }
            }
        }
        world.settle();
        prop_assert_eq!(&world.kernel, &world.whole());
    }
}

/// A model that has committed two networks and a container.
fn settled() -> World {
    let mut world = World::default();
    let mut state = State {
        daemon: daemon(false),
        ..State::default()
    };
    for number in [0, 1] {
        state.networks.insert(network(number).id, network(number));
    }
    let first = container(0, &[0], true);
    state.containers.insert(first.id.clone(), first);
    let state = Box::new(state);
    world.model.fold(Message::State { state, at: stamp() });
    world.settle();
    world
}

fn tell(world: &mut World, number: usize, now: Option<Container>) -> Effect {
    world.model.fold(Message::Container {
        id: container(number, &[], false).id,
        container: now.map(Box::new),
        others: 0,
        at: stamp(),
    })
}

#[test]
fn a_container_is_a_change_of_elements() {
    let mut world = settled();
    let second = container(1, &[1], true);
    assert_eq!(tell(&mut world, 1, Some(second.clone())), Effect::Opens);
    let Next::Elements {
        removed,
        added,
        after,
    } = world.commit()
    else {
        panic!("elements");
    };
    assert!(removed.is_empty() && !added.is_empty());
    let changes = world.model.committed(after);
    assert_eq!(changes.came.len(), 1);
    assert!(changes.gone.is_empty());
    // UDP: clients may have begun before.
    assert!(changes.may_affect_others());
    assert_eq!(tell(&mut world, 1, Some(second)), Effect::Nothing);
    assert_eq!(tell(&mut world, 1, None), Effect::Closes);
    let Next::Elements { after, .. } = world.commit() else {
        panic!("elements");
    };
    let changes = world.model.committed(after);
    let gone: Vec<String> = changes.gone.iter().map(ToString::to_string).collect();
    assert_eq!(gone, ["172.19.0.3"]);
    assert!(!changes.may_affect_others());
}

#[test]
fn an_address_that_changes_hands_in_one_commit_is_gone() {
    let mut world = settled();
    assert_eq!(tell(&mut world, 0, None), Effect::Closes);
    let heir = Container {
        name: "heir".to_owned(),
        endpoints: container(0, &[0], false).endpoints,
        ..container(3, &[], false)
    };
    assert_eq!(tell(&mut world, 3, Some(heir)), Effect::Opens);
    let Next::Elements { after, .. } = world.commit() else {
        panic!("elements");
    };
    let changes = world.model.committed(after);
    let gone: Vec<String> = changes.gone.iter().map(ToString::to_string).collect();
    assert_eq!(gone, ["172.18.0.2"]);
    assert_eq!(world.kernel, world.whole());
}

#[test]
fn a_container_that_lives_between_two_commits_changes_nothing() {
    let mut world = settled();
    tell(&mut world, 1, Some(container(1, &[0], true)));
    tell(&mut world, 1, None);
    assert!(matches!(world.commit(), Next::Nothing));
}

#[test]
fn the_same_listing_changes_nothing() {
    let mut world = settled();
    let state = Box::new(world.model.state.clone());
    let effect = world.model.fold(Message::State { state, at: stamp() });
    assert_eq!(effect, Effect::Nothing);
    assert!(world.model.is_in_force());
}

#[test]
fn a_container_that_is_renamed_keeps_its_flows() {
    let mut world = settled();
    let mut now = container(0, &[0], true);
    now.name = "renamed".to_owned();
    tell(&mut world, 0, Some(now));
    match world.commit() {
        Next::Elements { after, .. } | Next::Whole { after, .. } => {
            assert!(world.model.committed(after).gone.is_empty());
        }
        Next::Nothing => panic!("its name is in comments"),
    }
}

#[test]
fn a_container_without_elements_leaves_nothing_behind() {
    let mut world = World::default();
    let mut state = State {
        daemon: daemon(false),
        ..State::default()
    };
    for number in [1, 3] {
        state.networks.insert(network(number).id, network(number));
    }
    let first = container(0, &[3], false);
    state.containers.insert(first.id.clone(), first);
    let state = Box::new(state);
    world.model.fold(Message::State { state, at: stamp() });
    world.settle();
    tell(&mut world, 0, None);
    world.settle();
    // Another one of the same name, with a port.
    let id = "f".repeat(64);
    let again = Container {
        id: id.clone(),
        ..container(0, &[1], true)
    };
    for container in [Some(Box::new(again)), None] {
        world.model.fold(Message::Container {
            id: id.clone(),
            container,
            others: 0,
            at: stamp(),
        });
        world.settle();
        assert_eq!(world.kernel, world.whole());
    }
}

#[test]
fn links_stay_between_their_containers() {
    let mut world = World::default();
    let mut state = State {
        daemon: daemon(false),
        ..State::default()
    };
    let mut bridge = Network {
        name: "bridge".to_owned(),
        ..network(0)
    };
    for (option, value) in [
        ("default_bridge", "true"),
        ("enable_icc", "false"),
        ("name", "docker0"),
    ] {
        let option = format!("com.docker.network.bridge.{option}");
        bridge.options.insert(option, value.to_owned());
    }
    state.networks.insert(bridge.id.clone(), bridge);
    state.networks.insert(network(1).id, network(1));
    let named = |number: usize, networks: &[usize], links: &[&str]| Container {
        links: links.iter().map(|of| (*of).to_owned()).collect(),
        exposed: vec!["5432/tcp".to_owned()],
        ..container(number, networks, false)
    };
    let all = [
        named(0, &[1], &[]),
        named(1, &[0], &["c2"]),
        named(2, &[0], &[]),
        named(3, &[0], &[]),
    ];
    for container in all {
        state.containers.insert(container.id.clone(), container);
    }
    let state = Box::new(state);
    world.model.fold(Message::State { state, at: stamp() });
    world.settle();
    tell(&mut world, 0, None);
    world.settle();
    assert_eq!(world.kernel, world.whole());
    // What is put right when others have changed it.
    let ruleset = world.model.ruleset().unwrap().unwrap();
    assert_eq!(elements(&ruleset.tables[0].sets), world.whole());
}

/// A name is another container's now, and the one that had it is known to be renamed only later.
#[test]
fn a_name_of_two_containers_takes_nothing_from_either() {
    for has_elements in [true, false] {
        let mut world = World::default();
        let mut state = State {
            daemon: daemon(false),
            ..State::default()
        };
        for number in [0, 1] {
            state.networks.insert(network(number).id, network(number));
        }
        let networks: &[usize] = if has_elements { &[0] } else { &[] };
        let old = container(0, networks, has_elements);
        state.containers.insert(old.id.clone(), old.clone());
        let state = Box::new(state);
        world.model.fold(Message::State { state, at: stamp() });
        world.settle();
        let mut heir = container(1, &[1], true);
        heir.name.clone_from(&old.name);
        tell(&mut world, 1, Some(heir));
        world.settle();
        let mut renamed = old;
        renamed.name = "renamed".to_owned();
        tell(&mut world, 0, Some(renamed));
        world.settle();
        assert_eq!(world.kernel, world.whole());
        // What is put right when others have changed it.
        let ruleset = world.model.ruleset().unwrap().unwrap();
        assert_eq!(elements(&ruleset.tables[0].sets), world.whole());
        tell(&mut world, 1, None);
        world.settle();
        assert_eq!(world.kernel, world.whole());
    }
}

#[test]
fn a_container_that_answers_at_last_is_not_left_out() {
    let mut world = settled();
    let late = container(1, &[1], true);
    let mut state = world.model.state.clone();
    state.unread = [
        (&late.id, &late.name),
        (&container(0, &[], false).id, &"c0".to_owned()),
    ]
    .map(|(id, name)| Unread {
        name: name.clone(),
        id: id.clone(),
        why: "dockerd has not answered yet".to_owned(),
    })
    .to_vec();
    let state = Box::new(state);
    world.model.fold(Message::State { state, at: stamp() });
    world.settle();
    assert_eq!(world.model.left_out().len(), 1);
    let is_as_before = |of: &String| of.contains("is as it was before");
    assert_eq!(
        world
            .model
            .notes()
            .iter()
            .filter(|of| is_as_before(of))
            .count(),
        1
    );
    tell(&mut world, 1, Some(late));
    world.settle();
    assert_eq!(world.model.left_out(), []);
    assert_eq!(
        world
            .model
            .notes()
            .iter()
            .filter(|of| is_as_before(of))
            .count(),
        1
    );
    assert_eq!(world.kernel, world.whole());
}

/// The manager of a swarm gives addresses of overlays away, and does not know the host's networks.
#[test]
fn an_address_inside_an_overlay_is_nobody_elses() {
    let mut world = World::default();
    let mut state = State {
        daemon: daemon(false),
        ..State::default()
    };
    let overlay = |driver: &str| Network {
        driver: driver.to_owned(),
        ..network(0)
    };
    let addresses = |gone: &std::collections::BTreeSet<std::net::IpAddr>| {
        gone.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    state.networks.insert(network(0).id, overlay("overlay"));
    state.networks.insert(network(1).id, network(1));
    let task = container(0, &[0, 1], false);
    state.containers.insert(task.id.clone(), task);
    let state = Box::new(state);
    world.model.fold(Message::State { state, at: stamp() });
    world.settle();
    tell(&mut world, 0, None);
    match world.commit() {
        Next::Elements { after, .. } | Next::Whole { after, .. } => {
            let changes = world.model.committed(after);
            assert_eq!(addresses(&changes.gone), ["172.19.0.2"]);
        }
        Next::Nothing => panic!("it went"),
    }
}
