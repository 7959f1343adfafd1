//! The machines of one PODM, computed from seed and number.
//!
//! Nothing is stored for a machine, so a thousand PODMs cost no more than their changed state. The sizes repeat in the order of
//! [`PROFILES`]; identities (UUIDs, serial numbers, MAC addresses) follow from the seed and are the same after a restart.

use uuid::Uuid;

/// One drive model.
#[derive(Debug)]
pub(super) struct DriveModel {
    pub(super) model: &'static str,
    pub(super) media: &'static str,
    pub(super) protocol: &'static str,
    pub(super) gib: u64,
    pub(super) rpm: u64,
}

/// One machine model.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) model: &'static str,
    pub(super) cpu_model: &'static str,
    pub(super) brand: &'static str,
    pub(super) sockets: u64,
    pub(super) cores: u64,
    pub(super) mhz: u64,
    pub(super) dimm_type: &'static str,
    pub(super) dimms: u64,
    pub(super) dimm_mib: u64,
    pub(super) dimm_mhz: u64,
    pub(super) nics: u64,
    pub(super) nic_mbps: u64,
    pub(super) drives: &'static [DriveModel],
}

const SSD: DriveModel = DriveModel { model: "SSD DC S3520", media: "SSD", protocol: "SATA", gib: 447, rpm: 0 };
const HDD: DriveModel = DriveModel { model: "Exos 7E8", media: "HDD", protocol: "SAS", gib: 1862, rpm: 7200 };
const NVME: DriveModel = DriveModel { model: "SSD DC P4510", media: "SSD", protocol: "NVMe", gib: 931, rpm: 0 };

/// The machine models, in the order in which the systems of a PODM take them.
pub(super) const PROFILES: [Profile; 4] = [
    Profile {
        model: "S1200",
        cpu_model: "Intel(R) Xeon(R) E3-1270 v2",
        brand: "E3",
        sockets: 1,
        cores: 4,
        mhz: 3500,
        dimm_type: "DDR3",
        dimms: 2,
        dimm_mib: 8192,
        dimm_mhz: 1600,
        nics: 1,
        nic_mbps: 1000,
        drives: &[SSD],
    },
    Profile {
        model: "S2600",
        cpu_model: "Intel(R) Xeon(R) E5-2640 v4",
        brand: "E5",
        sockets: 2,
        cores: 10,
        mhz: 3400,
        dimm_type: "DDR4",
        dimms: 4,
        dimm_mib: 16384,
        dimm_mhz: 2133,
        nics: 2,
        nic_mbps: 10000,
        drives: &[SSD, HDD],
    },
    Profile {
        model: "R2208",
        cpu_model: "Intel(R) Xeon(R) Gold 6130",
        brand: "Gold",
        sockets: 2,
        cores: 16,
        mhz: 3700,
        dimm_type: "DDR4",
        dimms: 8,
        dimm_mib: 16384,
        dimm_mhz: 2666,
        nics: 2,
        nic_mbps: 25000,
        drives: &[NVME, HDD, HDD],
    },
    Profile {
        model: "R2312",
        cpu_model: "Intel(R) Xeon(R) Platinum 8180",
        brand: "Platinum",
        sockets: 2,
        cores: 28,
        mhz: 3800,
        dimm_type: "DDR4",
        dimms: 12,
        dimm_mib: 32768,
        dimm_mhz: 2666,
        nics: 2,
        nic_mbps: 25000,
        drives: &[NVME, NVME, HDD, HDD],
    },
];

/// Sleds, and so systems, in one drawer.
const SLEDS_PER_DRAWER: usize = 4;

/// The hardware of one PODM.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hardware {
    pub(super) seed: u64,
    pub(super) podm: usize,
    pub(super) systems: usize,
}

/// Where something stands: all numbers count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Pod,
    Rack(usize),
    Drawer(usize),
    Sled(usize),
}

