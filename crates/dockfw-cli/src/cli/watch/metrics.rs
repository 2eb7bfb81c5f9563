//! Counters and times of a watch, as OpenMetrics text.
//!
//! Source: OpenMetrics 1.0, "Text Format".

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use dockfw_lower::count::{PublishCount, Traffic};

use super::enforce::Way;

/// Upper bounds of the buckets of times, in microseconds.
const BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000,
];

/// How many of the newest times are kept for quantiles.
const NEWEST: usize = 512;

/// Times, in buckets.
#[derive(Debug, Default)]
pub(super) struct Times {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
    newest: std::collections::VecDeque<Duration>,
}

impl Times {
    /// Adds one.
    pub(super) fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        for (bound, bucket) in BOUNDS.iter().zip(&mut self.buckets) {
            if micros <= *bound {
                *bucket += 1;
            }
        }
        self.count += 1;
        self.sum += time;
        if self.newest.len() == NEWEST {
            self.newest.pop_front();
        }
        self.newest.push_back(time);
    }

    /// The quantile of the newest times, in percent; `None` without any.
    pub(super) fn quantile(&self, percent: usize) -> Option<Duration> {
        let mut times: Vec<Duration> = self.newest.iter().copied().collect();
        times.sort_unstable();
        let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(place).copied()
    }

    /// How many there were.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }
}

/// What is counted while a watch runs.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Transactions, by the way they were made.
    pub(super) commits: BTreeMap<Way, u64>,
    /// Commits that failed.
    pub(super) errors: u64,
    /// How often others had changed our tables.
    pub(super) drift: u64,
    /// Events of dockerd, by type.
    pub(super) events: BTreeMap<&'static str, u64>,
    /// How often dockerd was lost.
    pub(super) lost: u64,
    /// Flows cut because they are no longer allowed.
    pub(super) flows: u64,
    /// From an event on dockerd's socket to the kernel's acknowledgement.
    pub(super) lag: Times,
    /// How long the kernel worked on a transaction.
    pub(super) kernel: Times,
}

/// What is so now.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    pub(super) connected: bool,
    pub(super) generation: u32,
    pub(super) networks: usize,
    pub(super) containers: usize,
    pub(super) publishes: usize,
    pub(super) left_out: usize,
}

/// Writes one metric family after the other.
struct Writer {
    text: String,
}

impl Writer {
    fn family(&mut self, name: &str, kind: &str, unit: Option<&str>, help: &str) {
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        if let Some(unit) = unit {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.text, "# HELP {name} {}", escape(help));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.text.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{label}=\"{}\"", escape(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", None, help);
        self.sample(&format!("{name}_total"), &[], value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, "gauge", None, help);
        self.sample(name, &[], value);
    }

    fn times(&mut self, name: &str, help: &str, times: &Times) {
        self.family(name, "histogram", Some("seconds"), help);
        let bucket = format!("{name}_bucket");
        for (bound, count) in BOUNDS.iter().zip(times.buckets) {
            let bound = seconds(Duration::from_micros(*bound));
            self.sample(&bucket, &[("le", &bound)], count);
        }
        self.sample(&bucket, &[("le", "+Inf")], times.count);
        self.sample(&format!("{name}_count"), &[], times.count);
        self.sample(&format!("{name}_sum"), &[], seconds(times.sum));
    }
}

/// Seconds as a decimal number, which always has a point.
fn seconds(time: Duration) -> String {
    format!("{:?}", time.as_secs_f64())
}

/// Values and help texts: backslash, quote and line feed are escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            c => escaped.push(c),
        }
    }
    escaped
}

impl Metrics {
    /// One more transaction.
    pub(super) fn commit(&mut self, way: Way, kernel: Duration) {
        *self.commits.entry(way).or_default() += 1;
        self.kernel.add(kernel);
    }

    /// All transactions.
    pub(super) fn all_commits(&self) -> u64 {
        self.commits.values().sum()
    }

    /// Everything, with the end that OpenMetrics asks for.
    pub(super) fn to_text(&self, gauges: &Gauges, traffic: &[PublishCount]) -> String {
        let mut to = Writer {
            text: String::new(),
        };
        let name = "dockfw_build";
        to.family(name, "info", None, "The program that wrote this.");
        let version = env!("CARGO_PKG_VERSION");
        to.sample("dockfw_build_info", &[("version", version)], 1);
        let name = "dockfw_commits";
        to.family(
            name,
            "counter",
            None,
            "Transactions, by the way they were made.",
        );
        for way in Way::ALL {
            let number = self.commits.get(&way).copied().unwrap_or_default();
            to.sample("dockfw_commits_total", &[("way", way.word())], number);
        }
        to.counter("dockfw_commit_errors", "Commits that failed.", self.errors);
        let help = "How often others had changed dockfw's tables, which were put right.";
        to.counter("dockfw_drift", help, self.drift);
        let help = "Flows cut because they are no longer allowed.";
        to.counter("dockfw_flows_cut", help, self.flows);
        to.family(
            "dockfw_docker_events",
            "counter",
            None,
            "Events of dockerd, by type.",
        );
        for (of, number) in &self.events {
            to.sample("dockfw_docker_events_total", &[("type", of)], number);
        }
        let help = "How often the connection to dockerd was lost.";
        to.counter("dockfw_docker_lost", help, self.lost);
        let help = "From an event on dockerd's socket to the kernel's acknowledgement.";
        to.times("dockfw_lag_seconds", help, &self.lag);
        let help = "How long the kernel worked on a transaction.";
        to.times("dockfw_kernel_seconds", help, &self.kernel);
        let help = "Whether there is a connection to dockerd.";
        to.gauge("dockfw_docker_connected", help, u8::from(gauges.connected));
        let help = "The generation of the kernel's ruleset.";
        to.gauge("dockfw_ruleset_generation", help, gauges.generation);
        to.gauge(
            "dockfw_networks",
            "Bridge networks in force.",
            gauges.networks,
        );
        let help = "Containers in force.";
        to.gauge("dockfw_containers", help, gauges.containers);
        let help = "Publishes in force; a range is one.";
        to.gauge("dockfw_publishes", help, gauges.publishes);
        let help = "Networks and containers left out, and so closed.";
        to.gauge("dockfw_left_out", help, gauges.left_out);
        if !traffic.is_empty() {
            write_traffic(&mut to, traffic);
        }
        to.text.push_str("# EOF\n");
        to.text
    }
}

