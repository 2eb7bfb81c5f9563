//! When what has changed is committed: at once, or together with what follows.
//!
//! What closes never waits. What opens is committed at once too, unless dockerd is starting others
//! at the same time, or more of it has come just before: each commit of a burst then waits twice as
//! long as the last one, so that a burst is few transactions, however long it is. When no other is
//! being started for a part of that time, the burst is taken to be over.

use std::time::{Duration, Instant};

/// How long the second commit of a burst waits for company.
const FIRST: Duration = Duration::from_millis(20);

/// The longest wait of what opens.
const LONGEST: Duration = Duration::from_secs(4);

/// A burst is over when nothing has been started for this part of the wait.
const PART: u32 = 8;

/// What comes so long after the last commit, besides twice the last wait, belongs to no burst.
const QUIET: Duration = Duration::from_millis(200);

/// The same while others are being started: on a busy machine they may be far apart.
const BUSY: Duration = Duration::from_secs(2);

/// Says when the next commit is due.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When, if something waits.
    due: Option<Instant>,
    /// What is due must not wait for company.
    urgent: bool,
    /// Something waits to be opened.
    opening: bool,
    /// The last commit that opened something.
    last: Option<Instant>,
    /// How long what opens waits after it.
    window: Duration,
}

impl Pace {
    /// Something is to be closed, or is not what it should be.
    pub(super) const fn closes(&mut self, now: Instant) {
        self.due = Some(now);
        self.urgent = true;
    }

    /// Something is to be opened, and so many other containers are being started.
    pub(super) fn opens(&mut self, now: Instant, others: usize) {
        let since = |last| now.saturating_duration_since(last);
        let pause = if others == 0 { QUIET } else { BUSY };
        let quiet = self.window.saturating_mul(2) + pause;
        if self.last.is_none_or(|last| since(last) > quiet) {
            self.window = Duration::ZERO;
        }
        self.opening = true;
        if self.urgent {
            return;
        }
        let with_company = self.last.map_or(now, |last| now.max(last + self.window));
        self.due = Some(if others == 0 {
            with_company.min(now + self.window / PART)
        } else {
            with_company
        });
    }

    /// A commit did not succeed, and is tried again in a while.
    pub(super) fn again(&mut self, now: Instant, pause: Duration) {
        self.due = Some(now + pause);
        self.urgent = true;
    }

    /// When the next commit is due; nothing waits otherwise.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it is due now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// A commit has been made of everything that waited.
    pub(super) fn committed(&mut self, now: Instant) {
        if self.opening {
            self.last = Some(now);
            self.window = self.window.saturating_mul(2).clamp(FIRST, LONGEST);
        }
        self.nothing();
    }

    /// Nothing had to be committed after all.
    pub(super) const fn nothing(&mut self) {
        self.due = None;
        self.urgent = false;
        self.opening = false;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LONGEST, PART, Pace};

    /// The commits of containers that start at these times, in milliseconds, while so many others
    /// are being started.
    fn commits(starts: impl IntoIterator<Item = (u64, usize)>) -> Vec<u64> {
        let begin = Instant::now();
        let (mut pace, mut commits) = (Pace::default(), Vec::new());
        let mut commit = |pace: &mut Pace, until: Option<Instant>| {
            let is_before = |due: &Instant| until.is_none_or(|until| *due <= until);
            if let Some(due) = pace.due().filter(is_before) {
                pace.committed(due);
                commits.push(u64::try_from((due - begin).as_millis()).unwrap_or(u64::MAX));
            }
        };
        for (start, others) in starts {
            let now = begin + Duration::from_millis(start);
            commit(&mut pace, Some(now));
            pace.opens(now, others);
            commit(&mut pace, Some(now));
        }
        commit(&mut pace, None);
        commits
    }

    #[test]
    fn one_after_another_is_at_once() {
        let starts: Vec<u64> = (0..100).map(|n| n * 250).collect();
        assert_eq!(commits(starts.iter().map(|at| (*at, 0))), starts);
    }

    #[test]
    fn a_storm_of_any_density_is_few_transactions() {
        let longest = u64::try_from((LONGEST / PART).as_millis()).unwrap_or_default();
        for pause in [0, 1, 5, 10, 20, 50, 100, 150, 200] {
            // All at once, by twos, by fives.
            for together in [200, 2, 5] {
                let others = |n: u64| usize::try_from((199 - n) % together).unwrap_or_default();
                let commits = commits((0..200_u64).map(|n| (n * pause, others(n))));
                let number = commits.len();
                assert!(
                    number <= 20,
                    "{number} with {pause} ms, {together} together"
                );
                let last = commits.last().copied().unwrap_or_default();
                assert!(last <= 199 * pause + longest, "{last} with {pause} ms");
            }
        }
    }

    #[test]
    fn a_dense_series_of_single_ones_waits_a_little() {
        for pause in [1, 5, 10, 20, 50, 100] {
            let commits = commits((0..200).map(|n| (n * pause, 0)));
            assert!(commits.len() <= 20, "{} with {pause} ms", commits.len());
        }
    }

    #[test]
    fn what_closes_does_not_wait_and_takes_the_rest_along() {
        let now = Instant::now();
        let mut pace = Pace::default();
        for _ in 0..20 {
            pace.opens(now, 1);
            pace.committed(now);
        }
        pace.opens(now, 1);
        assert_eq!(pace.due(), Some(now + LONGEST));
        pace.closes(now);
        pace.opens(now, 1);
        assert!(pace.is_due(now));
        pace.committed(now);
        assert_eq!(pace.due(), None);
    }

    #[test]
    fn a_burst_ends() {
        let now = Instant::now();
        let mut pace = Pace::default();
        for _ in 0..20 {
            pace.opens(now, 1);
            pace.committed(now);
        }
        let soon = now + Duration::from_millis(300);
        pace.opens(soon, 0);
        assert_eq!(pace.due(), Some(soon + LONGEST / PART));
        pace.committed(soon + LONGEST / PART);
        let later = soon + 3 * LONGEST;
        pace.opens(later, 0);
        assert!(pace.is_due(later));
    }
}
