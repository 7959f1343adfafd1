//! Recorded trees, where they are at hand.

use std::path::{Path, PathBuf};

/// The folder with all of them; a test that needs it says so where it is missing.
pub fn fixtures() -> Option<PathBuf> {
    let named = std::env::var_os("VALENCE_FIXTURES").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let found = named.or(Some(beside)).filter(|p| p.is_dir());
    if found.is_none() {
        println!("skipped: no recorded trees (VALENCE_FIXTURES)");
    }
    found
}

/// Every Rack Scale tree.
pub fn rack_scale() -> Vec<PathBuf> {
    let Some(fixtures) = fixtures() else { return Vec::new() };
    let mut trees = vec![fixtures.join("rsd-1.2.1-podm-valence-simulator"), fixtures.join("rsd-2.x-podm-rsd-lib/tree")];
    let simulators = std::fs::read_dir(fixtures.join("rsd-2.x-intel-simulators")).unwrap();
    trees.extend(simulators.map(|e| e.unwrap().path()).filter(|p| p.is_dir()));
    trees
}
