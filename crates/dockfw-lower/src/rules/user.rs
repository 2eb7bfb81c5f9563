//! The operator's own rules around Docker's: `DOCKER-USER`, and what stands in `FORWARD` and
//! `DOCKER-FORWARD` before, between and behind Docker's own rules.
//!
//! A text is read as if it were run on a host where dockerd is up: the chains are there, with
//! Docker's jumps in them, so that `-I FORWARD` comes before `DOCKER-USER` and `-A FORWARD` behind
//! everything.

use dockfw_iptables::parse::{Assume, Command, ErrorKind, Located, Script, Span};
use dockfw_iptables::{Chain as XtChain, Policy, Target};
use dockfw_iptables::{ChainName as XtChainName, Family as XtFamily, Program, Rule, TableName};
use dockfw_ir::chain::{Chain, Rule as IrRule};
use dockfw_ir::name::ChainName;
use dockfw_ir::set::Set;
use dockfw_ir::statement::{Statement, Verdict};

use super::chain::{ChainNames, Compiler};
use super::hooks::Hooks;
use super::{Place, Why};
use crate::lower::family::Family;
use crate::lower::make::{dispatch, jump};
use crate::optimize::Optimize;

/// The operator's chain, which is empty in Docker.
pub(crate) const DOCKER_USER: XtChainName = XtChainName::from_static("DOCKER-USER");
/// Docker's chain of accepts.
pub(crate) const DOCKER_FORWARD: XtChainName = XtChainName::from_static("DOCKER-FORWARD");
/// The built-in chain.
pub(crate) const FORWARD: XtChainName = XtChainName::from_static("FORWARD");
/// Chains that belong to Docker alone.
pub(crate) const DOCKERS: [XtChainName; 6] = [
    XtChainName::from_static("DOCKER"),
    XtChainName::from_static("DOCKER-BRIDGE"),
    XtChainName::from_static("DOCKER-CT"),
    XtChainName::from_static("DOCKER-INTERNAL"),
    XtChainName::from_static("DOCKER-INGRESS"),
    XtChainName::from_static("DOCKER-ISOLATION-STAGE-1"),
];
/// Stands for all of Docker's rules in `DOCKER-FORWARD`.
const DOCKER_CT: XtChainName = XtChainName::from_static("DOCKER-CT");

/// The rules of an operator, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserText<'t> {
    /// For iptables.
    pub ipv4: Option<&'t str>,
    /// For ip6tables.
    pub ipv6: Option<&'t str>,
}

/// Something that is wrong with an operator's rules, or has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserProblem {
    /// In which of the texts.
    pub family: XtFamily,
    /// Where.
    pub span: Span,
    /// Whether the rules are refused for it.
    pub is_error: bool,
    /// What is wrong: a fragment without a full stop.
    pub message: String,
    /// What would be right.
    pub help: String,
    /// Another place that explains it, and what it has to do with it.
    pub related: Option<(Span, &'static str)>,
}

/// The rules of an operator, as iptables programs and as native chains.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserRules {
    families: Vec<UserFamily>,
    /// The native chains.
    pub(crate) chains: Vec<Chain>,
    /// The sets that they look at.
    pub(crate) sets: Vec<Set>,
}

/// The rules of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserFamily {
    pub(crate) family: Family,
    /// The program, with Docker's jumps in `FORWARD` and `DOCKER-FORWARD`.
    pub(crate) program: Program,
    /// The native form of `DOCKER-USER`, if there are rules.
    pub(crate) docker_user: Option<ChainName>,
    /// The native form of `FORWARD`, if there are rules besides Docker's.
    pub(crate) forward: Option<ChainName>,
}

impl UserRules {
    /// Reads and compiles rules. With an error among the problems there are no rules.
    pub fn read(text: UserText<'_>, optimize: Optimize) -> (Option<Self>, Vec<UserProblem>) {
        let mut all = Self::default();
        let mut problems = Vec::new();
        let texts = [(XtFamily::Ipv4, text.ipv4), (XtFamily::Ipv6, text.ipv6)];
        for (family, text) in texts {
            if let Some(text) = text {
                all.add(family, text, optimize, &mut problems);
            }
        }
        let failed = problems.iter().any(|problem| problem.is_error);
        ((!failed).then_some(all), problems)
    }

