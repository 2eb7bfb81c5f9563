//! Puts a table together from the messages about it.
//!
//! Sets come before their elements, and both before the rules that use them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dockfw_ir::chain::{Chain, Rule};
use dockfw_ir::name::TableName;
use dockfw_ir::set::{Set, SetKind};
use dockfw_ir::table::{Family, Table};

use super::attribute::{Result, number, optional, set_name, text};
use super::element::{self, Item, Shape};
use super::rule::{self, Anonymous, AnonymousSets};
use super::{TableSnapshot, Unreadable, UnreadableObject, chain, set};
use crate::dump::{TableInfo, table_info};
use crate::set::wire_len;
use crate::sys::nf_tables::{
    NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWCHAIN, NFT_MSG_NEWFLOWTABLE, NFT_MSG_NEWOBJ, NFT_MSG_NEWRULE,
    NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM, NFT_MSG_NEWTABLE, NFT_SET_ANONYMOUS, NFT_SET_CONCAT,
    NFT_SET_INTERVAL, NFT_SET_MAP, NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST, NFTA_CHAIN_NAME,
    NFTA_CHAIN_TABLE, NFTA_LIST_ELEM, NFTA_OBJ_NAME, NFTA_OBJ_TABLE, NFTA_RULE_CHAIN,
    NFTA_RULE_TABLE, NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_SET_ID, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_FLAGS, NFTA_SET_ID,
    NFTA_SET_KEY_LEN, NFTA_SET_NAME, NFTA_SET_TABLE,
};
use crate::wire::{Attributes, Messages, Reply};

/// What is known of a set so far.
struct SetState {
    name: String,
    /// `None` for one without a name, whose types are those of the rule that looks into it.
    set: Option<Set>,
    /// What the kernel said, of one without a name.
    attributes: Vec<u8>,
    shape: Shape,
    items: Vec<Item>,
    /// What is wrong with it, or with an element.
    wrong: Option<Cow<'static, str>>,
}

/// Reads one table.
pub(super) struct Reader {
    snapshot: TableSnapshot,
    sets: Vec<SetState>,
    anonymous: AnonymousSets,
    /// The set and chain that the last message was about.
    last_set: usize,
    last_chain: usize,
}

impl Reader {
    pub(super) fn new(family: Family, name: &TableName, info: TableInfo) -> Self {
        let mut snapshot = TableSnapshot {
            table: Table {
                family,
                name: name.clone(),
                comment: None,
                sets: Vec::new(),
                chains: Vec::new(),
            },
            info,
            rules: BTreeMap::new(),
            expirations: BTreeMap::new(),
            unreadable: Vec::new(),
        };
        let unreadable = |reason: String| Unreadable {
            object: UnreadableObject::Table,
            reason,
        };
        let flags = snapshot.info.flags & !(NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST);
        if flags != 0 {
            let reason = unreadable(format!("it has the flags {flags:#x}"));
            snapshot.unreadable.push(reason);
        }
        if let Some(text) = &snapshot.info.comment {
            match dockfw_ir::name::Comment::new(text) {
                Ok(comment) => snapshot.table.comment = Some(comment),
                Err(error) => {
                    let reason = unreadable(format!("its comment: {error}"));
                    snapshot.unreadable.push(reason);
                }
            }
        }
        Self {
            snapshot,
            sets: Vec::new(),
            anonymous: BTreeMap::new(),
            last_set: 0,
            last_chain: 0,
        }
    }

    /// The names of the sets, those without a name of ours too.
    pub(super) fn sets(&self) -> Vec<String> {
        let readable = self.sets.iter().filter(|set| set.wrong.is_none());
        readable.map(|set| set.name.clone()).collect()
    }

