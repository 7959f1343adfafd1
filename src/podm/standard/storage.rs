//! Storages and volumes: storage services, and the storage of computer systems.
//!
//! A storage service has volumes; older Intel services call them logical drives and count in GiB. A system has `Storage` with drives
//! and volumes, or only `SimpleStorage` with devices.

use serde_json::{Map, Value, json};

use super::{Standard, begun};
use crate::podm::driver::storage::{StorageView, Storages, VolumeView, WantedVolume};
use crate::podm::driver::{Begun, Call, Owner};
use crate::podm::error::RedfishError;
use crate::podm::http::Change;
use crate::podm::resource::{Resource, json_number, last_segment};
use crate::podm::{quirks, tag};

const GIB: f64 = 1_073_741_824.0;

impl Storages for Standard {
    fn list<'a>(&'a self, of: Option<Owner<'a>>) -> Call<'a, Option<Vec<StorageView>>> {
        Box::pin(async move {
            match of {
                Some(owner) => self.storages_of(owner).await,
                None => self.storage_services().await.map(Some),
            }
        })
    }
    fn volumes<'a>(&'a self, collection: &'a str) -> Call<'a, Vec<VolumeView>> {
        Box::pin(async move { self.read_all(&self.members(collection).await?).await?.iter().map(volume).collect() })
    }
    fn volume<'a>(&'a self, path: &'a str) -> Call<'a, Option<VolumeView>> {
        Box::pin(async move { self.client.get_if_there(path).await?.map(|r| volume(&r)).transpose() })
    }
    fn create<'a>(&'a self, collection: &'a str, wanted: &'a WantedVolume) -> Call<'a, Begun<Option<String>>> {
        Box::pin(async move {
            let body = body(wanted, quirks::is_of_logical_drives(&self.client.get(collection).await?)?);
            let answer = self.client.change(collection, Change::Post(Some(&body))).await?;
            begun(&self.client, collection, answer, |answer| {
                let named = answer.body["@odata.id"].as_str().and_then(|path| self.client.resolve(path).ok());
                answer.location.or(named)
            })
        })
    }
    fn delete<'a>(&'a self, path: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.remove(path))
    }
}

impl Standard {
    /// Every storage service, with its volumes and drives.
    async fn storage_services(&self) -> Result<Vec<StorageView>, RedfishError> {
        let mut links: Vec<String> = Vec::new();
        for name in quirks::STORAGE_SERVICES {
            let Some(collection) = self.collection(name).await? else { continue };
            for link in self.members(&collection).await? {
                if !links.contains(&link) {
                    links.push(link);
                }
            }
        }
        let mut all = Vec::with_capacity(links.len());
        for service in self.read_all(&links).await? {
            all.push(self.show_storage(&service, "StorageService").await?);
        }
        Ok(all)
    }

    /// The storages of a machine: `Storage` where it has one, else `SimpleStorage`.
    async fn storages_of(&self, owner: Owner<'_>) -> Result<Option<Vec<StorageView>>, RedfishError> {
        let Some(machine) = self.machine(owner).await? else { return Ok(None) };
        for kind in ["Storage", "SimpleStorage"] {
            let mut all = Vec::new();
            for storage in self.parts(&machine, kind).await? {
                all.push(self.show_storage(&storage, kind).await?);
            }
            if !all.is_empty() {
                return Ok(Some(all));
            }
        }
        Ok(Some(Vec::new()))
    }

    async fn show_storage(&self, storage: &Resource, kind: &str) -> Result<StorageView, RedfishError> {
        let collection = quirks::volumes_of(storage)?;
        let volumes = match &collection {
            Some(link) => self.read_all(&self.members(link).await?).await?,
            None => Vec::new(),
        };
        let volumes = volumes.iter().map(volume).collect::<Result<Vec<_>, _>>()?;
        let mut drives = Vec::new();
        for drive in self.drives(storage).await? {
            drives.push(show_drive(&drive)?);
        }
        for device in storage.items("Devices")? {
            drives.push(show_drive(&device)?);
        }
        let of = |list: &[Value]| list.iter().filter_map(|v| v["capacity_gib"].as_f64()).sum::<f64>();
        let shown_volumes: Vec<Value> = volumes.into_iter().map(|v| v.shown).collect();
        let capacity = if drives.is_empty() { of(&shown_volumes) } else { of(&drives) };
        let shown = json!({
            "id": last_segment(&storage.path),
            "name": storage.text_json("Name")?,
            "description": storage.text_json("Description")?,
            "type": kind,
            "health": storage.text_json("Status/Health")?,
            "capacity_gib": json_number(rounded(capacity)),
            "volumes": shown_volumes,
            "drives": drives,
            "resource_uri": storage.path,
        });
        Ok(StorageView {
            path: storage.path.clone(),
            id: last_segment(&storage.path).to_owned(),
            volumes: collection,
            shown,
        })
    }

    /// Drives stand in an array of links, or in a collection of their own.
    async fn drives(&self, storage: &Resource) -> Result<Vec<Resource>, RedfishError> {
        if storage.raw("Drives").is_object() {
            return self.parts(storage, "Drives").await;
        }
        self.read_all(&storage.links("Drives")?).await
    }
}

/// A size in GiB, in whichever unit it is told.
fn gib(r: &Resource) -> Result<Option<f64>, RedfishError> {
    if let Some(gib) = r.number("CapacityGiB")? {
        return Ok(Some(gib));
    }
    for field in ["CapacityBytes", "Capacity/Data/AllocatedBytes"] {
        if let Some(bytes) = r.number(field)? {
            return Ok(Some(rounded(bytes / GIB)));
        }
    }
    Ok(None)
}