    /// The rules by family.
    pub(crate) fn families(&self) -> impl Iterator<Item = &UserFamily> {
        self.families.iter()
    }

    fn add(
        &mut self,
        family: XtFamily,
        text: &str,
        optimize: Optimize,
        problems: &mut Vec<UserProblem>,
    ) {
        let problem = |span, message: String, help: String| UserProblem {
            family,
            span,
            is_error: true,
            message,
            help,
            related: None,
        };
        let (script, errors) = Script::parse(text, family);
        let unread = !errors.is_empty();
        problems.extend(
            errors
                .into_iter()
                .map(|of| problem(of.span, of.message, of.help)),
        );
        let mut commands = skeleton();
        for located in script.commands {
            match allowed(&located) {
                Ok(true) => commands.push(located),
                Ok(false) => {}
                Err((message, help)) => problems.push(problem(located.span, message, help)),
            }
        }
        // Rules are run also when some lines could not be read, for what is wrong with the others;
        // positions may only be wrong because of the lines that are missing.
        let failed = problems.iter().any(|of| of.is_error && of.family == family);
        let script = Script { family, commands };
        let loaded = match script.apply(&Assume::default()) {
            Ok(loaded) if !failed => loaded,
            Ok(_) => return,
            Err(errors) => {
                let errors = errors
                    .into_iter()
                    .filter(|of| !unread || of.kind != ErrorKind::Position);
                problems.extend(errors.map(|of| problem(of.span, of.message, of.help)));
                return;
            }
        };
        let origin = |chain: &XtChainName, index: usize| {
            let span = loaded.origin(TableName::Filter, chain.as_str(), index);
            span.filter(|span| span.start != usize::MAX)
        };
        let place = Place {
            family: match family {
                XtFamily::Ipv4 => Family::V4,
                XtFamily::Ipv6 => Family::V6,
            },
            table: TableName::Filter,
            hooks: Hooks::default(),
        };
        let mut native = Native::new(place, optimize);
        let found = native.compile(&loaded.program);
        let compiler = native.compiler;
        for refused in compiler.refused {
            let span = origin(&refused.chain, refused.index).unwrap_or_default();
            problems.push(problem(span, refused.reason.message, refused.reason.help));
        }
        for (chain, index, message, help) in native.wrong {
            let span = origin(&chain, index).unwrap_or_default();
            problems.push(problem(span, message, help));
        }
        for idle in compiler.idle {
            let Some(span) = origin(&idle.chain, idle.index) else {
                continue;
            };
            let (message, help, related) = match idle.why {
                Why::Impossible => (
                    "no packet can match this rule",
                    "remove it, or correct the match that excludes everything",
                    None,
                ),
                Why::Covered(by) => (
                    "no packet comes to this rule",
                    "remove it, or put it in front of the one that takes its packets",
                    origin(&idle.chain, by).map(|span| (span, "this rule takes its packets")),
                ),
            };
            problems.push(UserProblem {
                is_error: false,
                related,
                ..problem(span, message.to_owned(), help.to_owned())
            });
        }
        self.chains.extend(native.chains);
        self.sets.extend(compiler.sets);
        self.families.push(UserFamily {
            family: place.family,
            program: loaded.program,
            docker_user: found.0,
            forward: found.1,
        });
    }
}

/// The chains of a running Docker, as far as an operator's rules refer to them.
fn skeleton() -> Vec<Located> {
    let located = |command| Located {
        span: Span {
            start: usize::MAX,
            end: usize::MAX,
        },
        table: TableName::Filter,
        command,
    };
    let append = |chain: &XtChainName| Command::Append {
        chain: chain.clone(),
        rules: markers(chain),
        counters: None,
    };
    let mut commands: Vec<_> = DOCKERS
        .iter()
        .chain([&DOCKER_USER, &DOCKER_FORWARD])
        .map(|chain| Command::NewChain(chain.clone()))
        .collect();
    commands.extend([append(&FORWARD), append(&DOCKER_FORWARD)]);
    commands.into_iter().map(located).collect()
}

/// Docker's own rules in a chain, in order; those in `DOCKER-FORWARD` stand for all that it has.
pub(crate) fn markers(chain: &XtChainName) -> Vec<Rule> {
    if *chain == FORWARD {
        vec![leads_to(&DOCKER_USER), leads_to(&DOCKER_FORWARD)]
    } else if *chain == DOCKER_FORWARD {
        vec![leads_to(&DOCKER_CT)]
    } else {
        Vec::new()
    }
}

