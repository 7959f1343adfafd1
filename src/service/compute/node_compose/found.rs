//! Which node is this task's: the one that is remembered, that an answer or a monitor names, or that carries its tag.

use super::{Saga, Saved};
use crate::controls;
use crate::model::problem::Problem;
use crate::podm::{MonitorState, NodeView};
use crate::service::Verdict;
use crate::service::hardware::Patience;

impl Saga<'_> {
    /// A node of this task that is there already.
    pub(super) async fn find(&mut self) -> Result<Option<String>, Verdict> {
        if let Some(node) = &self.saved.node {
            return Ok(Some(node.clone()));
        }
        if self.saved.monitor.is_some() {
            return self.follow(None).await.map(Some);
        }
        if controls::is_off("adoption") {
            return Ok(None);
        }
        // Parts that were saved and not asked for may be another node's.
        let parts = if self.saved.asked { self.saved.parts.as_slice() } else { &[] };
        let found = self.driver.find(&self.ctx.tag(), parts).await.map_err(|e| self.verdict(&e))?;
        if let Some(node) = &found {
            tracing::info!(task_id = %self.ctx.id(), node = %node.path, "found by its tag");
        }
        Ok(found.map(|n| n.path))
    }

    /// The node that an answer names, unless that is something else: it would be assembled, and deleted by an undo.
    pub(super) async fn named(&mut self, node: String) -> Result<String, Verdict> {
        if !self.driver.makes_nodes() {
            return self.keep(node).await;
        }
        let view = self.driver.node(&node).await.map_err(|e| self.verdict(&e))?;
        // Not every Pod Manager keeps tags.
        let is_own = |view: &NodeView| view.composed && view.tag.as_ref().is_none_or(|tag| *tag == self.ctx.tag());
        if view.as_ref().is_some_and(is_own) { self.keep(node).await } else { self.by_tag_or_fail().await }
    }

    pub(super) async fn by_tag_or_fail(&mut self) -> Result<String, Verdict> {
        let found = self.driver.find(&self.ctx.tag(), &self.saved.parts).await.map_err(|e| self.verdict(&e))?;
        match found {
            Some(node) => self.keep(node.path).await,
            None => {
                let detail = "the Pod Manager said that it has allocated a node, and shows none";
                Err(Verdict::retry(Problem::bad_gateway(detail)))
            }
        }
    }

    /// Follows the task monitor of the Allocate to its end.
    pub(super) async fn follow(&mut self, first: Option<std::time::Duration>) -> Result<String, Verdict> {
        let mut patience = Patience::since(self.saved.asked_ms);
        let mut asked = first;
        loop {
            let Some(monitor) = self.saved.monitor.clone() else { return self.by_tag_or_fail().await };
            match self.driver.monitor(&monitor).await {
                Ok(MonitorState::Running { after }) => asked = after.or(asked),
                Ok(MonitorState::Ended { location: Some(node) }) => return self.named(node).await,
                // It may have ended well or badly: what is there tells.
                Ok(MonitorState::Ended { location: None } | MonitorState::Gone) => {
                    self.saved.monitor = None;
                    self.ctx.checkpoint(&self.saved).await?;
                    continue;
                }
                Err(error) if error.is_away() => return Err(self.verdict(&error)),
                Err(error) => {
                    // Monitors are met that fail while what they follow does not.
                    let found = self.driver.find(&self.ctx.tag(), &self.saved.parts).await;
                    if let Some(node) = found.map_err(|e| self.verdict(&e))? {
                        return self.keep(node.path).await;
                    }
                    self.saved = self.nothing_asked();
                    self.ctx.checkpoint(&self.saved).await?;
                    return Err(self.refused(&error));
                }
            }
            patience.wait(self.ctx, asked.take(), "waiting for the Pod Manager to allocate the node").await?;
        }
    }

    pub(super) async fn keep(&mut self, node: String) -> Result<String, Verdict> {
        if self.saved.node.as_ref() != Some(&node) {
            self.saved = Saved { asked: true, node: Some(node.clone()), monitor: None, ..self.saved.clone() };
            self.ctx.checkpoint(&self.saved).await?;
        }
        Ok(node)
    }
}