    /// Takes what one message says; `kind` is an `NFT_MSG_NEW*`.
    pub(super) fn object(&mut self, kind: u16, attributes: Attributes<'_>) {
        let table = match kind {
            NFT_MSG_NEWCHAIN => NFTA_CHAIN_TABLE,
            NFT_MSG_NEWSET => NFTA_SET_TABLE,
            NFT_MSG_NEWSETELEM => NFTA_SET_ELEM_LIST_TABLE,
            NFT_MSG_NEWRULE => NFTA_RULE_TABLE,
            NFT_MSG_NEWOBJ | NFT_MSG_NEWFLOWTABLE => NFTA_OBJ_TABLE,
            _ => return,
        };
        if text(attributes, table) != Ok(self.snapshot.table.name.as_str()) {
            return;
        }
        match kind {
            NFT_MSG_NEWCHAIN => self.chain(attributes),
            NFT_MSG_NEWSET => self.set(attributes),
            NFT_MSG_NEWSETELEM => self.elements(attributes),
            NFT_MSG_NEWRULE => self.rule(attributes),
            _ => {
                let name = text(attributes, NFTA_OBJ_NAME).unwrap_or("?").to_owned();
                let what = if kind == NFT_MSG_NEWOBJ {
                    "a stateful object"
                } else {
                    "a flowtable"
                };
                self.unreadable(UnreadableObject::Object(name), what);
            }
        }
    }

    fn unreadable(&mut self, object: UnreadableObject, reason: impl Into<String>) {
        self.snapshot.unreadable.push(Unreadable {
            object,
            reason: reason.into(),
        });
    }

    fn chain(&mut self, attributes: Attributes<'_>) {
        match chain::read(attributes, self.snapshot.table.name.as_str()) {
            Ok(chain) => {
                let rules = &mut self.snapshot.rules;
                if rules.insert(chain.name.clone(), Vec::new()).is_none() {
                    self.snapshot.table.chains.push(chain);
                }
            }
            Err(reason) => {
                let name = text(attributes, NFTA_CHAIN_NAME).unwrap_or("?").to_owned();
                self.unreadable(UnreadableObject::Chain(name), reason);
            }
        }
    }

    fn set(&mut self, attributes: Attributes<'_>) {
        let name = set_name(attributes, NFTA_SET_NAME, NFTA_SET_ID);
        let name = name.unwrap_or(Cow::Borrowed("?")).into_owned();
        let flags = optional(attributes, NFTA_SET_FLAGS);
        let flags = flags.ok().flatten().unwrap_or(0);
        let read = if flags & NFT_SET_ANONYMOUS == 0 {
            set::read(attributes, self.snapshot.table.name.as_str()).map(|set| {
                let shape = shape_of(&set);
                (Some(set), Vec::new(), shape)
            })
        } else {
            anonymous_shape(attributes, flags).map(|shape| {
                let bytes = attributes.rest().to_vec();
                (None, bytes, shape)
            })
        };
        let twice = self.sets.iter().any(|set| set.name == name);
        match read {
            Ok((set, attributes, shape)) if !twice => self.sets.push(SetState {
                name,
                set,
                attributes,
                shape,
                items: Vec::new(),
                wrong: None,
            }),
            Ok(_) => self.unreadable(UnreadableObject::Set(name), "it comes twice"),
            // Of one without a name, the rule that looks into it says so.
            Err(_) if flags & NFT_SET_ANONYMOUS != 0 => {}
            Err(reason) => self.unreadable(UnreadableObject::Set(name), reason),
        }
    }

    fn elements(&mut self, attributes: Attributes<'_>) {
        let (kind, id) = (NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_SET_ID);
        let Ok(name) = set_name(attributes, kind, id) else {
            return;
        };
        let is = |set: &SetState| set.name == name;
        if !self.sets.get(self.last_set).is_some_and(is) {
            self.last_set = self.sets.iter().position(is).unwrap_or(usize::MAX);
        }
        let (Some(set), Some(list)) = (
            self.sets.get_mut(self.last_set),
            attributes.get(NFTA_SET_ELEM_LIST_ELEMENTS),
        ) else {
            return;
        };
        for element in list.attributes() {
            let read = if element.kind == NFTA_LIST_ELEM {
                element::read(element.attributes(), set.shape)
            } else {
                Err(Cow::Borrowed("a list of something else"))
            };
            match read {
                Ok(item) => set.items.push(item),
                Err(reason) => set.wrong = Some(reason),
            }
        }
    }

