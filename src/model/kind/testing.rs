//! Kinds of the tests, there only with `--enable-test-kinds`.

use super::read::check;
use super::schema::schema;
use super::{Kind, RESULT_BYTES, kind, sync};
use crate::model::params;
use crate::model::topic::Topic;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        test_only: true,
        result_bytes: RESULT_BYTES,
        check: check::<params::Noop>,
        schema: schema::<params::Noop>,
        ..kind("noop", Topic::Compute, "Does nothing; for load tests")
    },
    Kind {
        test_only: true,
        result_bytes: RESULT_BYTES,
        check: check::<params::Sleep>,
        schema: schema::<params::Sleep>,
        ..kind("sleep", Topic::Compute, "Works for a while, in steps; for fault tests")
    },
    Kind { test_only: true, ..sync("echo", Topic::Compute, "Answers at once; for load tests") },
];
