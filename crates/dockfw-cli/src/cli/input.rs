//! What a verb reads: policies and rules files, told apart by their names.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use dockfw_iptables::Family;
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Table, Verified};
use dockfw_lower::lower;
use dockfw_lower::optimize::Optimize;

use super::live::{DockerArgs, default_policies};
use super::output::{Failure, print_diagnostics};
use super::settings::Wanted;
use crate::diagnostic::Diagnostics;
use crate::docker::{self, Address};
use crate::policy::{self, Base, Policy, Source, read};
use crate::rules::{self, LeaveOut, Options, Rules};
use crate::state::Recipe;

/// Where policies are looked for when none is named.
const DEFAULT_POLICY: &str = "/etc/dockfw";

/// Which files, and how they are read.
#[derive(Debug, Args)]
pub(super) struct InputArgs {
    /// Policy files (*.toml), folders of them, or - for a policy on standard input, which merge;
    /// any other file has iptables rules
    ///
    /// Without any: /etc/dockfw
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    docker: DockerArgs,
    /// The family of rules files, whatever their commands, the comment of a dump, or a name that
    /// ends in 6 say
    #[arg(long, value_enum, value_name = "FAMILY")]
    family: Option<FamilyArg>,
    /// Refuse rules that have no native form; this is the default
    #[arg(long, conflicts_with = "lenient")]
    strict: bool,
    /// Leave out rules without a native form, if nothing more is accepted without them, and list
    /// them
    #[arg(long)]
    lenient: bool,
    /// Whether rules that differ in values fold into sets and maps
    #[arg(long, value_enum, value_name = "HOW_MUCH", default_value_t)]
    optimize: OptimizeArg,
}

/// A family on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FamilyArg {
    /// iptables
    Ipv4,
    /// ip6tables
    Ipv6,
}

/// How much rules are rewritten, on the command line.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum OptimizeArg {
    /// One rule stays one rule, in order
    None,
    /// Fold where the meaning allows it
    #[default]
    Full,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Input {
    /// The host of the policies; `None` when only rules files were named.
    pub(super) policy: Option<Policy>,
    /// The rules files.
    pub(super) rules: Rules,
    /// The family that was asked for.
    family: Option<Family>,
    options: Options,
}

impl InputArgs {
    /// Reads everything; all that is wrong is reported together.
    pub(super) fn read(&self) -> Result<Input, Failure> {
        let (options, family) = (self.options(), self.family());
        let (policies, rules) = self.paths();
        let rules = rules::load(&rules, family, options);
        let policy = if self.docker.is_wanted() {
            let live = self.docker.read(&policies, options);
            match live.and_then(|live| live.policy(options)) {
                Ok(policy) => Some(Ok(policy)),
                Err(Failure::Input(diagnostics)) => Some(Err(diagnostics)),
                Err(failure) => return Err(failure),
            }
        } else {
            (!policies.is_empty()).then(|| policy::load_with(&policies, options))
        };
        Input::new(policy, rules, family, options)
    }

    /// Has a daemon always be meant.
    pub(super) fn with_daemon(&mut self) {
        self.docker.want();
    }

    /// The daemon, and how it is looked at.
    pub(super) fn daemon(&self) -> Result<(Address, docker::Options), Failure> {
        Ok((self.docker.address()?, self.docker.options()))
    }

    /// What a watch begins with: the policies beside a daemon, and the tables of rules files.
    /// Warnings go to standard error.
    pub(super) fn base(&self) -> Result<(Base, Vec<Table>), Failure> {
        let (options, family) = (self.options(), self.family());
        let (policies, rules) = self.paths();
        let base = if policies.is_empty() {
            Ok(Base::default())
        } else {
            policy::load_base(&policies, options)
        };
        match (base, rules::load(&rules, family, options)) {
            (Ok(base), Ok(rules)) => {
                print_diagnostics(&rules.warnings);
                let programs = rules.programs.into_iter();
                Ok((base, programs.map(|program| program.table).collect()))
            }
            (base, rules) => {
                let mut all = base.err().unwrap_or_default();
                all.extend(rules.err().unwrap_or_default());
                Err(Failure::Input(all))
            }
        }
    }