impl Hardware {
    /// The model of a system, counted from 1.
    pub(super) fn profile(&self, system: usize) -> &'static Profile {
        &PROFILES[(system.max(1) - 1) % PROFILES.len()]
    }

    /// The number behind `System7`, when there is such a system.
    pub(super) fn system_number(&self, id: &str) -> Option<usize> {
        numbered(id, "System", self.systems)
    }

    /// How many drawers there are: one for every four systems.
    pub(super) fn drawers(&self) -> usize {
        self.systems.div_ceil(SLEDS_PER_DRAWER).max(1)
    }

    /// How many racks: two as soon as there are two drawers.
    pub(super) fn racks(&self) -> usize {
        self.drawers().min(2)
    }

    /// The place a chassis id names.
    pub(super) fn place(&self, id: &str) -> Option<Place> {
        if id == "Pod1" {
            return Some(Place::Pod);
        }
        let rack = numbered(id, "Rack", self.racks()).map(Place::Rack);
        let drawer = || numbered(id, "Drawer", self.drawers()).map(Place::Drawer);
        let sled = || numbered(id, "Sled", self.systems).map(Place::Sled);
        rack.or_else(drawer).or_else(sled)
    }

    /// Every place: the pod first, then racks, drawers and sleds.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut all = vec![Place::Pod];
        all.extend((1..=self.racks()).map(Place::Rack));
        all.extend((1..=self.drawers()).map(Place::Drawer));
        all.extend((1..=self.systems).map(Place::Sled));
        all
    }

    /// The place around a place.
    pub(super) fn parent(&self, place: Place) -> Option<Place> {
        match place {
            Place::Pod => None,
            Place::Rack(_) => Some(Place::Pod),
            Place::Drawer(n) => Some(Place::Rack((n - 1) % self.racks() + 1)),
            Place::Sled(n) => Some(Place::Drawer((n - 1) / SLEDS_PER_DRAWER + 1)),
        }
    }

    /// The places directly in a place.
    pub(super) fn children(&self, place: Place) -> Vec<Place> {
        self.places().into_iter().filter(|p| self.parent(*p) == Some(place)).collect()
    }

    /// Whether a system stands in a place, at any depth.
    pub(super) fn is_in(&self, system: usize, place: Place) -> bool {
        let mut here = Some(Place::Sled(system));
        while let Some(at) = here {
            if at == place {
                return true;
            }
            here = self.parent(at);
        }
        false
    }

    /// The systems in a place, at any depth.
    pub(super) fn systems_in(&self, place: Place) -> Vec<usize> {
        (1..=self.systems).filter(|n| self.is_in(*n, place)).collect()
    }

    /// The UUID of anything that has a name of its own on this PODM.
    pub(super) fn uuid(&self, name: &str) -> Uuid {
        let scope = format!("podm-sim/{}/{}/{name}", self.seed, self.podm);
        Uuid::new_v5(&Uuid::NAMESPACE_URL, scope.as_bytes())
    }

    /// A serial number of anything that has a name of its own.
    pub(super) fn serial(&self, name: &str) -> String {
        self.uuid(name).simple().to_string()[..12].to_uppercase()
    }

    /// A locally administered MAC address.
    pub(super) fn mac(&self, name: &str) -> String {
        let uuid = self.uuid(name);
        let b = uuid.as_bytes();
        format!("02:{:02X}:{:02X}:{:02X}:{:02X}:{:02X}", b[0], b[1], b[2], b[3], b[4])
    }
}

impl Profile {
    /// All cores of the machine.
    pub(super) fn total_cores(&self) -> u64 {
        self.sockets * self.cores
    }

    /// All memory of the machine.
    pub(super) fn total_mib(&self) -> u64 {
        self.dimms * self.dimm_mib
    }
}

impl Place {
    /// The id of the chassis.
    pub(super) fn id(self) -> String {
        match self {
            Self::Pod => "Pod1".to_owned(),
            Self::Rack(n) => format!("Rack{n}"),
            Self::Drawer(n) => format!("Drawer{n}"),
            Self::Sled(n) => format!("Sled{n}"),
        }
    }

    /// Its path.
    pub(super) fn path(self) -> String {
        format!("/redfish/v1/Chassis/{}", self.id())
    }
}

/// The number after a prefix, when it is written plainly and within 1..=`last`.
pub(super) fn numbered(id: &str, prefix: &str, last: usize) -> Option<usize> {
    let number = id.strip_prefix(prefix)?;
    let n: usize = number.parse().ok()?;
    (n >= 1 && n <= last && n.to_string() == number).then_some(n)
}
