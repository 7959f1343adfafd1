//! Exchanging what is sealed in records for the same under another key, without getting in the way of those who change them.

use super::each::each;
use super::records::Collection;
use super::{Store, StoreError, keys};

impl Store {
    /// Ids and rows of a collection, the rows as they are stored.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn raw_rows(&self, of: Collection) -> Result<Vec<(String, String)>, StoreError> {
        let ids = self.record_ids(of).await?;
        let mut all = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(500) {
            let mut pipe = redis::pipe();
            for id in chunk {
                pipe.cmd("HGET").arg(keys::record(of.as_str(), id)).arg("row");
            }
            // What cannot be read holds nothing that could be opened.
            let rows =
                each::<Option<String>>(&mut pipe, self.redis()).await?.into_iter().map(Result::unwrap_or_default);
            let there =
                chunk.iter().zip(rows).filter_map(|(id, row)| Some((id.clone(), row.filter(|r| !r.is_empty())?)));
            all.extend(there);
        }
        Ok(all)
    }

    /// Puts `new` in the place of a record's row when that is still `old`; says whether it was.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn swap_row(&self, of: Collection, id: &str, old: &str, new: &str) -> Result<bool, StoreError> {
        let mut call = self.scripts().swap.prepare_invoke();
        call.key(keys::record(of.as_str(), id)).arg(old).arg(new);
        let swapped: u8 = call.invoke_async(&mut self.redis().shared()).await?;
        if swapped == 1 {
            self.stamp(of).await?;
        }
        Ok(swapped == 1)
    }
}
