//! A client of changes between which somebody else does something.

use super::*;
use futures_util::future::BoxFuture;
use std::sync::Mutex;

/// What somebody else does before or after a change, by its number from 1.
pub(super) type Hook = Box<dyn Fn(When, usize) -> BoxFuture<'static, ()> + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

/// Somebody else does something before or after the n-th change, from 1.
pub(super) struct Meddling {
    inner: ActClient,
    count: Mutex<usize>,
    hook: Hook,
}

impl Meddling {
    pub(super) fn new(inner: ActClient, hook: Hook) -> Self {
        Self {
            inner,
            count: Mutex::new(0),
            hook,
        }
    }
}

impl std::fmt::Debug for Meddling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Meddling").field(&self.inner).finish()
    }
}

#[async_trait]
impl Changer for Meddling {
    async fn change(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, ProviderError> {
        let nth = {
            let mut count = self.count.lock().unwrap();
            *count += 1;
            *count
        };
        (self.hook)(When::Before, nth).await;
        let answer = self.inner.change(method, path, content_type, body).await;
        (self.hook)(When::After, nth).await;
        answer
    }

    fn mode(&self) -> ActMode {
        self.inner.mode()
    }
}
