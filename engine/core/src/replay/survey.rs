//! Many aggregates at once: questions to the whole store.

use annals_env::sync::Mutex;
use annals_env::sync::atomic::{AtomicBool, Ordering};
use annals_env::threads;
use annals_types::category;

use super::aggregate::{Aggregate, Loaded};
use super::aggregates::Aggregates;
use super::picture::picture;
use crate::EventReader;
use crate::error::Result;

/// Which streams are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of this category (see [`category`]).
    Category(String),
    /// All whose name begins so; with an empty text, all.
    Prefix(String),
    /// These.
    Streams(Vec<String>),
}

impl Selection {
    /// All streams of a category, such as `order`.
    #[must_use]
    pub fn category(name: impl Into<String>) -> Self {
        Self::Category(name.into())
    }

    fn names<'a>(
        &'a self,
        picture: &dyn EventReader,
    ) -> Box<dyn Iterator<Item = Result<String>> + Send + 'a> {
        let listed = |prefix: &str| picture.streams(prefix).map(|one| one.map(|one| one.name));
        match self {
            Self::Streams(names) => Box::new(names.iter().cloned().map(Ok)),
            Self::Prefix(prefix) => Box::new(listed(prefix)),
            Self::Category(wanted) => {
                Box::new(listed(wanted).filter(move |name| {
                    name.as_ref().map_or(true, |name| category(name) == wanted)
                }))
            }
        }
    }
}

/// Dropped before its thread is done, it stops the others.
struct StopOthers<'a>(&'a AtomicBool);

impl Drop for StopOthers<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<A: Aggregate, R: EventReader> Aggregates<A, R> {
    /// Loads all aggregates that are selected, as they are at one moment, and folds them: on each of
    /// several threads into a result of its own that begins as `start` says. Gives these results;
    /// their order, and which aggregates went into which, is not told. Only what `fold` keeps stays
    /// in memory.
    ///
    /// Of the past, on [`Aggregates::as_of`]:
    ///
    /// ```
    /// # use annals::{Aggregate, Aggregates, Applied, Event, Store, Selection};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Order { cents: u64 }
    /// # #[derive(Serialize, Deserialize)]
    /// # enum OrderEvent { Placed { cents: u64 } }
    /// # impl Aggregate for Order {
    /// #     type Event = OrderEvent;
    /// #     const NAME: &'static str = "order";
    /// #     fn apply(&mut self, OrderEvent::Placed { cents }: OrderEvent, _: &Event) -> Applied {
    /// #         self.cents += cents;
    /// #         Ok(())
    /// #     }
    /// # }
    /// let store = Store::in_memory()?;
    /// let orders = Aggregates::<Order>::new(store.clone());
    /// let place = |stream: &str| {
    ///     orders.execute(stream, |_| Ok::<_, annals::Error>(vec![OrderEvent::Placed { cents: 5 }]))
    /// };
    /// place("order-1")?;
    /// place("order-2")?;
    /// let noon = store.position();
    /// place("order-3")?;
    ///
    /// let sums = orders.as_of(noon)?.fold_all(&Selection::category("order"), || 0, |sum, order| {
    ///     *sum += order.state.cents;
    ///     Ok(())
    /// })?;
    /// assert_eq!(sums.iter().sum::<u64>(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first one that loading or `fold` gives; the other threads then stop too.
    pub fn fold_all<T: Send>(
        &self,
        selection: &Selection,
        start: impl Fn() -> T + Sync,
        fold: impl Fn(&mut T, Loaded<A>) -> Result<()> + Sync,
    ) -> Result<Vec<T>> {
        let picture = picture(&self.reader)?;
        let names = Mutex::new(selection.names(&*picture));
        let failed = AtomicBool::new(false);
        let work = || {
            // Also where the caller's code panics.
            let stopping = StopOthers(&failed);
            let mut result = start();
            while !failed.load(Ordering::Relaxed) {
                let next = names.lock().next();
                let Some(name) = next else { break };
                let folded = name
                    .and_then(|name| self.load_now(&*picture, &name))
                    .and_then(|loaded| fold(&mut result, loaded));
                folded?;
            }
            std::mem::forget(stopping);
            Ok(result)
        };
        threads::run(threads::available(), work).into_iter().collect()
    }
}
