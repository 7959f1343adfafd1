//! What an Allocate request asks for, read strictly: unknown properties and wrong values are refused with 400.
//!
//! Numbers may come as strings, because clients of the first Valence pass on what they were given.

use serde_json::{Map, Value};

use super::answer::Answer;
use super::state::Vlan;

/// One processor.
#[derive(Debug, Clone, Default)]
pub(super) struct WantedCpu {
    pub(super) model: Option<String>,
    pub(super) brand: Option<String>,
    pub(super) instruction_set: Option<String>,
    pub(super) cores: u64,
    pub(super) mhz: u64,
}

/// Memory of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct WantedMemory {
    pub(super) mib: u64,
    pub(super) kind: Option<String>,
    pub(super) mhz: u64,
    pub(super) width: u64,
}

/// One local drive.
#[derive(Debug, Clone, Default)]
pub(super) struct WantedDrive {
    pub(super) gib: u64,
    pub(super) kind: Option<String>,
    pub(super) rpm: u64,
    pub(super) protocol: Option<String>,
}

/// One network interface.
#[derive(Debug, Clone, Default)]
pub(super) struct WantedInterface {
    pub(super) mbps: u64,
    pub(super) vlans: Vec<Vlan>,
}

/// A whole request.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) cpus: Vec<WantedCpu>,
    pub(super) memory: Vec<WantedMemory>,
    pub(super) drives: Vec<WantedDrive>,
    pub(super) interfaces: Vec<WantedInterface>,
    pub(super) remote_gib: u64,
    pub(super) total_cores: u64,
    pub(super) total_mib: u64,
    /// Paths of resources that must be part of the node.
    pub(super) resources: Vec<String>,
    /// Paths of chassis the system must stand in.
    pub(super) chassis: Vec<String>,
}

impl Wanted {
    /// Reads a request's body.
    ///
    /// # Errors
    /// The 400 to answer.
    pub(super) fn read(body: &Map<String, Value>) -> Result<Self, Answer> {
        let mut wanted = Self::default();
        for (key, value) in body.iter().filter(|(_, v)| !v.is_null()) {
            match key.as_str() {
                "Name" => wanted.name = Some(text(key, value)?),
                "Description" => wanted.description = Some(text(key, value)?),
                "Processors" => each(key, value, |item| wanted.processor(item))?,
                "Memory" => each(key, value, |item| wanted.module(item))?,
                "LocalDrives" => each(key, value, |item| wanted.drive(item))?,
                "RemoteDrives" => each(key, value, |item| wanted.remote(item))?,
                "EthernetInterfaces" | "NetworkInterfaces" => each(key, value, |item| wanted.interface(item))?,
                "TotalSystemCoreCount" | "TotalProcessorCoreCount" => wanted.total_cores = number(key, value)?,
                "TotalSystemMemoryMiB" | "TotalMemoryCapacityMiB" => wanted.total_mib = number(key, value)?,
                "Security" | "Oem" => drop(object(key, value)?),
                _ => return Err(unknown(key)),
            }
        }
        Ok(wanted)
    }

    fn processor(&mut self, item: &Map<String, Value>) -> Result<(), Answer> {
        let mut cpu = WantedCpu::default();
        for (key, value) in item.iter().filter(|(_, v)| !v.is_null()) {
            match key.as_str() {
                "Model" => cpu.model = Some(text(key, value)?),
                "Brand" => cpu.brand = Some(text(key, value)?),
                "InstructionSet" => cpu.instruction_set = Some(text(key, value)?),
                "TotalCores" => cpu.cores = number(key, value)?,
                "AchievableSpeedMHz" => cpu.mhz = number(key, value)?,
                "ProcessorType" | "Connectivity" | "Oem" | "Capabilities" => {}
                _ => self.pin(key, value)?,
            }
        }
        self.cpus.push(cpu);
        Ok(())
    }

