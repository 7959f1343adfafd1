//! Kinds of the network service: switches, ports, interfaces, VLANs.

use super::Kind;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[];
