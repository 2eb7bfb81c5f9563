//! Elements of sets that stay.

use dockfw_ir::set::{Element, ElementData, SetKind};

use super::{ElementChanges, EncodeError, Scope, Set, Table, Writer, at};
use crate::element::ElementWriter;
use crate::set::concatenation_number;
use crate::sys::nf_tables::{NFT_MSG_DELSETELEM, NFT_MSG_NEWSETELEM};
use crate::wire::{CREATE, EXCLUSIVE};

impl Writer<'_> {
    /// Notes how keys of the set are written in errors.
    pub(super) fn note_key_type(&mut self, table: &Table, set: &Set) {
        let types = concatenation_number(&set.key);
        let known = (table.family, table.name.clone(), set.name.clone(), types);
        self.builder.batch.difference.key_types.push(known);
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
        let keys = places.iter().map(|place| {
            let element = at(&set.elements, *place)?;
            Ok(Element {
                key: element.key.clone(),
                key_end: element.key_end.clone(),
                data: ElementData::None,
                extra: None,
            })
        });
        let keys = Set {
            kind: SetKind::Set,
            elements: keys.collect::<Result<_, EncodeError>>()?,
            ..head(set)
        };
        self.lists((NFT_MSG_DELSETELEM, 0), scope, &keys, &places)
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
        self.lists(
            (NFT_MSG_NEWSETELEM, CREATE | EXCLUSIVE),
            scope,
            &part,
            &places,
        )
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

/// The set without elements.
fn head(set: &Set) -> Set {
    Set {
        name: set.name.clone(),
        key: set.key.clone(),
        kind: set.kind.clone(),
        interval: set.interval,
        dynamic: set.dynamic,
        timeout: set.timeout,
        size: set.size,
        comment: None,
        elements: Vec::new(),
    }
}
