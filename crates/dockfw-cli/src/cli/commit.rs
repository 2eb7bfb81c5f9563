//! `dockfw commit`

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use dockfw_ir::diff::Counts;
use dockfw_netlink::{Executor, Statistics};
use serde_json::json;

use super::Exit;
use super::apply::{Applied, How, apply};
use super::flows::{FlowArgs, Flows};
use super::input::InputArgs;
use super::journal::{Journal, Recorded, StateArgs};
use super::output::{Failure, print, print_json};
use super::plan::{SavedPlan, counts_to_json};
use super::settings::Report;
use super::{confirm, follow, session, watch};
use crate::state::{How as Came, Program};

/// How a commit is made.
#[derive(Debug, Args)]
pub(super) struct CommitArgs {
    /// Go back to what was in force before, unless `dockfw confirm` comes in this time: 60s, 2m,
    /// 1m30s, 500ms
    ///
    /// The kernel goes back by itself, also when nothing of dockfw runs any more. See
    /// docs/reliability.md for what cannot go back.
    #[arg(long, value_name = "TIME", value_parser = confirm::parse_duration)]
    confirm: Option<Duration>,
    /// Commit although the SSH session that this is started from would be cut
    #[arg(long)]
    force: bool,
    /// Make the tables anew instead of changing what differs: all counters begin at 0
    #[arg(long, conflicts_with_all = ["confirm", "plan"])]
    replace: bool,
    /// Own the tables, and stay: until this process ends nobody else can change them, and `nft
    /// flush ruleset` leaves them alone
    ///
    /// When it ends, whatever the reason, the rules stay in force and belong to nobody. It shows
    /// what others do to the ruleset, as `dockfw status --follow` does. Since Linux 6.9.
    #[arg(long, conflicts_with_all = ["confirm", "plan", "replace"])]
    own: bool,
    /// Commit only if the input and the kernel are what `dockfw plan --out` wrote into this file
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    flows: FlowArgs,
}

/// Makes our tables in the kernel what the input compiles to.
pub(super) fn run(
    input: &InputArgs,
    arguments: &CommitArgs,
    state: &StateArgs,
    as_json: bool,
    started: Instant,
) -> Result<Exit, Failure> {
    watch::refuse_if_watched(&state.place)?;
    let plan = arguments.plan.as_deref().map(SavedPlan::read).transpose()?;
    let (ruleset, settings, recipe) = {
        let input = input.load()?;
        (input.ruleset()?, input.settings(), input.into_recipe())
    };
    if let Some(plan) = &plan {
        plan.check_settings(&settings.clone().read().assignments())?;
    }
    if !arguments.force {
        session::guard(&ruleset).map_err(Failure::Cut)?;
    }
    let mut executor = Executor::open()?;
    let journal = Journal::open(state);
    let how = How {
        replace: arguments.replace,
        own: arguments.own,
        confirm: arguments.confirm,
        plan: plan.as_ref(),
        before: arguments.flows.cuts() && arguments.confirm.is_none(),
    };
    let mut applied = apply(&mut executor, &ruleset, &how)?;
    // What goes back by itself must not leave a host that forwards without rules.
    let settings = if arguments.confirm.is_some() {
        settings.read()
    } else {
        settings.apply()
    };
    let total = started.elapsed();
    let recorded = if arguments.confirm.is_some() {
        journal.record_unconfirmed(recipe, &applied, Program::this())
    } else {
        journal.record(recipe, &applied, Program::this(), Came::Commit)
    };
    let flows = Flows::after(applied.change.take());
    let outcome = Outcome {
        applied: &applied,
        recorded: &recorded,
        pending: arguments.confirm,
        settings: &settings,
        total,
        flows: &flows,
    };
    if as_json {
        print_json(&outcome.to_json())?;
    } else {
        print(&outcome.to_line())?;
        if arguments.confirm.is_some() {
            let until = "when the commit is confirmed, if it is recorded; or by the next commit";
            let text = settings.postponed(until);
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
        settings.warn();
    }
    recorded.warn();
    flows.warn();
    if arguments.own {
        let ended = follow::run(&mut executor, as_json)?;
        return Ok(settings.exit_or(ended));
    }
    if applied.has_cleared() {
        // The old ruleset is freed while nobody waits for it.
        executor.close_in_background();
    }
    Ok(settings.exit_or(Exit::Done))
}

/// What a commit was, what became of its record, and how long the whole process took for it.
pub(super) struct Outcome<'a> {
    pub(super) applied: &'a Applied,
    pub(super) recorded: &'a Recorded,
    /// When it goes back by itself.
    pub(super) pending: Option<Duration>,
    /// What became of the settings of the host.
    pub(super) settings: &'a Report,
    pub(super) total: Duration,
    /// What became of the flows that it concerns.
    pub(super) flows: &'a Flows,
}

