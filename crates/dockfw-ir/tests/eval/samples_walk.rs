//! Random packets through every sample: nothing panics, and the same packet ends the same way.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers: every constant here is valid"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use dockfw_ir::eval::{Conntrack, Direction, Evaluator, From, Limits, Packet, State, Tuple};
use dockfw_ir::verify::verify;

use crate::helpers::docker_host;
use crate::samples::samples;

/// SplitMix64: the seed is the whole state, so a failure is found again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.next() % u64::try_from(choices.len()).unwrap();
        choices[usize::try_from(index).unwrap()]
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn port(&mut self) -> u16 {
        let any = u16::from_le_bytes([self.byte(), self.byte()]);
        self.pick(&[80, 8080, 8443, 53, 22, any])
    }

    fn address(&mut self, v6: bool) -> std::net::IpAddr {
        if v6 {
            let any = Ipv6Addr::from(u128::from(self.next()) << 64 | u128::from(self.next()));
            let known = [
                "::1",
                "2001:db8::1",
                "2001:db8:a::2",
                "fe80::1",
                "ff02::1",
                "::",
            ];
            let known = self.pick(&known).parse().unwrap();
            self.pick(&[any, known, known]).into()
        } else {
            let any = Ipv4Addr::from([self.byte(), self.byte(), self.byte(), self.byte()]);
            let known = [
                "127.0.0.1",
                "192.0.2.1",
                "172.18.0.2",
                "224.0.0.1",
                "192.0.2.255",
                "0.0.0.0",
            ];
            let known = self.pick(&known).parse().unwrap();
            self.pick(&[any, known, known]).into()
        }
    }

    fn packet(&mut self) -> Packet {
        let v6 = self.pick(&[false, true]);
        let protocol = self.pick(&[1, 6, 17, 58, 132, 47]);
        let ports = matches!(protocol, 6 | 17 | 132).then(|| (self.port(), self.port()));
        let interface = self.pick(&["eth0", "br-a", "br-web", "lo", "a-name-longer-than-15"]);
        let tuple = |random: &mut Self| {
            let some = random.pick(&[false, true]);
            some.then(|| Tuple {
                source: random.address(v6),
                destination: random.address(v6),
                protocol,
                ports: ports.map(|_| (random.port(), random.port())),
            })
        };
        let states = [
            State::New,
            State::Established,
            State::Related,
            State::Invalid,
            State::Untracked,
        ];
        Packet {
            from: if self.pick(&[true, false, false]) {
                From::Host
            } else {
                From::Interface(interface.to_owned())
            },
            to: self.pick(&[None, None, Some("br-a")]).map(str::to_owned),
            ports,
            icmp: matches!(protocol, 1 | 58).then(|| (self.byte(), self.byte())),
            tcp_flags: Some(self.byte()),
            mark: u32::from(self.byte()),
            ct: Conntrack {
                state: self.pick(&states),
                direction: self.pick(&[Direction::Original, Direction::Reply]),
                original: tuple(self),
                reply: tuple(self),
                status: u32::from(self.byte()),
                mark: u32::from(self.byte()),
            },
            ..Packet::new(From::Host, self.address(v6), self.address(v6), protocol)
        }
    }
}

#[test]
fn random_packets_through_every_sample() {
    let host = docker_host();
    let mut random = Random(0x0d0c_f411);
    for (name, ruleset) in samples() {
        let ruleset = verify(ruleset).unwrap();
        for limits in [Limits::Kept, Limits::Exceeded] {
            let evaluator = Evaluator::new(&ruleset).with_limits(limits);
            for _ in 0..5_000 {
                let packet = random.packet();
                let outcome = evaluator.eval(&host, &packet);
                assert_eq!(
                    outcome,
                    evaluator.eval(&host, &packet),
                    "{name}: {packet:?}"
                );
                assert_eq!(
                    outcome.source.is_ipv4(),
                    outcome.destination.is_ipv4(),
                    "{name}"
                );
            }
        }
    }
}
