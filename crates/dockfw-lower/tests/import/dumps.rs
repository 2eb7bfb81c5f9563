//! Dumps of real hosts: nothing is lost, and most of Docker's rules are recognised.

use dockfw_iptables::Family;
use dockfw_lower::import::read;

use crate::util::{files, folder, import_one, note, rules};

/// The dumps with rules of Docker: how many rules are recognised as Docker's at least. These are
/// all that Docker made; the others of the dumps are of operators and other programs.
const FLOORS: [(&str, usize); 14] = [
    ("docker28_tailscale_airprint.rules", 31),
    ("docker_free5gc_sctp.rules", 47),
    ("docker_nginx_2020.rules", 18),
    ("docker_pterodactyl.rules", 23),
    ("docker_scenario.rules", 20),
    ("kube_docker_2019.rules", 13),
    ("moby_new-daemon.rules", 12),
    ("moby_swarm-portmap.rules", 27),
    ("moby_usernet-internal.rules", 18),
    ("moby_usernet-portmap-natunprot.rules", 13),
    ("moby_usernet-portmap-noicc.rules", 20),
    ("moby_usernet-portmap-noproxy.rules", 8),
    ("moby_usernet-portmap-routed.rules", 18),
    ("ufw_docker_full.rules", 20),
];

#[test]
fn nothing_of_a_dump_is_lost() {
    let Some(folder) = folder("realworld") else {
        return;
    };
    let mut seen = 0;
    for (name, text) in files(&folder) {
        let family = match name.rsplit_once('.') {
            Some((_, "rules")) => Family::Ipv4,
            Some((_, "rules6")) => Family::Ipv6,
            _ => continue,
        };
        let dumped = match read(&text, family) {
            Ok(dumped) => dumped,
            Err(errors) => {
                let error = errors.first().map(|of| of.message.clone());
                note(&format!("{name}: not a dump: {error:?}"));
                assert!(
                    !FLOORS.iter().any(|(of, _)| *of == name),
                    "{name}: {errors:?}"
                );
                continue;
            }
        };
        let imported = import_one(&dumped);
        let score = imported.score;
        assert_eq!(score.all(), rules(&dumped.program), "{name}");
        assert_eq!(score.leftover, imported.leftovers.len(), "{name}");
        note(&format!(
            "{name}: {} of {} rules are Docker's, {} the operator's, {} left over, {} unread; \
             {} networks, {} containers",
            score.docker,
            score.all(),
            score.user,
            score.leftover,
            dumped.unread.len(),
            imported.host.networks.len(),
            imported.host.containers.len(),
        ));
        if let Some((_, floor)) = FLOORS.iter().find(|(of, _)| *of == name) {
            seen += 1;
            imported
                .assumptions
                .iter()
                .for_each(|of| note(&format!("  ~ {of}")));
            for of in &imported.leftovers {
                note(&format!(
                    "  ? {} {}: {}",
                    of.table.as_str(),
                    of.text,
                    of.why
                ));
            }
            assert!(score.docker >= *floor, "{name}: {score:?}");
        }
    }
    assert_eq!(seen, FLOORS.len());
}