impl Outcome<'_> {
    fn milliseconds(&self) -> (f64, f64) {
        let kernel = self.applied.kernel_time();
        let user = self.total.saturating_sub(kernel);
        (user.as_secs_f64() * 1e3, kernel.as_secs_f64() * 1e3)
    }

    /// What is in force now, and how many bytes were sent for it.
    fn statistics(&self) -> Statistics {
        let sent = self.applied.committed.map_or(0, |of| of.statistics.bytes);
        Statistics {
            bytes: sent,
            ..self.applied.batch.statistics()
        }
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        let Statistics {
            tables,
            chains,
            sets,
            rules,
            elements,
            bytes,
            ..
        } = self.statistics();
        let (user, kernel) = self.milliseconds();
        let is_sent = self.applied.committed.is_some();
        json!({
            "outcome": if is_sent { "committed" } else { "unchanged" },
            "committed": self.applied.tables,
            "removed": self.applied.removed,
            "changed": self.applied.changed.as_ref().map(counts_to_json),
            "settings": self.settings.to_json(),
            "pending_seconds": self.pending.map(|time| time.as_secs_f64()),
            "generation": self.applied.generation,
            "recorded": self.recorded.number.is_some(),
            "history": self.recorded.number,
            "tables": tables,
            "chains": chains,
            "sets": sets,
            "rules": rules,
            "elements": elements,
            "bytes": bytes,
            "user_ms": user,
            "kernel_ms": kernel,
            "flows": self.flows.to_json(),
        })
    }

    pub(super) fn to_line(&self) -> String {
        let Statistics {
            tables,
            chains,
            sets,
            rules,
            elements,
            bytes,
            ..
        } = self.statistics();
        let (user, kernel) = self.milliseconds();
        let mut others = match (self.recorded.number, self.pending) {
            (Some(number), _) => format!(", recorded as {number}"),
            (None, Some(_)) => ", recorded when it is confirmed".to_owned(),
            (None, None) => ", not recorded".to_owned(),
        };
        if !self.applied.removed.is_empty() {
            let _ = write!(others, ", removed {}", self.applied.removed.join(", "));
        }
        let names = self.applied.tables.join(", ");
        let generation = self.applied.generation;
        let what = match (&self.applied.committed, &self.applied.changed) {
            (None, _) => {
                return format!(
                    "unchanged {names}: the kernel has it already, nothing was sent, generation \
                     {generation}{others}\n{}",
                    self.settings.written()
                );
            }
            (Some(_), Some(counts)) => format!("changed {names}: {}", words(counts)),
            (Some(_), None) => {
                let objects = tables + chains + sets + rules;
                format!("committed {names}: {objects} objects, {elements} elements")
            }
        };
        let mut line = format!(
            "{what}, {bytes} bytes, {user:.1} ms in user space, {kernel:.1} ms in the kernel, \
             generation {generation}{others}\n"
        );
        if let Some(time) = self.pending {
            let _ = writeln!(
                line,
                "pending: goes back by itself in {} s; `dockfw confirm` makes it permanent",
                time.as_secs_f64()
            );
        }
        line.push_str(&self.settings.written());
        line.push_str(&self.flows.to_line());
        line
    }
}

/// What changes, in words: `2 rules added, 64 elements added`.
pub(super) fn words(counts: &Counts) -> String {
    let all = [
        (counts.tables_added, "table", "added"),
        (counts.tables_removed, "table", "removed"),
        (counts.tables_replaced, "table", "made anew"),
        (counts.chains_added, "chain", "added"),
        (counts.chains_removed, "chain", "removed"),
        (counts.chains_replaced, "chain", "made anew"),
        (counts.policies, "policy", "changed"),
        (counts.rules_added, "rule", "added"),
        (counts.rules_removed, "rule", "removed"),
        (counts.rules_replaced, "rule", "replaced"),
        (counts.rules_remade, "rule", "made again"),
        (counts.sets_added, "set", "added"),
        (counts.sets_removed, "set", "removed"),
        (counts.sets_swapped, "set", "swapped"),
        (counts.elements_added, "element", "added"),
        (counts.elements_removed, "element", "removed"),
        (counts.elements_changed, "element", "changed"),
    ];
    let some = all.into_iter().filter(|(number, ..)| *number > 0);
    let texts = some.map(|(number, noun, verb)| match (number, noun) {
        (1, _) => format!("1 {noun} {verb}"),
        (_, "policy") => format!("{number} policies {verb}"),
        _ => format!("{number} {noun}s {verb}"),
    });
    texts.collect::<Vec<_>>().join(", ")
}
