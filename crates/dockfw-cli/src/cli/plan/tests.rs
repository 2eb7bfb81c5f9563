//! Plans of small changes of a policy, word by word.

use dockfw_ir::diff::rulesets;
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Verified};
use dockfw_lower::lower;

use super::*;
use crate::policy::{Source, parse};

const POLICY: &str = r#"
version = 1

[[network]]
name = "web"
bridge = "br-web"
subnets = ["172.18.0.0/16"]

[[network]]
name = "back"
bridge = "br-back"
subnets = ["172.19.0.0/16"]

[[container]]
name = "nginx"
networks.web = ["172.18.0.2"]
publish = ["8080:80"]

[[container]]
name = "db"
networks.back = ["172.19.0.2"]

[docker-user]
ipv4 = '''
-A DOCKER-USER -s 198.51.100.1 -j DROP
-A DOCKER-USER -p tcp --dport 22 -j RETURN
'''
"#;

fn compiled(policy: &str) -> Verified {
    let source = Source {
        name: "policy.toml".to_owned(),
        bytes: policy.as_bytes().to_vec(),
    };
    verify(lower(&parse(vec![source]).unwrap().host)).unwrap()
}

/// The policy with some texts replaced by others.
fn other(replacements: &[(&str, &str)]) -> Verified {
    let mut policy = POLICY.to_owned();
    for (from, to) in replacements {
        assert!(policy.contains(from), "{from}");
        policy = policy.replace(from, to);
    }
    compiled(&policy)
}

fn plan(from: &Verified, to: &Verified) -> String {
    text::words(&rulesets(&from.tables, to))
}

/// Compares with `fixtures/plan/NAME.txt`; `DOCKFW_BLESS=1` writes it anew.
fn golden(name: &str, text: &str) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/plan");
    let path = folder.join(name).with_extension("txt");
    if std::env::var_os("DOCKFW_BLESS").is_some() {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(path).unwrap(), "{name}");
}

fn nothing() -> Verified {
    verify(Ruleset::default()).unwrap()
}

#[test]
fn nothing_changes() {
    let policy = compiled(POLICY);
    let changes = rulesets(&policy.tables, &policy);
    assert_eq!(
        text::words(&changes),
        "unchanged: the kernel has this ruleset\n"
    );
    assert_eq!(nft::lines(&changes), "");
    assert_eq!(exit(&changes, &Report::default()), Exit::Done);
    assert_eq!(to_json(7, &changes, &Report::default())["changes"], false);
}

#[test]
fn publishes() {
    let from = compiled(POLICY);
    let to = other(&[(
        "\"8080:80\"",
        "\"8081:80\", \"127.0.0.1:53:53/udp\", \"9000-9003:9000-9003\"",
    )]);
    golden("publishes", &plan(&from, &to));
    let moved = other(&[("\"8080:80\"", "\"8080:81\"")]);
    golden("publish-moved", &plan(&from, &moved));
}

/// Long ranges are single elements; what is said is the same.
#[test]
fn ranges() {
    let from = other(&[("\"8080:80\"", "\"9000-9019:9000-9019\"")]);
    let to = other(&[("\"8080:80\"", "\"9000-9018:9000-9018\"")]);
    golden("range-shortened", &plan(&from, &to));
}

#[test]
fn networks_and_containers() {
    let from = compiled(POLICY);
    let less = other(&[
        (
            "[[network]]\nname = \"back\"\nbridge = \"br-back\"\nsubnets = [\"172.19.0.0/16\"]\n",
            "",
        ),
        (
            "[[container]]\nname = \"db\"\nnetworks.back = [\"172.19.0.2\"]\n",
            "",
        ),
    ]);
    golden("network-removed", &plan(&from, &less));
    let renamed = other(&[
        ("name = \"back\"", "name = \"rear\""),
        ("networks.back", "networks.rear"),
        ("\"db\"", "\"sql\""),
    ]);
    golden("network-renamed", &plan(&from, &renamed));
    let icc = other(&[(
        "bridge = \"br-back\"",
        "bridge = \"br-back\"\noptions.\"com.docker.network.bridge.enable_icc\" = \"false\"",
    )]);
    golden("icc", &plan(&from, &icc));
}