/// One of the two numbers of a counter.
type Number = fn(&Traffic) -> u64;

fn write_traffic(to: &mut Writer, counts: &[PublishCount]) {
    let families: [(&str, Option<&str>, &str, Number); 2] = [
        (
            "dockfw_publish_packets",
            None,
            "Packets of published ports.",
            |of| of.packets,
        ),
        (
            "dockfw_publish_bytes",
            Some("bytes"),
            "Bytes of IP packets of published ports.",
            |of| of.bytes,
        ),
    ];
    for (name, unit, help, number) in families {
        to.family(name, "counter", unit, help);
        for count in counts {
            let published = count.published.iter();
            let published = published.map(|(address, ports)| match address {
                IpAddr::V4(_) => format!("{address}:{ports}"),
                IpAddr::V6(_) => format!("[{address}]:{ports}"),
            });
            let published = published.collect::<Vec<_>>().join(",");
            let address = count.container_address.to_string();
            let (ports, protocol) = (
                count.container_ports.to_string(),
                count.protocol.to_string(),
            );
            for (direction, traffic) in [("to", &count.to), ("from", &count.from)] {
                let labels = [
                    ("container", count.container.as_str()),
                    ("published", &published),
                    ("address", &address),
                    ("port", &ports),
                    ("protocol", &protocol),
                    ("direction", direction),
                ];
                to.sample(&format!("{name}_total"), &labels, number(traffic));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dockfw_lower::count::{PublishCount, Traffic};
    use dockfw_lower::docker::publish::{PortRange, Protocol};

    use super::{Gauges, Metrics, Times};
    use crate::cli::watch::enforce::Way;

    fn port(number: u16) -> PortRange {
        PortRange::new(number, number).expect("a port")
    }

    #[test]
    fn the_text_is_openmetrics() {
        let mut metrics = Metrics::default();
        metrics.commit(Way::Elements, Duration::from_micros(300));
        metrics.lag.add(Duration::from_micros(700));
        metrics.events.insert("container", 3);
        let count = PublishCount {
            container: "we\"b\\\n".to_owned(),
            container_address: [172, 17, 0, 2].into(),
            protocol: Protocol::Tcp,
            container_ports: port(80),
            published: vec![([0, 0, 0, 0].into(), port(8080))],
            to: Traffic {
                packets: 7,
                bytes: 420,
            },
            from: Traffic::default(),
        };
        let text = metrics.to_text(&Gauges::default(), &[count]);
        for line in [
            "# TYPE dockfw_commits counter\n",
            "dockfw_commits_total{way=\"elements\"} 1\n",
            "dockfw_docker_events_total{type=\"container\"} 3\n",
            "# UNIT dockfw_lag_seconds seconds\n",
            "dockfw_lag_seconds_bucket{le=\"0.0005\"} 0\n",
            "dockfw_lag_seconds_bucket{le=\"0.001\"} 1\n",
            "dockfw_lag_seconds_bucket{le=\"+Inf\"} 1\n",
            "dockfw_lag_seconds_count 1\n",
            "dockfw_kernel_seconds_sum 0.0003\n",
            "dockfw_publish_packets_total{container=\"we\\\"b\\\\\\n\",published=\"0.0.0.0:8080\",\
             address=\"172.17.0.2\",port=\"80\",protocol=\"tcp\",direction=\"to\"} 7\n",
            "direction=\"to\"} 420\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(text.ends_with("\n# EOF\n"));
    }

    #[test]
    fn quantiles_are_of_the_newest() {
        let mut times = Times::default();
        assert_eq!(times.quantile(50), None);
        for n in 1..=100 {
            times.add(Duration::from_millis(n));
        }
        assert_eq!(times.quantile(50), Some(Duration::from_millis(50)));
        assert_eq!(times.quantile(99), Some(Duration::from_millis(99)));
        for _ in 0..512 {
            times.add(Duration::from_millis(1));
        }
        assert_eq!(times.quantile(99), Some(Duration::from_millis(1)));
        assert_eq!(times.count(), 612);
    }
}
