//! Elements of sets that stay.

use dockfw_ir::diff::Counts;
use dockfw_ir::name::TableName;
use dockfw_ir::set::{Element, ElementData, SetKind};
use dockfw_ir::table::Family;

use super::{ElementChanges, EncodeError, Scope, Set, Table, Writer, at};
use crate::batch::{Batch, BatchBuilder, Purpose};
use crate::element::ElementWriter;
use crate::set::concatenation_number;
use crate::sys::nf_tables::{NFT_MSG_DELSETELEM, NFT_MSG_NEWSETELEM};
use crate::wire::{CREATE, EXCLUSIVE};

/// What deletes elements.
const DELETE: (u16, u16) = (NFT_MSG_DELSETELEM, 0);

/// What adds elements; one whose key is there already is refused.
const ADD: (u16, u16) = (NFT_MSG_NEWSETELEM, CREATE | EXCLUSIVE);

impl Batch {
    /// The batch that deletes and adds these elements of sets that are there, in one transaction,
    /// and leaves everything else alone. The work does not grow with what else is in sets of single
    /// keys; of sets of concatenated ranges the kernel makes a copy.
    ///
    /// The sets are those of the table by name, key types and kind, with only the elements that go
    /// or come; their size does not matter. What goes is deleted first, so an element in both
    /// lists is one that changes. Of one that goes only the key (and where its range ends) counts.
    ///
    /// It must be committed with [`Expect::Generation`](crate::Expect::Generation) of the table
    /// that the caller knows: the kernel compares lengths, but not what a key means.
    /// It refuses an element whose key is there (`EEXIST`), the deletion of one that is not
    /// (`ENOENT`), and one more than the set has room for (`ENFILE`); nothing is changed then, and
    /// the place in [`Part::Element`](crate::Part::Element) is that among the elements given.
    ///
    /// When the [`generation`](crate::Committed::generation) afterwards is not the next one, someone
    /// else has committed since, and may have changed the table.
    ///
    /// [`Statistics`](crate::Statistics) say what changes, not how much is in the table
    /// afterwards. No elements at all make an empty batch, which need not be committed.
    ///
    /// # Errors
    ///
    /// As [`Batch::replace`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (table, set) = (dockfw_ir::name::TableName::new("dockfw")?, Vec::new());
    /// use dockfw_ir::table::Family;
    /// use dockfw_netlink::{Batch, Executor, Expect};
    /// let mut executor = Executor::open()?;
    /// let generation = executor.generation()?;
    /// // ... the table is known to be that of this generation ...
    /// let batch = Batch::elements(Family::Inet, &table, &[], &set)?;
    /// let committed = executor.commit(&batch, Expect::Generation(generation))?;
    /// if committed.generation == generation.wrapping_add(1) {
    ///     println!("the next batch expects {}", committed.generation);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn elements(
        family: Family,
        table: &TableName,
        removed: &[Set],
        added: &[Set],
    ) -> Result<Self, EncodeError> {
        let mut builder = BatchBuilder::new();
        let (proto, name) = (family.nfproto(), table.as_str());
        let mut write = |kind, set: &Set| {
            let writer = ElementWriter::among_others(set)?;
            builder.note_key_type(family, table, set);
            builder.element_lists(kind, (proto, name, set), None, &writer, |_, _| {})
        };
        for set in removed {
            let elements = set.elements.iter().map(key_of).collect();
            write(DELETE, &keys(set, elements))?;
        }
        for set in added {
            write(ADD, set)?;
        }
        let mut batch = builder.finish(Purpose::Difference);
        let count = |sets: &[Set]| sets.iter().map(|set| set.elements.len()).sum();
        let counts = Counts {
            elements_removed: count(removed),
            elements_added: count(added),
            ..Counts::default()
        };
        batch.difference.deletes = counts.elements_removed > 0;
        batch.statistics.changed = Some(counts);
        Ok(batch)
    }
}

impl BatchBuilder {
    /// Notes how keys of the set are written in errors.
    fn note_key_type(&mut self, family: Family, table: &TableName, set: &Set) {
        let types = concatenation_number(&set.key);
        let known = (family, table.clone(), set.name.clone(), types);
        self.batch.difference.key_types.push(known);
    }
}

impl Writer<'_> {
    /// Notes how keys of the set are written in errors.
    pub(super) fn note_key_type(&mut self, table: &Table, set: &Set) {
        self.builder.note_key_type(table.family, &table.name, set);
    }

    /// Deletes the elements that go and those that are added again. Of an element the kernel looks
    /// at the key only.
    pub(super) fn delete_elements(
        &mut self,
        scope: Scope<'_>,
        place: usize,
        changes: &ElementChanges,
    ) -> Result<(), EncodeError> {
        let set = scope.old_set(place)?;
        let again = changes.changed.iter().map(|(from, _)| from);
        let places: Vec<usize> = changes.removed.iter().chain(again).copied().collect();
        let elements = places.iter();
        let elements = elements.map(|place| Ok(key_of(at(&set.elements, *place)?)));
        let keys = keys(set, elements.collect::<Result<_, EncodeError>>()?);
        self.lists(DELETE, scope, &keys, &places)
    }

    /// Adds the elements that are new and those that were deleted to be added again.
    pub(super) fn add_elements(
        &mut self,
        scope: Scope<'_>,
        place: usize,
        changes: &ElementChanges,
    ) -> Result<(), EncodeError> {
        let set = scope.new_set(place)?;
        let again = changes.changed.iter().map(|(_, to)| to);
        let places: Vec<usize> = changes.added.iter().chain(again).copied().collect();
        let elements = places
            .iter()
            .map(|place| at(&set.elements, *place).cloned());
        let part = Set {
            elements: elements.collect::<Result<_, EncodeError>>()?,
            ..head(set)
        };
        self.lists(ADD, scope, &part, &places)
    }

    fn lists(
        &mut self,
        kind: (u16, u16),
        scope: Scope<'_>,
        part: &Set,
        places: &[usize],
    ) -> Result<(), EncodeError> {
        let writer = ElementWriter::among_others(part)?;
        let of = (scope.family, scope.name, part);
        self.builder
            .element_lists(kind, of, None, &writer, |difference, (sequence, range)| {
                let of_message = places.get(range).unwrap_or(&[]).iter();
                let of_message = of_message.map(|place| u32::try_from(*place).unwrap_or(u32::MAX));
                difference.places.push((sequence, of_message.collect()));
            })
    }
}

/// What the kernel looks at in the deletion of an element.
fn key_of(element: &Element) -> Element {
    Element {
        key: element.key.clone(),
        key_end: element.key_end.clone(),
        data: ElementData::None,
        extra: None,
    }
}

/// The set with these keys only.
fn keys(set: &Set, elements: Vec<Element>) -> Set {
    Set {
        kind: SetKind::Set,
        elements,
        ..head(set)
    }
}

/// The set without elements.
fn head(set: &Set) -> Set {
    Set {
        name: set.name.clone(),
        key: set.key.clone(),
        kind: set.kind.clone(),
        interval: set.interval,
        dynamic: set.dynamic,
        counter: set.counter,
        timeout: set.timeout,
        size: set.size,
        comment: None,
        elements: Vec::new(),
    }
}
