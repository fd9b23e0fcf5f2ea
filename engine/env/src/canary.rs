//! Faults planted in the engine, to see that the simulation finds them. This module, and each line
//! that asks it, is compiled only under `--cfg annals_canary`.

use std::cell::Cell;

thread_local! {
    static PLANTED: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Plants a fault for what this thread does from now on, or none.
pub fn plant(name: Option<&'static str>) {
    PLANTED.set(name);
}

/// Whether the fault of this name is planted.
#[must_use]
pub fn is(name: &str) -> bool {
    PLANTED.get() == Some(name)
}