    /// Gives the sets their elements. Afterwards no set gets any more.
    fn settle(&mut self) {
        for state in std::mem::take(&mut self.sets) {
            let elements = match state.wrong {
                None => element::finish(state.items, state.shape),
                Some(reason) => Err(reason),
            };
            match (state.set, elements) {
                (None, elements) => {
                    let elements = elements.map(|read| read.elements);
                    let set = Anonymous {
                        attributes: state.attributes,
                        elements,
                    };
                    self.anonymous.insert(state.name, set);
                }
                (Some(mut set), Ok(read)) => {
                    if !read.expirations.is_empty() {
                        self.snapshot
                            .expirations
                            .insert(set.name.clone(), read.expirations);
                    }
                    set.elements = read.elements;
                    self.snapshot.table.sets.push(set);
                }
                (Some(_), Err(reason)) => {
                    self.unreadable(UnreadableObject::Set(state.name), reason);
                }
            }
        }
        self.last_set = 0;
    }

    fn rule(&mut self, attributes: Attributes<'_>) {
        self.settle();
        let Ok(name) = text(attributes, NFTA_RULE_CHAIN) else {
            return;
        };
        let is = |chain: &Chain| chain.name.as_str() == name;
        let chains = &self.snapshot.table.chains;
        // Rules come chain by chain.
        if !chains.get(self.last_chain).is_some_and(is) {
            match chains.iter().position(is) {
                Some(position) => self.last_chain = position,
                // It is unreadable, and its rules with it.
                None => return,
            }
        }
        let read = rule::read(attributes, &self.snapshot.table, &self.anonymous);
        let Some(chain) = self.snapshot.table.chains.get_mut(self.last_chain) else {
            return;
        };
        let index = chain.rules.len();
        if let Some(rules) = self.snapshot.rules.get_mut(&chain.name) {
            rules.push(rule::info(attributes));
        }
        let reason = match read {
            Ok(rule) => {
                chain.rules.push(rule);
                return;
            }
            Err(reason) => reason,
        };
        chain.rules.push(Rule {
            statements: Vec::new(),
            comment: rule::comment_of(attributes),
        });
        let chain = chain.name.clone();
        self.unreadable(UnreadableObject::Rule { chain, index }, reason);
    }

    pub(super) fn finish(mut self) -> TableSnapshot {
        self.settle();
        self.snapshot
    }
}

fn shape_of(set: &Set) -> Shape {
    Shape {
        key_len: wire_len(&set.key),
        data_len: match &set.kind {
            SetKind::Map(types) => Some(wire_len(types)),
            SetKind::Set | SetKind::VerdictMap => None,
        },
        verdicts: set.kind == SetKind::VerdictMap,
        boundaries: set.interval && set.key.len() == 1,
        dynamic: set.dynamic,
        counter: set.counter,
    }
}

/// The shape of a set of a rule's own; a map of its own has none.
fn anonymous_shape(attributes: Attributes<'_>, flags: u32) -> Result<Shape> {
    if flags & NFT_SET_MAP != 0 {
        return Err(Cow::Borrowed("a map of the rule's own"));
    }
    let len = number(attributes, NFTA_SET_KEY_LEN)?;
    Ok(Shape {
        key_len: usize::try_from(len).unwrap_or(usize::MAX),
        data_len: None,
        verdicts: false,
        boundaries: flags & NFT_SET_INTERVAL != 0 && flags & NFT_SET_CONCAT == 0,
        dynamic: false,
        counter: false,
    })
}

/// What messages say of a table.
pub(super) fn decode(messages: &[u8], family: Family, name: &TableName) -> TableSnapshot {
    let mut info = TableInfo {
        family: family.nfproto(),
        name: name.to_string(),
        handle: 0,
        flags: 0,
        owner: None,
        uses: 0,
        comment: None,
    };
    let of_kind = |message: u16| message.checked_sub(NFNL_SUBSYS_NFTABLES << 8);
    let objects = || {
        Messages::new(messages).filter_map(|message| match message.reply() {
            Reply::Object {
                family: of,
                attributes,
                ..
            } if of == family.nfproto() => Some((of_kind(message.kind)?, attributes)),
            Reply::Object { .. } | Reply::Answer { .. } | Reply::Done { .. } | Reply::Other => None,
        })
    };
    for (kind, attributes) in objects() {
        if kind == NFT_MSG_NEWTABLE {
            let said = table_info(family.nfproto(), attributes);
            info = said.filter(|said| said.name == info.name).unwrap_or(info);
        }
    }
    let mut reader = Reader::new(family, name, info);
    for (kind, attributes) in objects() {
        reader.object(kind, attributes);
    }
    reader.finish()
}
