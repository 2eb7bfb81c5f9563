//! What may be left out, and what may not.

use dockfw_iptables::Family;

use super::{Lenient, leave_out};

/// A match that has no native form.
const UNSUPPORTED: &str = "-m u32 --u32 0=1";

fn lenient(text: &str) -> Lenient {
    let lenient = leave_out(text, Family::Ipv4);
    assert_eq!(lenient.text.len(), text.len());
    lenient
}

/// How many rules are left out, and how many are unsupported and kept.
#[track_caller]
fn check(text: &str, expected: (usize, usize)) {
    let lenient = lenient(text);
    let found = (lenient.left_out.len(), lenient.kept.len());
    assert_eq!(found, expected, "{text}");
    if expected.0 == 0 {
        assert_eq!(lenient.text, text);
    }
}

#[test]
fn harmless_targets_are_left_out() {
    for target in ["-j ACCEPT", "-j LOG", "-j NFLOG --nflog-group 1", ""] {
        check(&format!("-A INPUT {UNSUPPORTED} {target}\n"), (1, 0));
        check(&format!("-I INPUT {UNSUPPORTED} {target}\n"), (1, 0));
    }
}

#[test]
fn other_targets_stay_errors() {
    for target in ["DROP", "REJECT", "RETURN", "chain", "MARK --set-mark 1"] {
        check(
            &format!("-N chain\n-A INPUT {UNSUPPORTED} -j {target}\n"),
            (0, 1),
        );
    }
    check(
        &format!("-N chain\n-A INPUT {UNSUPPORTED} -g chain\n"),
        (0, 1),
    );
}

#[test]
fn other_tables_stay_errors() {
    let nat = "*nat\n-A POSTROUTING -m u32 --u32 0=1 -j ACCEPT\nCOMMIT\n";
    check(nat, (0, 1));
    check(&nat.replace("nat", "mangle"), (0, 1));
    check(
        &format!("-t nat -A POSTROUTING {UNSUPPORTED} -j ACCEPT\n"),
        (0, 1),
    );
    check(
        &format!("-A POSTROUTING -t nat {UNSUPPORTED} -j ACCEPT\n"),
        (0, 1),
    );
}

#[test]
fn the_rest_stays_byte_for_byte() {
    let text = "-A INPUT -i lo -j ACCEPT\n-A INPUT -m u32 --u32 0=1 -j ACCEPT\n-A INPUT -j DROP\n";
    let found = lenient(text);
    let lines: Vec<_> = found.text.lines().collect();
    assert_eq!(lines[0], "-A INPUT -i lo -j ACCEPT");
    assert_eq!(lines[1].trim(), "");
    assert_eq!(lines[2], "-A INPUT -j DROP");
    assert_eq!(
        found.left_out[0].span.of(text),
        "-A INPUT -m u32 --u32 0=1 -j ACCEPT"
    );
    assert_eq!(
        found.left_out[0].rule,
        "-A INPUT -m u32 --u32 0=1 -j ACCEPT"
    );
}

#[test]
fn positions_would_mean_other_rules() {
    let unsupported = format!("-A INPUT {UNSUPPORTED} -j ACCEPT\n-A INPUT -j DROP\n");
    for positional in ["-D INPUT 1", "-I INPUT 2 -j LOG", "-R INPUT 1 -j LOG"] {
        check(&format!("{unsupported}{positional}\n"), (0, 1));
    }
    check(&format!("{unsupported}-I INPUT 1 -j LOG\n"), (1, 0));
    check(&format!("{unsupported}-D INPUT -j DROP\n"), (1, 0));
}

#[test]
fn deleting_is_not_left_out() {
    check(&format!("-D INPUT {UNSUPPORTED} -j ACCEPT\n"), (0, 1));
    check(&format!("-C INPUT {UNSUPPORTED} -j ACCEPT\n"), (0, 1));
}

