//! How a task's volume is told from others: by its tag, or, where the server keeps none, as the one that can be no other.

use std::collections::HashMap;

use super::place;
use crate::podm::{RedfishError, Storages, VolumeView, WantedVolume};
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// Sizes are rounded up by servers, to extents and whole GiB.
const LARGER_BY_GIB: f64 = 1.0;
/// And are shown to a thousandth.
const SMALLER_BY_GIB: f64 = 0.001;

/// What servers call a volume that nobody gave a name, also with its id behind.
const GIVEN: [&str; 3] = ["volume", "logical drive", "logicaldrive"];

/// What tells this task's volume from others.
pub(super) struct Mark<'a> {
    tag: String,
    pub(super) task: String,
    wanted: &'a WantedVolume,
    before: &'a [String],
    claimed: HashMap<String, String>,
    /// It is to be deleted: a volume whose name is neither wanted nor one that the server gives to all is left alone.
    strict: bool,
}

/// The mark of a task's volume.
///
/// # Errors
/// A retry when Redis is away.
pub(super) async fn mark<'a>(
    ctx: &Context,
    wanted: &'a WantedVolume,
    before: &'a [String],
    strict: bool,
) -> Result<Mark<'a>, Verdict> {
    let claimed = ctx.names(Collection::Device, &place::names(ctx.podm_id()?)).await?;
    Ok(Mark { tag: ctx.tag(), task: ctx.id().to_string(), wanted, before, claimed, strict })
}

/// The task's volume: where it was said to be, or the one with its tag, or the one that can be no other.
///
/// # Errors
/// What keeps the Pod Manager from answering.
pub(super) async fn found(
    storages: &dyn Storages,
    collection: &str,
    mark: &Mark<'_>,
    made: Option<String>,
) -> Result<Option<VolumeView>, RedfishError> {
    if let Some(made) = made
        && let Some(volume) = storages.volume(&made).await?
        && may_be(&volume, mark)
    {
        return Ok(Some(volume));
    }
    let volumes = storages.volumes(collection).await?;
    Ok(pick(volumes, mark))
}

/// Whether a volume can be the task's at all, whatever an answer says: else another's would be shown as made, and deleted by an undo.
fn may_be(volume: &VolumeView, mark: &Mark<'_>) -> bool {
    match &volume.tag {
        Some(tag) => *tag == mark.tag,
        None => {
            !mark.before.contains(&volume.path)
                && mark.claimed.get(&volume.path).is_none_or(|owner| *owner == mark.task)
        }
    }
}

fn pick(mut volumes: Vec<VolumeView>, mark: &Mark<'_>) -> Option<VolumeView> {
    if let Some(at) = volumes.iter().position(|v| v.tag.as_deref() == Some(&mark.tag)) {
        return Some(volumes.swap_remove(at));
    }
    let names: Vec<Option<String>> = volumes.iter().map(|v| v.name.clone()).collect();
    let common = |name: &Option<String>| names.iter().filter(|n| *n == name).count() > 1;
    volumes.retain(|v| {
        let more = v.capacity_gib.map(|has| has - mark.wanted.capacity_gib);
        v.tag.is_none()
            && may_be(v, mark)
            && (!mark.strict || v.name.as_deref() == Some(&mark.wanted.name) || common(&v.name) || is_given(v))
            && more.is_none_or(|more| (-SMALLER_BY_GIB..=LARGER_BY_GIB).contains(&more))
    });
    let named = volumes.iter().position(|v| v.name.as_deref() == Some(&mark.wanted.name));
    let at = named.or_else(|| (volumes.len() == 1).then_some(0))?;
    Some(volumes.swap_remove(at))
}

/// Whether its name is one that a server gives by itself.
fn is_given(volume: &VolumeView) -> bool {
    let Some(name) = volume.name.as_deref().map(|name| name.trim().to_ascii_lowercase()) else { return true };
    let id = volume.id.to_ascii_lowercase();
    name == id
        || GIVEN.iter().any(|word| name == *word || name.strip_prefix(word).is_some_and(|rest| rest.trim() == id))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn volume(path: &str, name: &str, tag: Option<&str>, gib: f64) -> VolumeView {
        VolumeView {
            path: path.into(),
            id: path.into(),
            name: Some(name.into()),
            tag: tag.map(str::to_owned),
            capacity_gib: Some(gib),
            shown: Value::Null,
        }
    }

    #[test]
    fn a_volume_without_a_tag_is_told_by_what_was_not_there_before() {
        let wanted =
            WantedVolume { name: "mine".into(), description: String::new(), capacity_gib: 4.0, bootable: None };
        let before = ["old".to_owned()];
        let claimed = HashMap::from([("other".to_owned(), "another task".to_owned())]);
        let mut mark =
            Mark { tag: "t".into(), task: "me".into(), wanted: &wanted, before: &before, claimed, strict: false };
        let path = |volumes: Vec<VolumeView>, mark: &Mark<'_>| pick(volumes, mark).map(|v| v.path);
        assert_eq!(path(vec![volume("old", "mine", Some("t"), 9.0)], &mark).as_deref(), Some("old"), "a tag is enough");
        assert_eq!(path(vec![volume("new", "Volume", None, 4.5)], &mark).as_deref(), Some("new"));
        for other in [
            volume("old", "mine", None, 4.0),
            volume("other", "mine", None, 4.0),
            volume("tagged", "mine", Some("theirs"), 4.0),
            volume("small", "mine", None, 3.0),
            volume("large", "mine", None, 40.0),
        ] {
            assert_eq!(path(vec![other], &mark), None);
        }
        let two = vec![volume("a", "x", None, 4.0), volume("b", "y", None, 4.0)];
        assert_eq!(path(two, &mark), None, "nobody knows which");
        mark.strict = true;
        assert_eq!(path(vec![volume("new", "theirs", None, 4.0)], &mark), None, "nothing foreign is deleted");
        assert_eq!(path(vec![volume("new", "mine", None, 4.0)], &mark).as_deref(), Some("new"));
        for given in ["Volume", "Volume new", "new", "Logical Drive new"] {
            assert_eq!(path(vec![volume("new", given, None, 4.0)], &mark).as_deref(), Some("new"), "nobody named it");
        }
        assert_eq!(path(vec![volume("new", "Volume of theirs", None, 4.0)], &mark), None);
        let unnamed = vec![volume("old", "Volume", None, 4.0), volume("new", "Volume", None, 4.0)];
        assert_eq!(path(unnamed, &mark).as_deref(), Some("new"), "this server names them all alike");
    }
}