    /// The files and folders, as they were named; those that are meant without any.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.docker.file().into_iter().collect();
        files.extend_from_slice(&self.files);
        if files.is_empty() && self.docker.is_wanted() {
            files = default_policies(DEFAULT_POLICY);
        } else if files.is_empty() {
            files.push(PathBuf::from(DEFAULT_POLICY));
        }
        files
    }

    /// Reads the files without looking at what they say.
    ///
    /// `None` when one cannot be read, or only once: standard input; or when a daemon is a part of
    /// it, which may say something else each time.
    pub(super) fn recipe(&self) -> Option<Recipe> {
        if self.docker.is_wanted() {
            return None;
        }
        let (policies, rules) = self.paths();
        if policies.iter().any(|path| path.as_os_str() == "-") {
            return None;
        }
        let readable = |(sources, unreadable): (_, Diagnostics)| {
            let sources: Vec<Source> = sources;
            unreadable.is_empty().then_some(sources)
        };
        let policies = match policies.as_slice() {
            [] => None,
            paths => Some(readable(read::sources(paths))?),
        };
        Some(Recipe {
            policies,
            rules: readable(read::files(&rules, 0, "rules"))?,
            family: self.family(),
            options: self.options(),
        })
    }

    fn options(&self) -> Options {
        Options {
            optimize: match self.optimize {
                OptimizeArg::None => Optimize::None,
                OptimizeArg::Full => Optimize::Full,
            },
            // --strict is the default, written out.
            unsupported: if self.lenient && !self.strict {
                LeaveOut::Harmless
            } else {
                LeaveOut::Nothing
            },
        }
    }

    fn family(&self) -> Option<Family> {
        self.family.map(|family| match family {
            FamilyArg::Ipv4 => Family::Ipv4,
            FamilyArg::Ipv6 => Family::Ipv6,
        })
    }

    /// The policies, and the rules files.
    fn paths(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let paths = self.files().into_iter();
        paths.partition(|path| !is_rules_file(path))
    }

    /// Reads everything; warnings go to standard error.
    pub(super) fn load(&self) -> Result<Input, Failure> {
        let input = self.read()?;
        print_diagnostics(&input.warnings());
        Ok(input)
    }
}

/// Whether a path is that of a rules file.
fn is_rules_file(path: &Path) -> bool {
    let is_policy = path.as_os_str() == "-" || path.extension().is_some_and(|of| of == "toml");
    !is_policy && !path.is_dir()
}

impl Input {
    fn new(
        policy: Option<Result<Policy, Diagnostics>>,
        rules: Result<Rules, Diagnostics>,
        family: Option<Family>,
        options: Options,
    ) -> Result<Self, Failure> {
        match (policy.transpose(), rules) {
            (Ok(policy), Ok(rules)) => Ok(Self {
                policy,
                rules,
                family,
                options,
            }),
            (policy, rules) => {
                let mut all = policy.err().unwrap_or_default();
                all.extend(rules.err().unwrap_or_default());
                Err(Failure::Input(all))
            }
        }
    }

    /// Reads what was kept of an earlier input.
    pub(super) fn from_recipe(recipe: &Recipe) -> Result<Self, Failure> {
        let (family, options) = (recipe.family, recipe.options);
        let policies = recipe.policies.clone();
        let policy = policies.map(|sources| policy::parse_with(sources, options));
        let rules = rules::parse(&recipe.rules, family, options).map(|rules| Rules {
            sources: recipe.rules.clone(),
            ..rules
        });
        Self::new(policy, rules, family, options)
    }

    /// What is kept of it.
    pub(super) fn into_recipe(self) -> Recipe {
        Recipe {
            policies: self.policy.map(Policy::into_sources),
            rules: self.rules.sources,
            family: self.family,
            options: self.options,
        }
    }

    /// All warnings.
    pub(super) fn warnings(&self) -> Diagnostics {
        let policy = self.policy.as_ref().map(|policy| policy.warnings.clone());
        let mut all = policy.unwrap_or_default();
        all.extend(self.rules.warnings.clone());
        all
    }

    /// What the ruleset needs of the host's kernel.
    pub(super) fn settings(&self) -> Wanted {
        Wanted::of(self.policy.as_ref())
    }

    /// Compiles everything and has the verifier look at the result.
    pub(super) fn ruleset(&self) -> Result<Verified, Failure> {
        let host = self.policy.as_ref().map(|policy| lower(&policy.host));
        let mut tables = host.map(|ruleset| ruleset.tables).unwrap_or_default();
        let programs = self.rules.programs.iter();
        tables.extend(programs.map(|program| program.table.clone()));
        verify(Ruleset { tables }).map_err(|error| Failure::Bug(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::is_rules_file;

    #[test]
    fn names_tell_what_a_file_is() {
        for policy in ["-", "a.toml", "/etc/dockfw/b.toml", "/", "."] {
            assert!(!is_rules_file(Path::new(policy)), "{policy}");
        }
        for rules in [
            "rules.v4",
            "/etc/iptables/rules.v6",
            "a.toml.bak",
            "iptables",
        ] {
            assert!(is_rules_file(Path::new(rules)), "{rules}");
        }
    }
}
