//! What a watch says of itself: written by it, and shown by `dockfw status`.

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::super::journal::PlaceArgs;
use super::enforce::Way;
use super::metrics::{Gauges, Metrics};
use crate::diagnostic::printable;
use crate::state::{Watching, utc};

/// How often it is written at most: a burst of events is one status.
const INTERVAL: Duration = Duration::from_millis(200);

/// How much of a name or an error is shown, in characters.
const LIMIT: usize = 200;

/// The daemon that is followed.
#[derive(Debug, Default)]
pub(super) struct Daemon {
    pub(super) address: String,
    /// `20.10.24 (API 1.41)`; empty before the first connection.
    pub(super) version: String,
    pub(super) connected: bool,
    /// Why it is not connected.
    pub(super) error: Option<String>,
}

/// The last event that led to a commit.
#[derive(Debug)]
pub(super) struct LastEvent {
    /// `start web` and so on.
    pub(super) what: String,
    pub(super) at: SystemTime,
    /// Until the kernel had acknowledged it.
    pub(super) lag: Option<Duration>,
}

/// Everything that is shown.
pub(super) struct Report<'a> {
    pub(super) started: SystemTime,
    pub(super) daemon: &'a Daemon,
    pub(super) policy: &'a [String],
    pub(super) gauges: &'a Gauges,
    pub(super) metrics: &'a Metrics,
    pub(super) last_event: Option<&'a LastEvent>,
    /// What is left out, and why.
    pub(super) left_out: &'a [(String, String)],
    /// What is wrong now, in a line each.
    pub(super) problems: &'a [String],
}

impl Report<'_> {
    pub(super) fn to_json(&self) -> Value {
        let Metrics {
            commits,
            errors,
            drift,
            flows,
            lost,
            lag,
            ..
        } = self.metrics;
        let way = |way: Way| commits.get(&way).copied().unwrap_or_default();
        let milliseconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        json!({
            "pid": std::process::id(),
            "since": seconds(self.started),
            "daemon": {
                "address": self.daemon.address,
                "version": self.daemon.version,
                "connected": self.daemon.connected,
                "error": self.daemon.error,
                "lost": lost,
            },
            "policy": self.policy,
            "generation": self.gauges.generation,
            "networks": self.gauges.networks,
            "containers": self.gauges.containers,
            "publishes": self.gauges.publishes,
            "commits": {
                "all": self.metrics.all_commits(),
                "elements": way(Way::Elements),
                "compared": way(Way::Compared),
                "read": way(Way::Read),
            },
            "errors": errors,
            "drift": drift,
            "flows_cut": flows,
            "last_event": self.last_event.map(|event| json!({
                "what": event.what,
                "time": seconds(event.at),
                "lag_ms": milliseconds(event.lag),
            })),
            "lag_ms": {
                "median": milliseconds(lag.quantile(50)),
                "p99": milliseconds(lag.quantile(99)),
                "count": lag.count(),
            },
            "left_out": self.left_out.iter().map(|(name, why)| json!({
                "name": name,
                "why": why,
            })).collect::<Vec<_>>(),
            "problems": self.problems,
        })
    }
}

/// Seconds since 1970, UTC.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Writes the status, not too often.
#[derive(Debug)]
pub(super) struct Writer {
    place: Option<Watching>,
    stale: bool,
    last: Option<Instant>,
    failed: bool,
}

impl Writer {
    pub(super) const fn new(place: Option<Watching>) -> Self {
        Self {
            place,
            stale: true,
            last: None,
            failed: false,
        }
    }

    /// Something is new.
    pub(super) const fn touch(&mut self) {
        self.stale = true;
    }

    /// It is to be written at once.
    pub(super) const fn hurry(&mut self) {
        self.stale = true;
        self.last = None;
    }

    /// When it is to be written.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.last.map_or(now, |last| last + INTERVAL);
        (self.stale && self.place.is_some()).then_some(due)
    }

    /// Writes it, if it is time.
    pub(super) fn write(&mut self, now: Instant, report: &Report<'_>) {
        if self.due(now).is_some_and(|due| due <= now) {
            self.write_now(now, report);
        }
    }

    /// Writes it whatever the time is.
    pub(super) fn write_now(&mut self, now: Instant, report: &Report<'_>) {
        let Some(place) = &self.place else { return };
        self.last = Some(now);
        let result = place.say(format!("{:#}\n", report.to_json()).as_bytes());
        if let Err(error) = &result
            && !self.failed
        {
            tracing::warn!(%error, "the status is not written; dockfw status does not show it");
        }
        self.failed = result.is_err();
        // The old one is shown until then.
        self.stale = self.failed;
    }
}

