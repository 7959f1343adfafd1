//! The assembly of a node that is composed: asked for where the Pod Manager wants to be, and waited for everywhere.

use super::Saga;
use crate::model::problem::Problem;
use crate::podm::NodeView;
use crate::service::Verdict;
use crate::service::hardware::{self, Patience};

/// How long a node may show as `Allocated` after its Assemble was accepted, before Assemble is sent again, ms.
const ASSEMBLE_SHOWS_MS: u64 = 30_000;

impl Saga<'_> {
    /// Sees to it that the node is assembled.
    pub(super) async fn assemble(&mut self, node: &str) -> Result<NodeView, Verdict> {
        let mut patience = Patience::since(self.saved.assembled_ms.unwrap_or_else(|| self.ctx.now_ms()));
        loop {
            let Some(view) = self.driver.node(node).await.map_err(|e| self.verdict(&e))? else {
                self.ctx.checkpoint(&self.nothing_asked()).await?;
                let detail = format!("the node {node} vanished while it was composed");
                return Err(Verdict::retry(Problem::conflict(detail)));
            };
            match view.state.as_deref() {
                Some("Assembled") => return Ok(view),
                Some("Failed") => {
                    let detail = format!("the Pod Manager could not assemble the node {node}: its state is Failed");
                    return Err(Verdict::fail(Problem::bad_gateway(detail)));
                }
                Some("Allocated") if self.must_ask() => self.ask_to_assemble(node).await?,
                Some("Allocated" | "Allocating" | "Assembling") => {}
                other => {
                    let detail = format!("the node {node} is in no state that is known: {other:?}");
                    return Err(Verdict::fail(Problem::bad_gateway(detail)));
                }
            }
            patience.wait(self.ctx, None, "waiting for the Pod Manager to assemble the node").await?;
        }
    }

    fn must_ask(&self) -> bool {
        let now = self.ctx.now_ms();
        self.saved.assembled_ms.is_none_or(|at| now.saturating_sub(at) > ASSEMBLE_SHOWS_MS)
    }

    async fn ask_to_assemble(&mut self, node: &str) -> Result<(), Verdict> {
        self.ctx.progress(40, "assembling", node).await;
        let call = self.driver.assemble(node);
        let answer = hardware::change(self.ctx, &self.saved, Some(&self.saved), call).await?;
        match answer {
            // A monitor is not needed: the node's own state tells.
            Ok(_) => {
                self.saved.assembled_ms = Some(self.ctx.now_ms());
                self.ctx.checkpoint(&self.saved).await
            }
            Err(error) if error.status() == Some(409) => {
                // Only an allocated node can be assembled: an earlier request may have begun it.
                let now = self.driver.node(node).await.map_err(|e| self.verdict(&e))?;
                match now.and_then(|n| n.state).as_deref() {
                    Some("Assembling" | "Assembled") => Ok(()),
                    _ => Err(self.verdict(&error)),
                }
            }
            Err(error) => Err(self.verdict(&error)),
        }
    }
}
