//! The known word nearest to an unknown one.

use super::report::{Draft, Span};

/// Words longer than this are not compared.
const MAX_LEN: usize = 64;

/// The candidate that differs least from `word`, if it differs by at most a third of its letters.
///
/// Of several, the first.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() > MAX_LEN {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate.len() > MAX_LEN || candidate.len().abs_diff(word.len()) > MAX_LEN / 3 {
            continue;
        }
        let distance = distance(word, candidate);
        let allowed = (candidate.len().max(word.len()) / 3).max(1);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The diagnostic for a name of a network or container that is not in the policy.
pub(super) fn unknown<'n, I>(kind: &str, name: &str, span: Span, known: impl Fn() -> I) -> Draft
where
    I: Iterator<Item = &'n str>,
{
    let draft = Draft::error(span, format!("there is no {kind} `{name}`"));
    if let Some(near) = nearest(name, known()) {
        return draft.help(format!("did you mean `{near}`?"));
    }
    let mut all: Vec<_> = known().take(11).collect();
    if all.is_empty() {
        return draft.help(format!("add it as [[{kind}]]"));
    }
    if all.len() > 10 {
        all.truncate(10);
        all.push("…");
    }
    draft.help(format!(
        "known {kind}s: {}; add others as [[{kind}]]",
        all.join(", ")
    ))
}

/// How many letters have to be inserted, removed, replaced or swapped with their neighbour;
/// `_` and `-`, capitals and small letters count as equal.
fn distance(a: &str, b: &str) -> usize {
    let fold = |word: &str| -> Vec<u8> {
        word.bytes()
            .map(|b| {
                if b == b'_' {
                    b'-'
                } else {
                    b.to_ascii_lowercase()
                }
            })
            .collect()
    };
    let (a, b) = (fold(a), fold(b));
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut least = (at(&row, j) + usize::from(x != y))
                .min(at(&row, j + 1) + 1)
                .min(at(&next, j) + 1);
            let neighbours = (i.checked_sub(1), j.checked_sub(1));
            if let (Some(up), Some(left)) = neighbours
                && a.get(up) == Some(y)
                && b.get(left) == Some(x)
            {
                least = least.min(at(&before, left) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_words_are_found() {
        let keys = ["name", "networks", "publish", "gw-priority"];
        assert_eq!(nearest("pubish", keys), Some("publish"));
        assert_eq!(nearest("network", keys), Some("networks"));
        assert_eq!(nearest("naem", keys), Some("name"));
        assert_eq!(nearest("GW_priority", keys), Some("gw-priority"));
        assert_eq!(nearest("ports", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest(&"x".repeat(1000), keys), None);
    }
}
