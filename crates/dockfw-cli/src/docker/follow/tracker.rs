//! Which answers are still true: events and questions get numbers in the order of time.

use std::collections::BTreeMap;

/// Numbers of events and questions.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    now: u64,
    objects: BTreeMap<String, Object>,
}

/// What happened to an object last; 0 for never.
#[derive(Debug, Default)]
struct Object {
    /// It ended.
    gone: u64,
    /// The question of the newest answer that was taken.
    taken: u64,
    /// Questions without an answer.
    open: u32,
}

impl Tracker {
    /// A number for what happens now.
    pub(super) fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// Notes that an object is asked about; its answer belongs to the number.
    pub(super) fn ask(&mut self, id: &str) -> u64 {
        let now = self.tick();
        self.object(id).open += 1;
        now
    }

    /// Notes that an object ended.
    pub(super) fn gone(&mut self, id: &str) {
        let now = self.tick();
        self.object(id).gone = now;
    }

    /// Takes the answer to a question; false when something newer is known.
    pub(super) fn answer(&mut self, id: &str, question: u64) -> bool {
        let object = self.object(id);
        object.open = object.open.saturating_sub(1);
        if question < object.gone || question < object.taken {
            return false;
        }
        object.taken = question;
        true
    }

    /// Takes note of a question that was not answered; false when something newer is known.
    pub(super) fn unanswered(&mut self, id: &str, question: u64) -> bool {
        let object = self.object(id);
        object.open = object.open.saturating_sub(1);
        question >= object.gone && question >= object.taken
    }

    /// Whether an object ended after a number.
    pub(super) fn is_gone_since(&self, id: &str, since: u64) -> bool {
        self.objects.get(id).is_some_and(|of| of.gone > since)
    }

    /// Whether an object was asked about after a number, and is there.
    pub(super) fn is_taken_since(&self, id: &str, since: u64) -> bool {
        let object = self.objects.get(id);
        object.is_some_and(|of| of.taken > since && of.taken > of.gone)
    }

    /// How many other objects have not been answered about.
    pub(super) fn others(&self, id: &str) -> usize {
        let open = self.objects.iter().filter(|(of, _)| of.as_str() != id);
        open.filter(|(_, of)| of.open > 0).count()
    }

    /// Forgets what no answer can contradict any more.
    pub(super) fn forget_before(&mut self, number: u64) {
        self.objects
            .retain(|_, of| of.open > 0 || of.gone >= number || of.taken >= number);
    }

    fn object(&mut self, id: &str) -> &mut Object {
        self.objects.entry(id.to_owned()).or_default()
    }
}
