//! What the loop says besides rules: warnings, settings of the host, status and metrics.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use dockfw_lower::host::Host;
use tracing::{debug, info, warn};

use super::super::super::counts;
use super::super::super::settings::{self, Wanted};
use super::super::changes::Changes;
use super::super::metrics::Gauges;
use super::super::status::Report;
use super::Watch;
use crate::leftover;

impl Watch<'_> {
    /// Says what is left out and assumed, once.
    pub(super) fn tell_left_out(&mut self) {
        let now: BTreeSet<String> = self
            .model
            .left_out()
            .iter()
            .map(ToString::to_string)
            .chain(self.model.notes().iter().cloned())
            .collect();
        for line in now.difference(&self.told) {
            warn!("{line}");
        }
        self.told = now;
    }

    /// Makes, or reports, the settings of the host that what has come needs.
    pub(super) fn apply_settings(&mut self, changes: &Changes) {
        if changes.skeleton {
            self.look_at_settings();
            return;
        }
        let publishes = changes.came.iter().any(|of| !of.publish.is_empty());
        let Some(host) = self.model.host().filter(|_| publishes) else {
            return;
        };
        let came = Host {
            containers: changes.came.clone(),
            networks: host.networks.clone(),
            daemon: host.daemon.clone(),
            ..Host::default()
        };
        let report = Wanted::new(&came, self.model.manages_sysctls()).apply();
        self.tell_settings(&report, &[]);
    }

    /// All of them anew: what was wrong may have been put right.
    pub(super) fn look_at_settings(&mut self) {
        let Some(host) = self.model.host() else {
            return;
        };
        let report = Wanted::new(host, self.model.manages_sysctls()).apply();
        let before = std::mem::take(&mut self.settings);
        self.tell_settings(&report, &before);
    }

    fn tell_settings(&mut self, report: &settings::Report, before: &[String]) {
        for line in report.written().lines() {
            info!("{line}");
        }
        for line in report.notes().lines().map(str::to_owned) {
            if self.settings.contains(&line) {
                continue;
            }
            if !before.contains(&line) && self.told.insert(line.clone()) {
                warn!("{line}");
            }
            self.settings.push(line);
        }
    }

    /// Looks whether an earlier dockerd has left rules.
    pub(super) fn look_for_leftovers(&mut self) {
        let found = match leftover::leftovers() {
            Ok(summary) if summary.is_empty() => None,
            Ok(summary) => Some(format!(
                "an earlier dockerd has left {summary}, which decide about packets too; `dockfw \
                 import --clean-docker-rules` shows and removes them"
            )),
            Err(error) => {
                debug!(%error, "rules that an earlier dockerd may have left could not be looked for");
                return;
            }
        };
        if found == self.leftovers {
            return;
        }
        if let Some(leftovers) = &found {
            warn!("{leftovers}");
        } else {
            info!("what an earlier dockerd had left is gone");
        }
        self.leftovers = found;
        self.status.touch();
    }

    pub(super) fn gauges(&mut self) -> Gauges {
        if let Ok(generation) = self.enforcer.generation() {
            self.generation = generation;
        }
        let host = self.model.host();
        Gauges {
            connected: self.daemon.connected,
            generation: self.generation,
            networks: host.map_or(0, |host| host.networks.len()),
            containers: host.map_or(0, |host| host.containers.len()),
            publishes: host.map_or(0, |host| {
                host.containers.iter().map(|of| of.publish.len()).sum()
            }),
            left_out: self.model.left_out().len(),
        }
    }

    pub(super) fn write_status(&mut self, now: Instant) {
        let gauges = self.gauges();
        let left_out: Vec<(String, String)> = self
            .model
            .left_out()
            .iter()
            .map(|of| (of.name.clone(), of.why.clone()))
            .collect();
        let problems = [
            &self.failure,
            &self.look_failure,
            &self.firewall,
            &self.policy,
            &self.leftovers,
        ];
        let problems = problems.into_iter().flatten().cloned();
        let problems: Vec<String> = problems.chain(self.settings.iter().cloned()).collect();
        let files = self.arguments.input.files();
        let files: Vec<String> = files
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let report = Report {
            started: self.since,
            daemon: &self.daemon,
            policy: &files,
            gauges: &gauges,
            metrics: &self.metrics,
            last_event: self.last_event.as_ref(),
            left_out: &left_out,
            problems: &problems,
        };
        self.status.write(now, &report);
        let line = format!(
            "{} containers, {} publishes, generation {}{}",
            gauges.containers,
            gauges.publishes,
            gauges.generation,
            if self.daemon.connected {
                ""
            } else {
                "; no dockerd"
            },
        );
        self.manager.status(&line);
    }

    pub(super) fn write_metrics(&mut self) {
        let Some(path) = &self.arguments.metrics else {
            return;
        };
        let path: PathBuf = path.clone();
        let gauges = self.gauges();
        let traffic = match self.model.host() {
            Some(host) => counts::of_host(self.enforcer.executor(), host),
            None => Ok(Vec::new()),
        };
        let traffic = traffic.unwrap_or_else(|error| {
            warn!(%error, "the counters of published ports could not be read");
            Vec::new()
        });
        let text = self.metrics.to_text(&gauges, &traffic);
        let mut incoming = path.clone().into_os_string();
        incoming.push(".incoming");
        let written = std::fs::write(&incoming, text);
        if let Err(error) = written.and_then(|()| std::fs::rename(&incoming, &path)) {
            warn!(%error, file = %path.display(), "the metrics are not written");
        }
    }
}