#[test]
fn rules_of_operators_and_policies() {
    let from = compiled(POLICY);
    let to = other(&[
        (
            "version = 1",
            "version = 1\n[daemon]\nip-forward-no-drop = true",
        ),
        (
            "-A DOCKER-USER -p tcp",
            "-A DOCKER-USER -s 198.51.100.2 -p udp -j DROP\n-A DOCKER-USER -p tcp",
        ),
    ]);
    golden("operator-rules", &plan(&from, &to));
    golden(
        "operator-rules-nft",
        &nft::lines(&rulesets(&from.tables, &to)),
    );
}

#[test]
fn ports_that_are_open_without_a_publish() {
    let routed = |port: &str| {
        let publish = format!("\"{port}\"");
        other(&[
            (
                "bridge = \"br-web\"",
                "bridge = \"br-web\"\noptions.\"com.docker.network.bridge.gateway_mode_ipv4\" = \"routed\"",
            ),
            ("\"8080:80\"", &publish),
        ])
    };
    golden("routed", &plan(&routed("80"), &routed("443")));
}

#[test]
fn elements_as_text() {
    let from = compiled(POLICY);
    let to = other(&[("\"8080:80\"", "\"8080:81\", \"53:53/udp\"")]);
    golden("elements-nft", &nft::lines(&rulesets(&from.tables, &to)));
}

#[test]
fn tables_that_come_and_go() {
    let policy = compiled(POLICY);
    let come = plan(&nothing(), &policy);
    assert!(
        come.starts_with(
            "table inet dockfw, created\n  + publish 0.0.0.0:8080/tcp -> 172.18.0.2:80 (nginx)\n"
        ),
        "{come}"
    );
    let none = nothing();
    let go = plan(&policy, &none);
    assert!(go.contains("  - network web (br-web)\n"), "{go}");
    let changes = rulesets(&policy.tables, &none);
    assert_eq!(exit(&changes, &Report::default()), Exit::Differs);
    let lines = nft::lines(&changes);
    assert!(
        lines.starts_with("-table inet dockfw {\n")
            && lines.lines().all(|line| line.starts_with('-'))
    );
}

#[test]
fn for_programs() {
    let from = compiled(POLICY);
    let to = other(&[("\"8080:80\"", "\"8080:81\"")]);
    let value = to_json(7, &rulesets(&from.tables, &to), &Report::default());
    assert_eq!(value["generation"], 7);
    let item = &value["tables"][0]["items"][0];
    let expected = json!({
        "kind": "publish", "change": "changed",
        "text": "0.0.0.0:8080/tcp -> 172.18.0.2:81 (nginx), was 172.18.0.2:80 (nginx)",
        "address": "0.0.0.0", "protocol": "tcp", "first": 8080, "last": 8080,
        "to": { "address": "172.18.0.2", "port": 81, "name": "nginx" },
        "was": { "address": "172.18.0.2", "port": 80, "name": "nginx" },
    });
    assert_eq!(*item, expected);
    assert_eq!(value["counts"]["elements"]["changed"], 1);
}

/// Whatever differs is said: a change is never shown as nothing.
#[test]
fn no_change_is_silent() {
    let from = compiled(POLICY);
    for to in [
        other(&[("name = \"back\"\n", "name = \"back\"\ninternal = true\n")]),
        other(&[(
            "version = 1",
            "version = 1\n[daemon]\nuserland-proxy = false",
        )]),
        other(&[(
            "version = 1",
            "version = 1\n[daemon]\nallow-direct-routing = true",
        )]),
        other(&[("172.18.0.2", "172.18.0.3")]),
    ] {
        for (from, to) in [(&from, &to), (&to, &from)] {
            let text = plan(from, to);
            let items = text.lines().filter(|line| line.starts_with("  ")).count();
            assert!(items > 0, "{text}");
            assert!(
                text.lines().last().unwrap().starts_with("in all: "),
                "{text}"
            );
        }
    }
}

