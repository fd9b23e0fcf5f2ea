//! A progress bar on stderr, where a person looks at it.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is counted on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Events,
}

/// A bar, or nothing where stderr is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar over `total`; one that only turns where the total is not known.
    pub(crate) fn new(verb: &str, unit: Unit, total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let figures = match unit {
            Unit::Bytes => "{binary_bytes}/{binary_total_bytes}",
            Unit::Events => "{human_pos}/{human_len} events",
        };
        let template = match total {
            Some(_) => format!("{verb} [{{wide_bar}}] {figures} {{msg}}"),
            None => format!("{verb} {{spinner}} {{elapsed}} {{msg}}"),
        };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        if total.is_none() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar }
    }

    /// No bar at all.
    pub(crate) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    pub(crate) fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    /// So much is done, of so much in all.
    pub(crate) fn set(&self, done: u64, total: u64) {
        if self.bar.length() != Some(total) {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }

    /// So much is done.
    pub(crate) fn advance_to(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Words beside the bar.
    pub(crate) fn words(&self, text: String) {
        self.bar.set_message(text);
    }

    /// Runs `say` while the bar is out of the way.
    pub(crate) fn pause<T>(&self, say: impl FnOnce() -> T) -> T {
        self.bar.suspend(say)
    }
}

impl Drop for Progress {
    /// The bar goes; what remains is what was said.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
