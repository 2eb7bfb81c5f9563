//! What one container adds is what the whole table has more with it than without.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the numbers are the result of a run"
)]

use std::collections::BTreeMap;

use dockfw_ir::name::SetName;
use dockfw_ir::set::Element;
use dockfw_ir::table::Table;
use dockfw_lower::host::Host;
use dockfw_lower::{container_elements, lower};
use dockfw_testkit::equivalence::{Generator, Rng};

fn table(host: &Host) -> Table {
    lower(host).tables.into_iter().next().unwrap()
}

fn elements(table: &Table) -> BTreeMap<SetName, Vec<Element>> {
    let of = table.sets.iter();
    of.map(|set| (set.name.clone(), set.elements.clone()))
        .collect()
}

#[test]
fn a_container_alone_gives_its_elements_in_every_host() {
    let (mut alone, mut together, mut added) = (0, 0, 0);
    for index in 0..400 {
        let mut host = Generator::new(Rng::new(17, index)).host();
        if index % 2 == 0 {
            host.daemon.userland_proxy = false;
        }
        let whole = table(&host);
        // Of a container in the middle, the indexes of legacy links would point elsewhere.
        let Some(container) = host.containers.pop() else {
            continue;
        };
        let without = table(&host);
        let Some(sets) = container_elements(&host, &container) else {
            together += 1;
            continue;
        };
        alone += 1;
        assert_eq!(whole.chains, without.chains);
        let mut sum = elements(&without);
        for set in sets {
            added += set.elements.len();
            let of_whole = whole.set(&set.name).unwrap();
            assert_eq!(set.key, of_whole.key);
            assert_eq!(set.kind, of_whole.kind);
            let elements = sum.get_mut(&set.name).unwrap();
            elements.extend(set.elements);
            elements.sort_by(|a, b| a.key.cmp(&b.key));
        }
        assert_eq!(sum, elements(&whole), "host {index}: {container:#?}");
    }
    println!("{alone} containers alone, {together} not, {added} elements");
    assert!(alone > 150 && added > 1000);
}
