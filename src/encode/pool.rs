//! Encoders with buffers of their own, for as many threads as use one.

use std::sync::{Mutex, PoisonError};

pub(super) struct Pool<T> {
    model: T,
    idle: Mutex<Vec<T>>,
}

impl<T: Clone> Pool<T> {
    pub(super) fn new(model: T) -> Self {
        Self { model, idle: Mutex::default() }
    }

    /// Calls `work` with one that no other thread uses meanwhile.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut one = idle.unwrap_or_else(|| self.model.clone());
        let result = work(&mut one);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        result
    }
}
