//! The tag that makes a task's hardware findable: `valence:<deployment>:<task id>`, the last word of the node's Description.

/// A description with the tag at its end.
#[must_use]
pub fn mark(description: &str, tag: &str) -> String {
    let description = description.trim_end();
    if description.is_empty() { tag.to_owned() } else { format!("{description} {tag}") }
}

/// The description as its author wrote it, and the tag behind it, of whatever deployment.
#[must_use]
pub fn split(text: &str) -> (&str, Option<&str>) {
    let text = text.trim_end();
    let (before, last) = text.rsplit_once(char::is_whitespace).unwrap_or(("", text));
    if is_tag(last) { (before.trim_end(), Some(last)) } else { (text, None) }
}

fn is_tag(word: &str) -> bool {
    let mut parts = word.split(':');
    let known = parts.next() == Some("valence") && parts.next().is_some_and(|d| !d.is_empty());
    known && parts.next().is_some_and(|id| id.parse::<crate::ids::TaskId>().is_ok()) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "valence:lab:019abcde-0000-7000-8000-000000000000";

    #[test]
    fn a_tag_is_found_again_and_nobody_else_sees_it() {
        let marked = mark("rack 3, left", TAG);
        assert!(marked.ends_with(TAG));
        assert_eq!(split(&marked), ("rack 3, left", Some(TAG)));
        assert_eq!(split(&mark("", TAG)), ("", Some(TAG)));
    }

    #[test]
    fn foreign_words_stay() {
        for text in ["", "Node #1", "valence:lab", "valence:lab:7", "valence::x", "see valence:lab:not-an-id"] {
            assert_eq!(split(text), (text, None));
        }
    }

    #[test]
    fn only_our_own_suffix_is_taken_off() {
        assert_eq!(split(&mark(TAG, TAG)), (TAG, Some(TAG)));
    }
}
