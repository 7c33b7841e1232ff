//! Memory for the parts of uploads, shared by the whole process.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes for which one permit stands: a semaphore counts in 32 bits, memory does not.
const UNIT: u64 = 64 * 1024;

/// Memory below which no part fits.
const LEAST: u64 = 8 * 1024 * 1024;

/// The memory in which uploads gather their parts. Clones share it; a process has one.
///
/// A part takes its whole share before its first byte and gives it back when it is sent. An upload asks for the next
/// share only when the part before it is on its way, and a part on its way needs no more memory: so whoever waits, waits
/// for parts that end by themselves, however little memory there is. Shares are given in the order of asking.
#[derive(Clone, Debug)]
pub struct UploadMemory {
    free: Arc<Semaphore>,
    total: u64,
}

impl UploadMemory {
    /// Memory of so many bytes, at least 8 MiB: one part of the usual size.
    pub fn new(bytes: u64) -> Self {
        let units = bytes.max(LEAST) / UNIT;
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permits = usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(permits)), total: u64::from(units) * UNIT }
    }

    /// All of it, in bytes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes that nobody holds now.
    pub fn free(&self) -> u64 {
        u64::try_from(self.free.available_permits()).unwrap_or(u64::MAX).saturating_mul(UNIT)
    }

    /// Waits for a share. `None`: there will never be so much.
    pub(crate) async fn share(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        if bytes > self.total {
            return None;
        }
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        // The semaphore is never closed.
        Arc::clone(&self.free).acquire_many_owned(units).await.ok()
    }
}

impl Default for UploadMemory {
    /// 256 MiB.
    fn default() -> Self {
        Self::new(256 * 1024 * 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_share_comes_back_and_what_never_fits_is_said_at_once() {
        let memory = UploadMemory::new(LEAST);
        assert!(memory.share(LEAST + 1).await.is_none());
        let share = memory.share(LEAST - 1).await.unwrap();
        assert_eq!(memory.free(), 0);
        drop(share);
        assert_eq!(memory.free(), memory.total());
    }
}