    fn module(&mut self, item: &Map<String, Value>) -> Result<(), Answer> {
        let mut memory = WantedMemory::default();
        for (key, value) in item.iter().filter(|(_, v)| !v.is_null()) {
            match key.as_str() {
                "CapacityMiB" => memory.mib = number(key, value)?,
                "MemoryDeviceType" | "DimmDeviceType" => memory.kind = Some(text(key, value)?),
                "SpeedMHz" => memory.mhz = number(key, value)?,
                "DataWidthBits" => memory.width = number(key, value)?,
                "Manufacturer" | "MemoryType" | "Oem" => {}
                _ => self.pin(key, value)?,
            }
        }
        self.memory.push(memory);
        Ok(())
    }

    fn drive(&mut self, item: &Map<String, Value>) -> Result<(), Answer> {
        let mut drive = WantedDrive::default();
        for (key, value) in item.iter().filter(|(_, v)| !v.is_null()) {
            match key.as_str() {
                "CapacityGiB" => drive.gib = number(key, value)?,
                "Type" => drive.kind = Some(text(key, value)?),
                "MinRPM" => drive.rpm = number(key, value)?,
                "Interface" | "Protocol" => drive.protocol = Some(text(key, value)?),
                "SerialNumber" | "FabricSwitch" | "Oem" => {}
                _ => self.pin(key, value)?,
            }
        }
        self.drives.push(drive);
        Ok(())
    }

    fn remote(&mut self, item: &Map<String, Value>) -> Result<(), Answer> {
        for (key, value) in item.iter().filter(|(_, v)| !v.is_null()) {
            match key.as_str() {
                "CapacityGiB" => self.remote_gib = self.remote_gib.saturating_add(number(key, value)?),
                "Protocol" | "Master" | "iSCSIAddress" | "Oem" => {}
                _ => self.pin(key, value)?,
            }
        }
        Ok(())
    }

    fn interface(&mut self, item: &Map<String, Value>) -> Result<(), Answer> {
        let mut interface = WantedInterface::default();
        for (key, value) in item.iter().filter(|(_, v)| !v.is_null()) {
            match key.as_str() {
                "SpeedMbps" => interface.mbps = number(key, value)?,
                "PrimaryVLAN" => drop(number(key, value)?),
                "VLANs" => each(key, value, |vlan| {
                    let id = vlan.get("VLANId").map_or(Err(wrong("VLANId", &Value::Null)), |v| number("VLANId", v))?;
                    if !(2..=4094).contains(&id) {
                        return Err(wrong("VLANId", &Value::from(id)));
                    }
                    let tagged = vlan.get("Tagged").and_then(Value::as_bool).unwrap_or(true);
                    interface.vlans.push(Vlan { id, tagged });
                    Ok(())
                })?,
                "Oem" => {}
                _ => self.pin(key, value)?,
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// Notes a demand for one exact resource or chassis.
    fn pin(&mut self, key: &str, value: &Value) -> Result<(), Answer> {
        let list = match key {
            "Resource" => &mut self.resources,
            "Chassis" => &mut self.chassis,
            _ => return Err(unknown(key)),
        };
        let path = value.get("@odata.id").and_then(Value::as_str).ok_or_else(|| wrong(key, value))?;
        list.push(path.trim_end_matches('/').to_owned());
        Ok(())
    }
}

fn each(
    key: &str,
    value: &Value,
    mut read: impl FnMut(&Map<String, Value>) -> Result<(), Answer>,
) -> Result<(), Answer> {
    let list = value.as_array().ok_or_else(|| wrong(key, value))?;
    list.iter().try_for_each(|item| read(object(key, item)?))
}

fn object<'a>(key: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Answer> {
    value.as_object().ok_or_else(|| wrong(key, value))
}

fn text(key: &str, value: &Value) -> Result<String, Answer> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong(key, value))
}

/// A whole number, plain or in a string; a fraction counts as the next whole number.
fn number(key: &str, value: &Value) -> Result<u64, Answer> {
    let read = match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse::<f64>().ok(),
        _ => None,
    };
    match read {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(n) if (0.0..9e15).contains(&n) => Ok(n.ceil() as u64),
        _ => Err(wrong(key, value)),
    }
}

fn unknown(key: &str) -> Answer {
    Answer::bad("PropertyUnknown", &format!("The property {key} is not known here."))
}

fn wrong(key: &str, value: &Value) -> Answer {
    Answer::bad("PropertyValueFormatError", &format!("The value {value} of {key} is not acceptable."))
}