fn leads_to(chain: &XtChainName) -> Rule {
    Rule::new(Target::Jump(chain.clone()))
}

/// Whether a command can be run among Docker's chains; `false` when it does nothing there.
fn allowed(located: &Located) -> Result<bool, (String, String)> {
    let wrong = |message: String, help: &str| Err((message, help.to_owned()));
    if located.table != TableName::Filter {
        let table = located.table.as_str();
        return wrong(
            format!("only rules of the table filter stand beside Docker's, not of {table}"),
            "put rules of other tables into a rules file of their own and commit it as well",
        );
    }
    match &located.command {
        // The table is there, as with iptables-restore --noflush.
        Command::Table | Command::Commit | Command::Look | Command::Check { .. } => Ok(false),
        Command::NewChain(chain) if *chain == DOCKER_USER => Ok(false),
        Command::Flush(None) | Command::DeleteChain(None) => wrong(
            "this would remove Docker's rules too".to_owned(),
            "name the chain: -F DOCKER-USER",
        ),
        Command::Flush(Some(chain))
        | Command::Chain {
            name: chain,
            policy: None,
            ..
        } if *chain == FORWARD || *chain == DOCKER_FORWARD || DOCKERS.contains(chain) => wrong(
            format!("this would remove Docker's rules in {chain}"),
            "leave the line out",
        ),
        // What iptables-save writes for chains that nobody touched.
        Command::Chain {
            name,
            policy: Some(Policy::Accept),
            ..
        } if *name != FORWARD => Ok(false),
        Command::Policy { chain, .. }
        | Command::Chain {
            name: chain,
            policy: Some(_),
            ..
        } => {
            if *chain == FORWARD {
                wrong(
                    "the policy of FORWARD is not set here".to_owned(),
                    "leave the line out; ip-forward-no-drop of [daemon] decides",
                )
            } else {
                wrong(
                    format!("the policy of {chain} has nothing to do with Docker"),
                    "put it into a rules file of its own and commit that as well",
                )
            }
        }
        Command::Chain { .. }
        | Command::Append { .. }
        | Command::Insert { .. }
        | Command::Replace { .. }
        | Command::Delete { .. }
        | Command::DeleteAt { .. }
        | Command::NewChain(_)
        | Command::DeleteChain(Some(_))
        | Command::Flush(Some(_))
        | Command::Rename { .. } => Ok(true),
    }
}

/// The native form of a program.
struct Native {
    compiler: Compiler,
    chains: Vec<Chain>,
    /// What is wrong with a rule: chain, index, message, help.
    wrong: Vec<(XtChainName, usize, String, String)>,
}

impl Native {
    fn new(place: Place, optimize: Optimize) -> Self {
        let digit = match place.family {
            Family::V4 => '4',
            Family::V6 => '6',
        };
        let names = ChainNames::new(format!("USER{digit}-"))
            .with(DOCKER_USER, own_name("DOCKER-USER", digit))
            .with(FORWARD, own_name("FORWARD", digit))
            .with(DOCKER_FORWARD, own_name("DOCKER-FORWARD", digit));
        Self {
            compiler: Compiler::new(place, names, optimize),
            chains: Vec::new(),
            wrong: Vec::new(),
        }
    }

    fn name(&self, chain: &XtChainName) -> Option<ChainName> {
        self.compiler.names.of(chain)
    }

