//! Protections that a test build can be told to go without, so that the fault tests are seen to fail: `make control`.
//!
//! Only with the feature `unsafe-controls`, with which the Makefile builds tests and nothing else, and one at a time, named by
//! `VALENCE_WITHOUT`: `claim-check`, `entry-check`, `burnt-token`, `circuit`, `drain`, `retry-budget` (checks of the scripts), `adoption`
//! (looking for a node's tag before asking for a node) or `quarantine` (waiting until a late request is over). Else nothing here is compiled in.

/// Whether this protection is left out.
#[must_use]
pub fn is_off(protection: &str) -> bool {
    cfg!(feature = "unsafe-controls") && std::env::var("VALENCE_WITHOUT").is_ok_and(|off| off == protection)
}
