//! moby's `TestIptabler`: every golden is imported, and Docker makes the same of the result.

use dockfw_iptables::{Family, TableName};
use dockfw_lower::import::Imported;
use dockfw_lower::reference::reference;

use crate::util::{difference, dumped, files, folder, import_one, note, rules, whole};

/// What Docker makes of the result; the goldens have no `DOCKER-USER`.
fn remade(imported: &Imported, family: Family) -> String {
    let reference = reference(&imported.host);
    let mut program = match family {
        Family::Ipv4 => reference.ipv4,
        Family::Ipv6 => reference.ipv6,
    };
    let filter = program.table_mut(TableName::Filter);
    if let Some(forward) = filter.chain_mut("FORWARD") {
        forward.remove(1);
    }
    filter.delete_chain("DOCKER-USER");
    whole(&program)
}

#[test]
fn goldens() {
    let Some(folder) = folder("moby/iptabler") else {
        return;
    };
    let (mut same, mut remnants, mut failed) = (0, 0, 0);
    for (name, text) in files(&folder) {
        if name.starts_with("no__") {
            continue;
        }
        let family = if name.ends_with("__iptables.golden") {
            Family::Ipv4
        } else {
            Family::Ipv6
        };
        let dumped = dumped(&text, family);
        let imported = import_one(&dumped);
        assert_eq!(imported.score.all(), rules(&dumped.program), "{name}");
        let (found, expected) = (remade(&imported, family), whole(&dumped.program));
        // Their test publishes a host port in routed mode, which the daemon never does.
        if name.contains("gwm=routed") {
            remnants += imported.leftovers.len();
            continue;
        }
        if found == expected && imported.leftovers.is_empty() {
            same += 1;
        } else {
            failed += 1;
            note(&format!("{name}\n{}", difference(&found, &expected)));
            note(&format!("{:#?}", imported.leftovers));
        }
    }
    note(&format!(
        "{same} goldens, {failed} failed; {remnants} remnants in mode routed"
    ));
    assert_eq!(failed, 0);
    assert!(same > 90, "{same} goldens");
}
