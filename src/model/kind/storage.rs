//! Kinds of the storage service: pooled devices and volumes.

use super::Kind;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[];