/// To a thousandth.
fn rounded(n: f64) -> f64 {
    (n * 1000.0).round() / 1000.0
}

fn flag(r: &Resource, fields: &[&str]) -> Result<Value, RedfishError> {
    for field in fields {
        match r.raw(field) {
            Value::Null => {}
            Value::Bool(b) => return Ok(Value::Bool(*b)),
            _ => return Err(r.wrong(field, "true or false")),
        }
    }
    Ok(Value::Null)
}

fn first(r: &Resource, fields: &[&str]) -> Result<Value, RedfishError> {
    for field in fields {
        if let Some(text) = r.text(field)? {
            return Ok(Value::String(text));
        }
    }
    Ok(Value::Null)
}

fn volume(r: &Resource) -> Result<VolumeView, RedfishError> {
    let description = r.text("Description")?;
    let name = r.text("Name")?;
    let (plain, mut marked) = description.as_deref().map_or(("", None), tag::split);
    let (shown_name, in_name) = name.as_deref().map_or(("", None), tag::split);
    marked = marked.or(in_name);
    let capacity = gib(r)?;
    let shown = json!({
        "id": last_segment(&r.path),
        "name": name.as_ref().map(|_| shown_name),
        "description": description.as_ref().map(|_| plain),
        "type": first(r, &["VolumeType", "RAIDType", "Type"])?,
        "mode": first(r, &["Mode"])?,
        "capacity_gib": capacity.map_or(Value::Null, json_number),
        "bootable": flag(r, &["Bootable", "Oem/Intel_RackScale/Bootable"])?,
        "health": r.text_json("Status/Health")?,
        "state": r.text_json("Status/State")?,
        "resource_uri": r.path,
    });
    Ok(VolumeView {
        path: r.path.clone(),
        id: last_segment(&r.path).to_owned(),
        name: name.as_ref().map(|_| shown_name.to_owned()),
        tag: marked.map(str::to_owned),
        capacity_gib: capacity,
        shown,
    })
}

fn show_drive(r: &Resource) -> Result<Value, RedfishError> {
    Ok(json!({
        "name": r.text_json("Name")?,
        "type": first(r, &["MediaType", "Type"])?,
        "protocol": first(r, &["Protocol", "Interface"])?,
        "capacity_gib": gib(r)?.map_or(Value::Null, json_number),
        "manufacturer": r.text_json("Manufacturer")?,
        "model": r.text_json("Model")?,
        "serial_number": r.text_json("SerialNumber")?,
        "health": r.text_json("Status/Health")?,
        // A device of a SimpleStorage has no path of its own.
        "resource_uri": if r.path.contains('#') { Value::Null } else { r.path.clone().into() },
    }))
}

/// The request that makes a volume, or a logical drive.
fn body(wanted: &WantedVolume, logical: bool) -> Value {
    let mut body = Map::new();
    body.insert("Name".into(), wanted.name.clone().into());
    body.insert("Description".into(), wanted.description.clone().into());
    if logical {
        body.insert("Type".into(), "LVM".into());
        body.insert("Mode".into(), "LV".into());
        body.insert("CapacityGiB".into(), json_number(wanted.capacity_gib));
        body.insert("Bootable".into(), wanted.bootable.unwrap_or(false).into());
    } else {
        body.insert("CapacityBytes".into(), json_number((wanted.capacity_gib * GIB).round()));
        if let Some(bootable) = wanted.bootable {
            body.insert("Oem".into(), json!({ "Intel_RackScale": { "Bootable": bootable } }));
        }
    }
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(body: Value) -> Resource {
        Resource { podm: "lab".into(), path: "/v/1".into(), etag: None, body }
    }

    #[test]
    fn volumes_and_logical_drives_are_shown_alike() {
        let tag = "valence:lab:019abcde-0000-7000-8000-000000000000";
        let new =
            resource(json!({"Name": "v", "Description": format!("mine {tag}"), "CapacityBytes": 3_221_225_472_u64,
            "Oem": {"Intel_RackScale": {"Bootable": true}}}));
        let old = resource(json!({"Name": "v", "CapacityGiB": "3", "Bootable": true, "Type": "LVM", "Mode": "LV"}));
        let (new, old) = (volume(&new).unwrap(), volume(&old).unwrap());
        assert_eq!((new.tag.as_deref(), &new.shown["description"]), (Some(tag), &json!("mine")));
        for view in [&new, &old] {
            assert_eq!((&view.shown["capacity_gib"], &view.shown["bootable"]), (&json!(3), &json!(true)));
        }
        assert_eq!(volume(&resource(json!({}))).unwrap().capacity_gib, None);
        let error = volume(&resource(json!({"Bootable": "often"}))).unwrap_err().to_string();
        assert!(error.contains("Bootable") && error.contains("/v/1") && error.contains("lab"), "{error}");
    }

    #[test]
    fn each_generation_is_asked_in_its_own_unit() {
        let wanted =
            WantedVolume { name: "n".into(), description: "d".into(), capacity_gib: 2.0, bootable: Some(true) };
        assert_eq!(body(&wanted, false)["CapacityBytes"], json!(2_147_483_648_u64));
        assert_eq!(body(&wanted, false)["Oem"]["Intel_RackScale"]["Bootable"], json!(true));
        assert_eq!((&body(&wanted, true)["CapacityGiB"], &body(&wanted, true)["Bootable"]), (&json!(2), &json!(true)));
        assert!(body(&WantedVolume { bootable: None, ..wanted }, false).get("Oem").is_none());
    }
}
