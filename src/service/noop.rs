//! `noop` and `echo`: the cheapest task and the cheapest read, for load tests.

use serde_json::Value;

use super::{Context, ReadContext, Verdict};
use crate::model::params::Noop;
use crate::model::problem::Problem;

/// Gives the payload back.
///
/// # Errors
/// When the parameters are not of the kind's shape.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    Ok(ctx.params::<Noop>()?.payload)
}

/// There is nothing to undo.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}

/// Gives the parameters back.
///
/// # Errors
/// None.
pub async fn echo(_ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    Ok(params)
}
