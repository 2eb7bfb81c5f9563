# Each recipe is a plain command; typed by hand it does the same.

# list the recipes
default:
    @just --list

# all that CI does
ci:
    bash .ci/run

# formatting
fmt-check:
    cargo fmt --all --check

# lints, without and with the oracle's C libraries
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# the tests that need neither root nor tools
test *args:
    cargo test --workspace {{args}}

# the tests with network namespaces, nft and iptables; as root
test-netns *args:
    cargo test --workspace -- --ignored {{args}}

# a real dockerd with its own rules and beside dockfw: a line per packet; as root, with docker.io and busybox-static
test-dockerd *args:
    cargo test -p dockfw --test 'dockerd*' --test guide -- --ignored --nocapture {{args}}

# the same with the dockerd of another Debian release beside this machine's: sid has 28, trixie 26; as root
test-dockerd-newer suite="sid" *args:
    sh crates/dockfw-testkit/src/dockerd/fetch.sh {{suite}} target/dockerd/{{suite}}
    DOCKFW_DOCKERD="$PWD/target/dockerd/{{suite}}" cargo test -p dockfw --test dockerd --test dockerd_watch --test guide --test dockerd_life --test dockerd_faults --test dockerd_churn --test docker --test clean -- --ignored --nocapture {{args}}

# containers that come and go, for minutes, and 200 that are started at once; as root
churn cycles="1000" storm="200":
    DOCKFW_CHURN_CYCLES={{cycles}} DOCKFW_CHURN_STORM={{storm}} cargo test -p dockfw --test dockerd_churn -- --ignored --nocapture

# a million packets through Docker's rules and ours; DOCKFW_EQUIVALENCE_PACKETS changes the number
equivalence:
    cargo test --release -p dockfw-testkit --test equivalence -- --ignored --nocapture

# ways to break the ruleset, each of which must be caught
mutation:
    cargo test --release -p dockfw-testkit --test mutation -- --ignored --nocapture

# our bytes against libnftnl's; as root, needs libnftnl-dev, libmnl-dev and pkg-config
test-oracle:
    cargo test -p dockfw-netlink --features oracle --test oracle

# write the expected files of the fixtures anew; then read the diff
bless:
    DOCKFW_BLESS=1 cargo test --workspace --test golden --test policy

# connections through many DOCKER-USER rules, and compiling their dump; as root
bench-rules *args:
    cargo build --release -p dockfw
    cargo run --release -p dockfw-benches --bin bench-rules -- {{args}}

# documentation of the crates
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# licences, advisories, sources
deny:
    cargo deny check licenses bans sources

# do the fuzz targets build?
fuzz-check:
    cargo check --manifest-path fuzz/Cargo.toml

# one fuzz target for some seconds; needs cargo-fuzz
fuzz target seconds="60":
    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none {{target}} -- -max_total_time={{seconds}}

# criterion: parse, lower, verify, print, encode by number of ports
bench *args:
    cargo bench -p dockfw-benches {{args}}

# dockfw commit against the restore tools and nft, same host; as root
bench-restore *args:
    cargo run --release -p dockfw-benches --bin bench-restore -- {{args}}

# latency of the first packet through the last published port, by ruleset and size; as root
bench-connect *args:
    cargo run --release -p dockfw-benches --bin bench-connect -- {{args}}

# one container more on hosts of any size, against nft -f and the restore tools; as root
bench-change *args:
    cargo run --release -p dockfw-benches --bin bench-change -- {{args}}

# reading the table back, against nft list table; as root
bench-read *args:
    cargo run --release -p dockfw-benches --bin bench-read -- {{args}}

# dockfw watch against dockerd's own rules, events of up to 1,000 containers, memory, idle; as root, with docker.io and busybox-static
bench-watch *args:
    cargo build --release -p dockfw
    cargo run --release -p dockfw-benches --bin bench-watch -- {{args}}
