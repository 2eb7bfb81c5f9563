//! Policy files against what dockfw says about them: `fixtures/policy-errors/<case>/`.
//!
//! `DOCKFW_BLESS=1 cargo test -p dockfw --test policy` writes the expected output; read it as an
//! operator would before committing it.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use dockfw::diagnostic::Style;
use dockfw::policy::{self, Source};
use dockfw_lower::docker::binding::bindings;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// What dockfw prints for the policy of a case.
fn output(case: &Path) -> String {
    let bytes = fs::read(case.join("policy.toml")).unwrap();
    match policy::parse(vec![Source {
        name: "policy.toml".to_owned(),
        bytes,
    }]) {
        Ok(policy) => format!("accepted\n{}", policy.warnings.to_text(Style::Plain)),
        Err(diagnostics) => diagnostics.to_text(Style::Plain),
    }
}

#[test]
fn diagnostics_read_as_expected() {
    let bless = std::env::var_os("DOCKFW_BLESS").is_some();
    let mut different = String::new();
    let mut count = 0;
    for folder in ["policy-errors", "policy-warnings"] {
        let mut cases: Vec<_> = fs::read_dir(fixtures().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        cases.sort();
        for case in cases {
            count += 1;
            let (path, actual) = (case.join("expected.txt"), output(&case));
            assert_eq!(
                actual.starts_with("accepted"),
                folder == "policy-warnings",
                "{case:?}"
            );
            assert_eq!(output(&case), actual, "the same input gave another output");
            if bless {
                fs::write(&path, &actual).unwrap();
                continue;
            }
            let expected = fs::read_to_string(&path).unwrap_or_default();
            if expected != actual {
                let _ = writeln!(
                    different,
                    "{}\nexpected:\n{expected}\nactual:\n{actual}",
                    case.display()
                );
            }
        }
    }
    assert!(count >= 15, "only {count} cases found");
    assert!(
        different.is_empty(),
        "{different}\nif this is right: DOCKFW_BLESS=1 cargo test -p dockfw --test policy"
    );
}

#[test]
fn the_example_of_the_design_is_valid() {
    let policy = policy::load(&[fixtures().join("policy/example/policy.toml")]).unwrap();
    assert!(policy.warnings.is_empty(), "{}", policy.warnings);
    assert!(!policy.host.daemon.userland_proxy);
    assert_eq!(policy.host.networks.len(), 1);
    // nat by IPv4, routed by IPv6; the publish on 127.0.0.1 has no IPv6 side.
    let shown: Vec<_> = bindings(&policy.host)
        .iter()
        .map(|b| {
            let host = b
                .host_ports
                .map_or("-".to_owned(), |ports| ports.to_string());
            format!(
                "{} {host} {} {}",
                b.host_address, b.container_address, b.container_ports
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "0.0.0.0 8080 172.18.0.2 80",
            ":: - 2001:db8:1::2 80",
            "127.0.0.1 8443 172.18.0.2 443",
            "0.0.0.0 9000-9100 172.18.0.2 9000-9100",
            ":: - 2001:db8:1::2 9000-9100",
        ]
    );
}

#[test]
fn a_node_of_a_swarm_with_links_is_valid() {
    let policy = policy::load(&[fixtures().join("policy/swarm-node/policy.toml")]).unwrap();
    assert!(policy.warnings.is_empty(), "{}", policy.warnings);
    let host = &policy.host;
    let ingress = host.ingress.as_ref().unwrap();
    assert_eq!(ingress.sandbox.to_string(), "172.19.0.2");
    let publish: Vec<_> = ingress.publish.iter().map(ToString::to_string).collect();
    assert_eq!(publish, ["8080:80", "5353:53/udp", "9000-9009:9000-9009"]);
    let shown: Vec<_> = host
        .containers
        .iter()
        .map(|of| {
            let expose: Vec<_> = of.expose.iter().map(ToString::to_string).collect();
            format!("{} {:?} {}", of.name, of.links, expose.join(","))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "shop [1, 2] ",
            "db [] 5432/tcp",
            "cache [] 6379/tcp,26379-26381/udp",
            "printer [] ",
        ]
    );
}

#[test]
fn a_directory_merges_its_files() {
    let folder = std::env::temp_dir().join(format!("dockfw-policy-{}", std::process::id()));
    fs::create_dir_all(folder.join("sub.toml")).unwrap();
    fs::write(
        folder.join("b.toml"),
        "[[container]]\nname = 'a'\nnetworks.bridge = ['172.17.0.2']",
    )
    .unwrap();
    fs::write(
        folder.join("a.toml"),
        "version = 1\n[[network]]\nname = 'bridge'\nsubnets = ['172.17.0.0/16']",
    )
    .unwrap();
    fs::write(folder.join(".c.toml"), "nonsense").unwrap();
    fs::write(folder.join("d.txt"), "nonsense").unwrap();
    let loaded = policy::load(std::slice::from_ref(&folder));
    let empty = policy::load(&[folder.join("sub.toml"), folder.join("missing.toml")]);
    fs::remove_dir_all(&folder).unwrap();

    let host = loaded.unwrap().host;
    assert_eq!(
        host.networks[0].bridge.as_ref().unwrap().as_str(),
        "docker0"
    );
    assert_eq!(host.containers[0].endpoints[0].network, 0);
    let text = empty.unwrap_err().to_string();
    assert!(text.contains("the directory has no policy file"), "{text}");
    assert!(
        text.contains("missing.toml: error: cannot read it: No such file"),
        "{text}"
    );
}

#[test]
fn a_file_above_the_limit_is_refused_unread() {
    let path = std::env::temp_dir().join(format!("dockfw-large-{}.toml", std::process::id()));
    let file = fs::File::create(&path).unwrap();
    file.set_len(100 << 20).unwrap();
    let error = policy::load(std::slice::from_ref(&path))
        .unwrap_err()
        .to_string();
    let endless = policy::load(&[PathBuf::from("/dev/zero")])
        .unwrap_err()
        .to_string();
    fs::remove_file(&path).unwrap();
    assert!(error.contains("the file is larger than 16 MiB"), "{error}");
    assert!(
        endless.contains("the file is larger than 16 MiB"),
        "{endless}"
    );
}