#[test]
fn a_line_with_another_mistake_stays() {
    let text = format!("-A INPUT -s 300.0.0.1 {UNSUPPORTED} -j ACCEPT\n");
    check(&text, (0, 1));
}

#[test]
fn matches_that_others_look_at_stay() {
    let text = "-A INPUT -m u32 --u32 0=1 -m recent --name a --set\n";
    check(text, (0, 1));
    check(
        "-A INPUT -m u32 --u32 0=1 -m hashlimit --hashlimit-name a --hashlimit-upto 1/s -j ACCEPT\n",
        (0, 1),
    );
}

/// A rule that is read, and cannot be said in nftables: a limit for each of several rules.
const NO_FORM: &str = "-p tcp -m multiport --ports 22,80 -m limit --limit 1/s";

#[test]
fn rules_without_a_native_form() {
    check(&format!("-A INPUT {NO_FORM} -j ACCEPT\n"), (1, 0));
    check(&format!("-A INPUT {NO_FORM} -j LOG\n"), (1, 0));
    check(&format!("-A INPUT {NO_FORM}\n"), (1, 0));
    check(&format!("-A INPUT {NO_FORM} -j DROP\n"), (0, 1));
    check(&format!("-A INPUT {NO_FORM} -j RETURN\n"), (0, 1));
    check(
        &format!("*mangle\n-A INPUT {NO_FORM} -j ACCEPT\nCOMMIT\n"),
        (0, 1),
    );
    check(
        &format!("-A INPUT {NO_FORM} -j ACCEPT\n-D INPUT 1\n"),
        (0, 1),
    );
}

/// A list is judged by its rules together, and those alone that no list can have are unsupported.
#[test]
fn lists_stay_whole() {
    let put = "-A INPUT -m recent --set --name a -j ACCEPT\n";
    check(
        &format!("{put}-A INPUT -m recent --rcheck --seconds 9 --name a -j DROP\n"),
        (0, 0),
    );
    check(
        &format!("{put}-A INPUT -m recent --rcheck --seconds 9 --name a -j ACCEPT\n"),
        (0, 1),
    );
    for option in ["--hitcount 4", "--rttl", "--mask 255.0.0.0"] {
        let ask = format!("-A INPUT -m recent --update --seconds 9 {option} --name a -j LOG\n");
        check(&format!("{put}{ask}"), (0, 1));
    }
}

/// A packet that a rule no longer accepts could take an address out of a list.
#[test]
fn lists_that_forget_keep_all_rules() {
    let unsupported = format!("-A INPUT {UNSUPPORTED} -j ACCEPT\n");
    let list = "-A INPUT -m recent --rcheck --seconds 9 --name a -j DROP\n\
                -A INPUT -m recent --set --name a\n";
    check(&format!("{unsupported}{list}"), (1, 0));
    check(
        &format!("{unsupported}-A INPUT -m recent --remove --name a\n{list}"),
        (0, 1),
    );
}

/// A packet that a rule no longer accepts could use up what others are stopped by.
#[test]
fn limits_that_stop_packets_keep_all_rules() {
    let unsupported = format!("-A INPUT {UNSUPPORTED} -j ACCEPT\n");
    let after = |rule: &str| format!("{unsupported}-A INPUT {rule}\n");
    for stops in [
        "-m limit --limit 5/s -j DROP",
        "-m limit --limit 5/s -j REJECT",
        "-m quota --quota 1000 -j DROP",
        "-m statistic --mode nth --every 2 --packet 0 -j DROP",
        "-m hashlimit --hashlimit-name a --hashlimit-mode srcip --hashlimit-upto 5/s -j DROP",
    ] {
        check(&after(stops), (0, 1));
    }
    for fine in [
        "-m limit --limit 5/s -j LOG",
        "-m limit --limit 5/s -j ACCEPT",
        "-m hashlimit --hashlimit-name a --hashlimit-mode srcip --hashlimit-above 5/s -j DROP",
        "-j DROP",
    ] {
        check(&after(fine), (1, 0));
    }
}
