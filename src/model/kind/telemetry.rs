//! Kinds of the telemetry service: readings and subscriptions.

use super::Kind;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[];
