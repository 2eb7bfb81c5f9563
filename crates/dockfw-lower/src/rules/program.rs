//! A whole program, as `iptables-save` prints it, as one table.

use dockfw_iptables::{Family as XtFamily, Policy as XtPolicy, Program, TableName as XtTable};
use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy};
use dockfw_ir::name::{Comment, TableName};
use dockfw_ir::table::{Family as TableFamily, Table};

use super::chain::{ChainNames, Compiler};
use super::hooks::Hooks;
use super::{Idle, Place, Refused};
use crate::lower::family::Family;
use crate::optimize::Optimize;

/// A compiled program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The table, of family `ip` or `ip6`.
    pub table: Table,
    /// Rules that do nothing.
    pub idle: Vec<Idle>,
}

/// Compiles a program to one table of its family.
///
/// Chains are called after their table: `filter-INPUT`. A built-in chain without rules and with
/// policy accept is left out.
///
/// # Errors
///
/// Every rule that has no native form.
pub fn table(
    program: &Program,
    name: TableName,
    optimize: Optimize,
) -> Result<Compiled, Vec<Refused>> {
    let (family, table_family) = match program.family() {
        XtFamily::Ipv4 => (Family::V4, TableFamily::Ip),
        XtFamily::Ipv6 => (Family::V6, TableFamily::Ip6),
    };
    let mut table = Table {
        family: table_family,
        name,
        comment: Comment::lossy(
            "iptables rules, compiled by dockfw. Do not edit: the next commit replaces it.",
        ),
        sets: Vec::new(),
        chains: Vec::new(),
    };
    let (mut idle, mut refused) = (Vec::new(), Vec::new());
    for xt in program.tables() {
        let place = Place {
            family,
            table: xt.name(),
            hooks: Hooks::default(),
        };
        let names = ChainNames::new(format!("{}-", xt.name().as_str()));
        let mut compiler = Compiler::new(place, names, optimize);
        compiler.of_table(program, xt);
        let mut bases = Vec::new();
        for chain in xt.chains() {
            let base = base(xt.name(), chain.name().as_str(), chain.policy());
            let empty = chain.rules().len() == 0;
            if base.is_some_and(|base| empty && base.policy == Policy::Accept) {
                continue;
            }
            if let Some(made) = compiler.user_chain(chain) {
                match base {
                    Some(_) => bases.push(Chain { base, ..made }),
                    None => table.chains.push(made),
                }
            }
        }
        table.chains.extend(bases);
        // A name that rules of two tables share, such as that of a hashlimit, is one set.
        for set in compiler.sets {
            if !table.sets.contains(&set) {
                table.sets.push(set);
            }
        }
        idle.append(&mut compiler.idle);
        refused.append(&mut compiler.refused);
    }
    if refused.is_empty() {
        Ok(Compiled { table, idle })
    } else {
        Err(refused)
    }
}

/// The hook and priority of a built-in chain.
///
/// Source: linux v6.12, uapi `linux/netfilter_ipv4.h`, `enum nf_ip_hook_priorities`.
fn base(table: XtTable, chain: &str, policy: Option<XtPolicy>) -> Option<BaseChain> {
    let hook = match chain {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "FORWARD" => Hook::Forward,
        "OUTPUT" => Hook::Output,
        "POSTROUTING" => Hook::Postrouting,
        _ => return None,
    };
    let priority = match (table, hook) {
        (XtTable::Raw, _) => -300,
        (XtTable::Mangle, _) => -150,
        (XtTable::Nat, Hook::Prerouting | Hook::Output) => -100,
        (XtTable::Filter, _) => 0,
        (XtTable::Security, _) => 50,
        (XtTable::Nat, _) => 100,
    };
    let kind = match (table, hook) {
        (XtTable::Nat, _) => ChainKind::Nat,
        (XtTable::Mangle, Hook::Output) => ChainKind::Route,
        _ => ChainKind::Filter,
    };
    Some(BaseChain {
        kind,
        hook,
        priority,
        policy: match policy? {
            XtPolicy::Accept => Policy::Accept,
            XtPolicy::Drop => Policy::Drop,
        },
    })
}
