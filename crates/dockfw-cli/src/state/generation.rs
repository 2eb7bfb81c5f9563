//! A generation: what was compiled, in full, and what became of it.

use dockfw_iptables::Family;
use dockfw_lower::optimize::Optimize;

use super::program::Program;
use super::sealed::{Damage, Reader, Writer};
use crate::policy::Source;
use crate::rules::{LeaveOut, Options};

const KIND: u8 = b'G';

/// Everything that a ruleset depends on besides the program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipe {
    /// Policy files, in order; `None` when there are only rules files.
    pub policies: Option<Vec<Source>>,
    /// Rules files, in order.
    pub rules: Vec<Source>,
    /// The family that was asked for, for rules files.
    pub family: Option<Family>,
    /// How rules are read and compiled.
    pub options: Options,
}

impl Recipe {
    /// The names of all files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let policies = self.policies.iter().flatten();
        policies
            .chain(&self.rules)
            .map(|source| source.name.as_str())
    }
}

/// How a generation came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By `dockfw commit`.
    Commit,
    /// By `dockfw rollback` to the generation of this number.
    Rollback(u64),
    /// By `dockfw commit --boot`.
    Boot,
}

/// What was committed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// When it was first committed, in seconds since 1970, UTC.
    pub time: u64,
    /// How it came about.
    pub how: How,
    /// Who made the artefact.
    pub program: Program,
    /// The tables it has, by their full names.
    pub tables: Vec<String>,
    /// What was compiled.
    pub recipe: Recipe,
    /// The encoded ruleset, for [`dockfw_netlink::Batch::from_bytes`]; empty when there is none.
    pub artifact: Vec<u8>,
}

impl Generation {
    /// The file of the generation, under this number.
    pub(super) fn to_bytes(&self, number: u64) -> Vec<u8> {
        let texts = self.recipe.policies.iter().flatten();
        let texts = texts.chain(&self.recipe.rules);
        let texts: usize = texts
            .map(|source| source.bytes.len() + source.name.len() + 16)
            .sum();
        let mut to = Writer::new(KIND, texts + self.artifact.len() + 1024);
        to.u64(number);
        to.u64(self.time);
        let (how, of) = match self.how {
            How::Commit => (0, 0),
            How::Rollback(of) => (1, of),
            How::Boot => (2, 0),
        };
        to.u8(how);
        to.u64(of);
        to.text(&self.program.version);
        to.text(&self.program.file);
        to.len(self.tables.len());
        for table in &self.tables {
            to.text(table);
        }
        let Recipe {
            policies,
            rules,
            family,
            options,
        } = &self.recipe;
        to.u8(match family {
            None => 0,
            Some(Family::Ipv4) => 4,
            Some(Family::Ipv6) => 6,
        });
        to.u8(match options.optimize {
            Optimize::None => 0,
            Optimize::Full => 1,
        });
        to.u8(match options.unsupported {
            LeaveOut::Nothing => 0,
            LeaveOut::Harmless => 1,
        });
        to.u8(u8::from(policies.is_some()));
        put_sources(&mut to, policies.as_deref().unwrap_or_default());
        put_sources(&mut to, rules);
        to.bytes(&self.artifact);
        to.seal()
    }

    /// Reads [`Generation::to_bytes`].
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut from = Reader::new(KIND, bytes)?;
        let (number, time) = (from.u64()?, from.u64()?);
        let how = match (from.u8()?, from.u64()?) {
            (0, 0) => How::Commit,
            (1, of) => How::Rollback(of),
            (2, 0) => How::Boot,
            _ => return Err(Damage::Content),
        };
        let program = Program {
            version: from.text()?,
            file: from.text()?,
        };
        let mut tables = Vec::new();
        for _ in 0..from.len()? {
            tables.push(from.text()?);
        }
        let family = match from.u8()? {
            0 => None,
            4 => Some(Family::Ipv4),
            6 => Some(Family::Ipv6),
            _ => return Err(Damage::Content),
        };
        let optimize = match from.u8()? {
            0 => Optimize::None,
            1 => Optimize::Full,
            _ => return Err(Damage::Content),
        };
        let unsupported = match from.u8()? {
            0 => LeaveOut::Nothing,
            1 => LeaveOut::Harmless,
            _ => return Err(Damage::Content),
        };
        let has_policies = match from.u8()? {
            0 => false,
            1 => true,
            _ => return Err(Damage::Content),
        };
        let policies = sources(&mut from)?;
        let recipe = Recipe {
            policies: has_policies.then_some(policies),
            rules: sources(&mut from)?,
            family,
            options: Options {
                optimize,
                unsupported,
            },
        };
        let artifact = from.bytes()?.to_vec();
        from.end()?;
        Ok(Self {
            number,
            time,
            how,
            program,
            tables,
            recipe,
            artifact,
        })
    }
}

fn put_sources(to: &mut Writer, sources: &[Source]) {
    to.len(sources.len());
    for Source { name, bytes } in sources {
        to.text(name);
        to.bytes(bytes);
    }
}

fn sources(from: &mut Reader<'_>) -> Result<Vec<Source>, Damage> {
    let mut sources = Vec::new();
    for _ in 0..from.len()? {
        sources.push(Source {
            name: from.text()?,
            bytes: from.bytes()?.to_vec(),
        });
    }
    Ok(sources)
}