/// What the watch of a folder says: whether it runs, and its last words.
pub(in super::super) fn read(place: &PlaceArgs) -> Option<(bool, Value)> {
    let state = place.open().ok()?;
    let said = state.watch_status().ok()??;
    let value: Value = serde_json::from_slice(&said).ok()?;
    Some((state.is_watched().ok()?, value))
}

/// A few lines about it.
pub(in super::super) fn to_text(runs: bool, said: &Value) -> String {
    let text_of = |value: &Value| match value {
        Value::String(text) => printable(text, LIMIT),
        Value::Null => "none".to_owned(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => format!("{number:.1}"),
            None => number.to_string(),
        },
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    let at = |path: &str| said.pointer(path).map_or_else(String::new, text_of);
    let time = |path: &str| {
        said.pointer(path)
            .and_then(Value::as_u64)
            .map_or_else(String::new, utc)
    };
    let is = |path: &str| said.pointer(path).is_some_and(|value| !value.is_null());
    let mut text = String::new();
    if !runs {
        let _ = writeln!(
            text,
            "watch: does not run; the rules are those it left, and stay"
        );
        return text;
    }
    let _ = writeln!(
        text,
        "watch: process {}, since {}",
        at("/pid"),
        time("/since")
    );
    let connected = said.pointer("/daemon/connected") == Some(&Value::Bool(true));
    if connected {
        let _ = writeln!(
            text,
            "  dockerd {} at {}",
            at("/daemon/version"),
            at("/daemon/address")
        );
    } else {
        let _ = writeln!(
            text,
            "  no dockerd at {}: {}; the rules stay as they are",
            at("/daemon/address"),
            at("/daemon/error"),
        );
    }
    let _ = writeln!(
        text,
        "  {} networks, {} containers, {} publishes in force at generation {}",
        at("/networks"),
        at("/containers"),
        at("/publishes"),
        at("/generation"),
    );
    if is("/last_event") {
        let lag = if is("/last_event/lag_ms") {
            format!(", in force {} ms later", at("/last_event/lag_ms"))
        } else {
            String::new()
        };
        let (what, when) = (at("/last_event/what"), time("/last_event/time"));
        let _ = writeln!(text, "  last event: {what}, {when}{lag}");
    }
    let _ = writeln!(
        text,
        "  {} commits, {} of them failed, {} times put right, {} flows cut; lag: median {} ms, \
         p99 {} ms",
        at("/commits/all"),
        at("/errors"),
        at("/drift"),
        at("/flows_cut"),
        at("/lag_ms/median"),
        at("/lag_ms/p99"),
    );
    let left_out = said.pointer("/left_out").and_then(Value::as_array);
    for one in left_out.into_iter().flatten() {
        let at = |path: &str| one.pointer(path).map_or_else(String::new, text_of);
        let _ = writeln!(
            text,
            "  left out, and so closed: {}: {}",
            at("/name"),
            at("/why")
        );
    }
    let problems = said.pointer("/problems").and_then(Value::as_array);
    for problem in problems.into_iter().flatten() {
        let _ = writeln!(text, "  problem: {}", text_of(problem));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::super::metrics::{Gauges, Metrics};
    use super::{Daemon, INTERVAL, Report, Writer};
    use crate::state::State;

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let name = format!("dockfw-status-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let place = State::open_or_create(&folder).unwrap().watching().unwrap();
        let report = Report {
            started: SystemTime::now(),
            daemon: &Daemon::default(),
            policy: &[],
            gauges: &Gauges::default(),
            metrics: &Metrics::default(),
            last_event: None,
            left_out: &[],
            problems: &[],
        };
        let mut writer = Writer::new(place);
        let begun = Instant::now();
        // Nothing can be written where a folder is.
        let obstacle = folder.join(".watch.incoming");
        std::fs::create_dir(&obstacle).unwrap();
        writer.write(begun, &report);
        assert_eq!(writer.due(begun), Some(begun + INTERVAL));
        std::fs::remove_dir(&obstacle).unwrap();
        writer.write(begun + INTERVAL, &report);
        assert_eq!(writer.due(begun + INTERVAL), None);
        assert!(folder.join("watch.json").exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
