//! A recorded mockup tree, served as it is: `/redfish/v1/A/B` is `DIR/A/B/index.json`.
//!
//! The whole tree is read at start and requests are looked up in a map, so that no path a client can write reaches the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::json;

use super::answer::{Answer, Payload};
use super::view::{View, link};
use super::{SimError, sessions};

/// The files of a tree by their path below `/redfish/v1`, joined with `/`.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<String, Bytes>);

impl Tree {
    /// Reads a tree. Symbolic links are not followed.
    ///
    /// # Errors
    /// [`SimError::Tree`] when the folder cannot be read or holds no `index.json` at all.
    pub(super) fn load(dir: &Path) -> Result<Self, SimError> {
        let wrong = |source| SimError::Tree { dir: dir.to_owned(), source };
        let mut files = BTreeMap::new();
        let mut folders = vec![(dir.to_owned(), String::new())];
        while let Some((folder, name)) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(wrong)? {
                let entry = entry.map_err(wrong)?;
                let kind = entry.file_type().map_err(wrong)?;
                let Ok(file) = entry.file_name().into_string() else { continue };
                if kind.is_dir() {
                    let below = if name.is_empty() { file } else { format!("{name}/{file}") };
                    folders.push((entry.path(), below));
                } else if kind.is_file() && file == "index.json" {
                    files.insert(name.clone(), std::fs::read(entry.path()).map_err(wrong)?.into());
                }
            }
        }
        if files.is_empty() {
            return Err(wrong(std::io::Error::other("it holds no index.json")));
        }
        Ok(Self(files))
    }

    /// Answers one request.
    pub(super) fn answer(&self, view: &mut View<'_>) -> Answer {
        let call = view.call;
        let segments = call.segments();
        match segments.as_slice() {
            ["redfish"] if call.is_read() => Answer::json(StatusCode::OK, json!({ "v1": "/redfish/v1/" })),
            ["redfish", "v1", "SessionService", rest @ ..] if call.method == Method::POST => {
                sessions::answer(view, rest)
            }
            ["redfish", "v1", "SessionService", rest @ ..] if call.method == Method::DELETE => {
                sessions::answer(view, rest)
            }
            ["redfish", "v1", rest @ ..] => match self.0.get(&rest.join("/")) {
                _ if !call.is_read() => Answer::not_allowed("GET, HEAD"),
                Some(file) => {
                    let mut answer = Answer::empty(StatusCode::OK);
                    answer.payload = Payload::Raw("application/json; charset=utf-8", file.clone());
                    answer
                }
                None if rest.is_empty() => self.root(view),
                None => view.missing(),
            },
            _ => view.missing(),
        }
    }

    /// A service root for a tree without one: it links to the folders there are.
    fn root(&self, view: &View<'_>) -> Answer {
        let tops: BTreeSet<&str> = self.0.keys().filter_map(|path| path.split('/').next()).collect();
        let mut root = json!({
            "@odata.id": "/redfish/v1/",
            "@odata.type": "#ServiceRoot.v1_3_1.ServiceRoot",
            "Id": "RootService",
            "Name": "Recorded Tree",
            "UUID": view.hardware.uuid("root"),
        });
        for top in tops {
            let name = if top == "TaskService" { "Tasks" } else { top };
            root[name] = link(format!("/redfish/v1/{top}"));
        }
        Answer::entity(root)
    }
}
