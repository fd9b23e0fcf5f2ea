//! Ctrl-C, told to a verb that ends in good order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Exit, Failure};

/// Whether Ctrl-C was pressed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    pressed: Arc<AtomicBool>,
}

impl Interrupt {
    /// Begins to listen; once in a process. `wake` is called when it is pressed.
    pub(crate) fn listen(wake: impl Fn() + Send + 'static) -> Result<Self, Failure> {
        let interrupt = Self::default();
        let pressed = Arc::clone(&interrupt.pressed);
        ctrlc::set_handler(move || {
            if pressed.swap(true, Ordering::SeqCst) {
                // Asked twice: go at once. Nothing acknowledged is lost by that either.
                std::process::exit(Exit::Interrupted as i32);
            }
            wake();
        })
        .map_err(|error| Failure::failed(format!("Ctrl-C cannot be listened to: {error}")))?;
        Ok(interrupt)
    }

    pub(crate) fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::SeqCst)
    }
}