    /// Compiles the chains; returns those of `DOCKER-USER` and `FORWARD`, where they are needed.
    fn compile(&mut self, program: &Program) -> (Option<ChainName>, Option<ChainName>) {
        let Some(filter) = program.table(TableName::Filter) else {
            return (None, None);
        };
        self.compiler.of_table(program, filter);
        for chain in filter.chains() {
            let name = chain.name();
            for (index, rule) in chain.rules().enumerate() {
                self.check_jump(name, index, rule);
            }
            if *name == FORWARD || *name == DOCKER_FORWARD {
                continue;
            }
            let foreign = chain.policy().is_some();
            if foreign || DOCKERS.contains(name) {
                for (index, _) in chain.rules().enumerate() {
                    let (message, help) = if foreign {
                        (
                            format!("{name} has nothing to do with Docker"),
                            "put the rule into a rules file of its own and commit that as well",
                        )
                    } else {
                        (
                            format!("the chain {name} belongs to Docker"),
                            "write -A DOCKER-USER",
                        )
                    };
                    self.wrong
                        .push((name.clone(), index, message, help.to_owned()));
                }
                continue;
            }
            self.chains.extend(self.compiler.user_chain(chain));
        }
        let differs = |chain: &XtChainName, dockers: &[Rule]| {
            let chain = filter.chain(chain.as_str());
            chain.is_some_and(|chain| !chain.rules().eq(dockers))
        };
        let user = differs(&DOCKER_USER, &[]);
        let user = user.then(|| self.name(&DOCKER_USER)).flatten();
        let forward = differs(&FORWARD, &markers(&FORWARD));
        let docker = differs(&DOCKER_FORWARD, &markers(&DOCKER_FORWARD));
        if !forward && !docker {
            return (user, None);
        }
        let to = |name: &ChainName| dispatch(vec![jump(name)], "Docker's rules");
        let mut docker_forward = own_name("DOCKER-FORWARD", ' ');
        if docker && let Some(chain) = filter.chain(DOCKER_FORWARD.as_str()) {
            let inside = [to(&docker_forward)];
            docker_forward = self.around(chain, &inside).unwrap_or(docker_forward);
        }
        let inside = [to(&own_name("DOCKER-USER", ' ')), to(&docker_forward)];
        let chain = filter.chain(FORWARD.as_str());
        let forward = chain.and_then(|chain| self.around(chain, &inside));
        (user, forward)
    }

    /// A rule of an operator must not lead into the middle of Docker's rules.
    fn check_jump(&mut self, chain: &XtChainName, index: usize, rule: &Rule) {
        let Some(Target::Jump(to) | Target::Goto(to)) = &rule.target else {
            return;
        };
        let is_dockers_own = markers(chain).contains(rule);
        if !is_dockers_own && (DOCKERS.contains(to) || *to == DOCKER_FORWARD || *to == FORWARD) {
            let message =
                format!("{to} belongs to Docker; its rules are not a chain of that name here");
            let help = "leave the packet to Docker's rules with -j RETURN".to_owned();
            self.wrong.push((chain.clone(), index, message, help));
        }
    }

    /// A chain with rules of Docker in it, which must all be there, in order, and become `inside`.
    fn around(&mut self, chain: &XtChain, inside: &[IrRule]) -> Option<ChainName> {
        let name = self.name(chain.name())?;
        let rules: Vec<&Rule> = chain.rules().collect();
        let mut made = Vec::new();
        let mut from = 0;
        for (marker, dockers) in markers(chain.name()).iter().zip(inside) {
            let rest = rules.get(from..).unwrap_or_default();
            let Some(at) = rest.iter().position(|rule| *rule == marker) else {
                let message = format!(
                    "Docker's rule `{}` in {} is gone",
                    marker.to_string().trim(),
                    chain.name()
                );
                let help = "do not delete or move Docker's own rules".to_owned();
                self.wrong.push((chain.name().clone(), 0, message, help));
                return None;
            };
            let before = rest.get(..at).unwrap_or_default().iter().copied();
            made.extend(self.compiler.rules(chain.name(), &name, from, before));
            made.push(dockers.clone());
            from += at + 1;
        }
        let after = rules.get(from..).unwrap_or_default().iter().copied();
        made.extend(self.compiler.rules(chain.name(), &name, from, after));
        self.chains.push(Chain {
            name: name.clone(),
            base: None,
            rules: made,
            comment: None,
        });
        Some(name)
    }
}

/// One of our chains: Docker's name, and the digit of a family or none.
#[expect(clippy::expect_used, reason = "constant names and a digit")]
fn own_name(name: &str, digit: char) -> ChainName {
    ChainName::new(format!("{name}{digit}").trim_end()).expect("a constant name is valid")
}

impl UserFamily {
    /// `meta nfproto ipv4 goto CHAIN`
    pub(crate) fn goto(&self, chain: &ChainName, why: &str) -> IrRule {
        let goto = Statement::Verdict(Verdict::Goto(chain.clone()));
        dispatch(vec![self.family.only(), goto], why)
    }
}
