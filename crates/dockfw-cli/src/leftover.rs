//! What an earlier dockerd left in the kernel, of all of its backends: iptables-nft,
//! iptables-legacy, and tables of nftables.
//!
//! Everything is read from the kernel, running nothing. What is Docker's is decided by
//! [`judge`].

mod extension;
mod legacy;
mod nft;

use std::fmt;

use dockfw_iptables::{Family, TableName};
use dockfw_ir::table::Family as Tables;
use dockfw_lower::import::clean::{Found, Verdict, judge};
use dockfw_netlink::foreign::ForeignTable;
use dockfw_netlink::xtables::{XtError, XtTable};
use dockfw_netlink::{Executor, OpenError, QueryError};

/// The tables of Docker's nftables backend.
pub(crate) const DOCKER_BRIDGES: &str = "docker-bridges";

/// The tables of iptables in which Docker has rules.
const TABLES: [TableName; 4] = [
    TableName::Filter,
    TableName::Nat,
    TableName::Raw,
    TableName::Mangle,
];

/// Why it could not be found out what is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeftoverError {
    /// No way to the kernel.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ruleset could not be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A table of iptables-legacy could not be read or replaced.
    #[error(transparent)]
    Legacy(#[from] XtError),
}

/// What is left, in few words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rules and chains in tables of iptables-nft.
    pub iptables_nft: Count,
    /// Rules and chains in tables of iptables-legacy.
    pub iptables_legacy: Count,
    /// Tables of Docker's nftables backend.
    pub nftables: usize,
    /// Tables in which `FORWARD` drops what no rule decides.
    pub drop_policies: usize,
}

/// Numbers of what is Docker's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Rules.
    pub rules: usize,
    /// Chains.
    pub chains: usize,
}

impl Summary {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let counts = [
            (self.iptables_nft, "iptables-nft"),
            (self.iptables_legacy, "iptables-legacy"),
        ];
        for (Count { rules, chains }, name) in counts {
            if rules + chains > 0 {
                parts.push(format!("{rules} rules and {chains} chains of {name}"));
            }
        }
        match self.nftables {
            0 => {}
            1 => parts.push(format!("1 table {DOCKER_BRIDGES} of nftables")),
            many => parts.push(format!("{many} tables {DOCKER_BRIDGES} of nftables")),
        }
        if self.drop_policies > 0 {
            parts.push("FORWARD with policy drop".to_owned());
        }
        if parts.is_empty() {
            return f.write_str("nothing");
        }
        f.write_str(&parts.join(", "))
    }
}

/// Whether an earlier dockerd left rules in the network namespace of this thread, and of what
/// kinds.
///
/// Reads the tables of iptables there are, and loads no module: one dump of each.
///
/// # Errors
///
/// [`LeftoverError`]. A kernel without nf_tables, or tables of iptables-legacy that may not be
/// read, are errors too.
pub fn leftovers() -> Result<Summary, LeftoverError> {
    let mut executor = Executor::open()?;
    Ok(Scan::read(&mut executor, &[])?.summary())
}

/// What was found, of one generation.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The generation of the tables of nf_tables.
    pub(crate) generation: u32,
    /// The tables of Docker's nftables backend.
    pub(crate) nftables: Vec<Tables>,
    /// The tables of iptables.
    pub(crate) tables: Vec<Judged>,
}

/// A table of iptables, and what is to become of it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) found: Found,
    pub(crate) verdict: Verdict,
    pub(crate) kernel: Stored,
}

/// A table as the kernel has it.
#[derive(Debug)]
pub(crate) enum Stored {
    /// As a table of nf_tables.
    Nft(ForeignTable),
    /// As a table of x_tables.
    Legacy(Box<XtTable>),
}

impl Stored {
    /// The family.
    pub(crate) fn family(&self) -> Tables {
        match self {
            Self::Nft(table) => table.family,
            Self::Legacy(table) => table.family,
        }
    }

    /// `iptables`, `ip6tables-legacy`: the program whose rules these are.
    pub(crate) fn program(&self) -> &'static str {
        match (self, is_ipv6(self.family())) {
            (Self::Nft(_), false) => "iptables",
            (Self::Nft(_), true) => "ip6tables",
            (Self::Legacy(_), false) => "iptables-legacy",
            (Self::Legacy(_), true) => "ip6tables-legacy",
        }
    }
}

fn is_ipv6(family: Tables) -> bool {
    family == Tables::Ip6
}

impl Scan {
    /// Reads all that may be Docker's; `bridges` are so because the operator says so.
    pub(crate) fn read(executor: &mut Executor, bridges: &[String]) -> Result<Self, LeftoverError> {
        let mut names: Vec<&str> = TABLES.map(TableName::as_str).to_vec();
        names.push(DOCKER_BRIDGES);
        let foreign = executor.foreign(&names)?;
        let mut scan = Self {
            generation: foreign.generation,
            nftables: Vec::new(),
            tables: Vec::new(),
        };
        let mut found = Vec::new();
        for table in foreign.tables {
            let Some((family, name)) = place(table.family, &table.info.name) else {
                scan.nftables.push(table.family);
                continue;
            };
            let chains = nft::chains(family, &table.chains);
            found.push((family, name, chains, Stored::Nft(table)));
        }
        for (tables, name) in XtTable::registered() {
            let Some((family, name)) = place(tables, &name) else {
                continue;
            };
            let table = XtTable::read(tables, name.as_str())?;
            let chains = legacy::chains(family, &table);
            found.push((family, name, chains, Stored::Legacy(Box::new(table))));
        }
        let (found, stored): (Vec<Found>, Vec<Stored>) = found
            .into_iter()
            .map(|(family, table, chains, stored)| {
                let found = Found {
                    family,
                    table,
                    chains,
                };
                (found, stored)
            })
            .unzip();
        let verdicts = judge(&found, bridges);
        let judged = found.into_iter().zip(verdicts).zip(stored);
        scan.tables = judged
            .map(|((found, verdict), kernel)| Judged {
                found,
                verdict,
                kernel,
            })
            .collect();
        Ok(scan)
    }

    /// What was found, in numbers.
    pub(crate) fn summary(&self) -> Summary {
        let mut summary = Summary {
            nftables: self.nftables.len(),
            ..Summary::default()
        };
        for Judged {
            verdict, kernel, ..
        } in &self.tables
        {
            let count = match kernel {
                Stored::Nft(_) => &mut summary.iptables_nft,
                Stored::Legacy(_) => &mut summary.iptables_legacy,
            };
            count.rules += verdict.rules.len();
            count.chains += verdict.chains.len();
            summary.drop_policies += usize::from(verdict.accept.is_some());
        }
        summary
    }
}

/// The family and table of iptables of a kernel's table.
fn place(family: Tables, name: &str) -> Option<(Family, TableName)> {
    let family = match family {
        Tables::Ip => Family::Ipv4,
        Tables::Ip6 => Family::Ipv6,
        Tables::Inet => return None,
    };
    let mut tables = TABLES.into_iter();
    let table = tables.find(|table| table.as_str() == name)?;
    Some((family, table))
}