#[test]
fn saved_plans_hold_for_what_they_were_made_for() {
    let (kernel, wanted) = (compiled(POLICY), other(&[("8080", "8081")]));
    let inputs = [PathBuf::from("/etc/dockfw/host.toml")];
    let plan = SavedPlan::new(
        41,
        &kernel.tables,
        &wanted,
        vec!["net.ipv4.ip_forward=1".to_owned()],
        &inputs,
    );
    let text = plan.to_text();
    let read = SavedPlan::from_text(&text).unwrap();
    assert_eq!(read, plan);
    assert!(read.to_text().contains("/etc/dockfw/host.toml"));
    assert_eq!(read.check(41, &kernel.tables, &wanted), Ok(()));
    let stale = Mismatch::Generation {
        planned: 41,
        found: 42,
    };
    assert_eq!(read.check(42, &kernel.tables, &wanted), Err(stale));
    assert_eq!(
        read.check_settings(&["net.ipv4.ip_forward=1".to_owned()]),
        Ok(())
    );
    assert_eq!(read.check_settings(&[]), Err(Mismatch::Settings));
    assert_eq!(
        read.check(41, &wanted.tables, &wanted),
        Err(Mismatch::Kernel)
    );
    assert_eq!(
        read.check(41, &kernel.tables, &kernel),
        Err(Mismatch::Wanted)
    );
}

/// The exit code says whether something would change, and the plan is written.
#[test]
fn plans_are_printed_and_saved() {
    let policy = compiled(POLICY);
    let path = std::env::temp_dir().join(format!("dockfw-plan-{}.json", std::process::id()));
    let same = rulesets(&policy.tables, &policy);
    let kernel = Reading {
        generation: 41,
        tables: &policy.tables,
    };
    for form in [Form::Words, Form::Nft, Form::Json] {
        let exit = run(
            kernel,
            &policy,
            &same,
            &Report::default(),
            form,
            Some((&path, &[])),
        );
        assert_eq!(exit.unwrap(), Exit::Done);
        let saved = SavedPlan::from_text(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(saved.check(41, &policy.tables, &policy), Ok(()));
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn damaged_plans_are_refused() {
    let policy = compiled(POLICY);
    let text = SavedPlan::new(41, &[], &policy, Vec::new(), &[]).to_text();
    for (from, to) in [
        ("41", "42"),
        ("\"settings\": []", "\"settings\": [\"x=1\"]"),
        ("\"inputs\": []", "\"inputs\": [\"x\"]"),
        ("\"check\"", "\"new\": 1,\n  \"check\""),
    ] {
        let damaged = text.replace(from, to);
        assert_ne!(damaged, text);
        assert_eq!(SavedPlan::from_text(&damaged), Err(SavedPlanError::Damaged));
    }
    let newer = text.replace("\"dockfw_plan\": 2", "\"dockfw_plan\": 3");
    assert_eq!(
        SavedPlan::from_text(&newer),
        Err(SavedPlanError::Version(3))
    );
    for no_plan in ["", "{}", "[1]", "null", &text[..text.len() / 2]] {
        assert!(
            matches!(SavedPlan::from_text(no_plan), Err(SavedPlanError::Form(_))),
            "{no_plan}"
        );
    }
}

/// What packets put into sets is no other state.
#[test]
fn elements_of_dynamic_sets_are_not_in_the_digest() {
    let mut tables = compiled(POLICY).into_inner().tables;
    let wanted = compiled(POLICY);
    let plan = SavedPlan::new(1, &tables, &wanted, Vec::new(), &[]);
    for set in &mut tables[0].sets {
        set.elements.pop();
    }
    assert_eq!(plan.check(1, &tables, &wanted), Err(Mismatch::Kernel));
    for set in &mut tables[0].sets {
        set.dynamic = true;
    }
    let plan = SavedPlan::new(1, &tables, &wanted, Vec::new(), &[]);
    for set in &mut tables[0].sets {
        set.elements.clear();
    }
    assert_eq!(plan.check(1, &tables, &wanted), Ok(()));
}
