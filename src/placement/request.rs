//! What is to be placed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::flavor::Requirements;
use crate::model::placement::Hints;

/// A node to place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Cores wanted, in total; 0: any.
    pub cores: f64,
    /// Memory wanted, MiB; 0: any.
    pub memory_mib: f64,
    /// A part of the processor model's name, in lower case; empty: any.
    pub model: String,
    /// Whether PCI devices are wanted.
    pub devices: bool,
    /// Where it should be.
    pub hints: Hints,
    /// Pod Managers that could not do it.
    pub excluded: BTreeSet<String>,
    /// Decides between equals.
    #[serde(skip)]
    pub seed: u64,
}

impl Request {
    /// A request of v1's requirements, whose numbers are texts.
    ///
    /// # Errors
    /// Which number is none.
    pub fn new(wanted: &Requirements, hints: Hints) -> Result<Self, String> {
        let number = |what: &str, text: Option<&String>| match text.map(|t| t.trim()).filter(|t| !t.is_empty()) {
            None => Ok(0.0),
            Some(text) => match text.parse::<f64>() {
                Ok(n) if n.is_finite() && n >= 0.0 => Ok(n),
                _ => Err(format!("{what} '{}' is not a number", text.chars().take(100).collect::<String>())),
            },
        };
        let (memory, processor) = (wanted.memory.as_ref(), wanted.processor.as_ref());
        Ok(Self {
            memory_mib: number("memory.capacity_mib", memory.and_then(|m| m.capacity_mib.as_ref()))?,
            cores: number("processor.total_cores", processor.and_then(|p| p.total_cores.as_ref()))?,
            model: processor.and_then(|p| p.model.as_deref()).unwrap_or_default().trim().to_lowercase(),
            devices: wanted.pci_device.as_ref().and_then(|d| d.kind.as_ref()).is_some_and(|kinds| !kinds.is_empty()),
            hints,
            ..Self::default()
        })
    }
}
