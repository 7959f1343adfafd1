//! Storages and their volumes. There are no pooled devices: what a node has is chosen with its blocks.

use std::collections::HashSet;

use super::Redfish;
use crate::podm::driver::storage::{DeviceView, StorageDriver, Storages};
use crate::podm::driver::{Begun, Call};

impl StorageDriver for Redfish {
    fn devices(&self) -> Call<'_, Vec<DeviceView>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
    fn choose<'a>(&'a self, _kinds: &'a [String], _taken: &'a HashSet<String>) -> Call<'a, Vec<String>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
    fn device<'a>(&'a self, _device: &'a str) -> Call<'a, Option<DeviceView>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    fn attach<'a>(&'a self, _node: &'a str, _device: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(std::future::ready(Err(self.refusal(400, "this Pod Manager has no pooled devices".into()))))
    }
    fn detach<'a>(&'a self, _node: &'a str, _device: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(std::future::ready(Err(self.refusal(400, "this Pod Manager has no pooled devices".into()))))
    }
    fn storages(&self) -> Option<&dyn Storages> {
        Some(&self.0)
    }
}
