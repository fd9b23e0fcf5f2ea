//! A filter as stretches of the ordered names.

use annals_types::category;

use crate::StreamFilter;

/// Names that stand together in the order: one name, or all that begin with it.
pub(crate) struct Span {
    name: String,
    alone: bool,
}

impl Span {
    /// The stretches of a filter, in order and apart from each other.
    ///
    /// Those of a category are two: `order!` stands between `order` and `order-1`.
    pub(crate) fn of(filter: &StreamFilter) -> Vec<Self> {
        match filter {
            StreamFilter::All => vec![Self { name: String::new(), alone: false }],
            StreamFilter::Prefix(prefix) => vec![Self { name: prefix.clone(), alone: false }],
            // A text with a `-` is nobody's category.
            StreamFilter::Category(name) if category(name) != name => Vec::new(),
            StreamFilter::Category(name) => vec![
                Self { name: name.clone(), alone: true },
                Self { name: format!("{name}-"), alone: false },
            ],
        }
    }

    /// A name that does not stand behind any name in it that comes behind `after`.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn begin<'a>(&'a self, after: Option<&'a str>) -> &'a str {
        after.map_or(&self.name, |after| after.max(&self.name))
    }

    /// Whether `name` stands before everything in it that comes behind `after`.
    pub(crate) fn is_before(&self, name: &str, after: Option<&str>) -> bool {
        name < self.name.as_str() || after.is_some_and(|after| name <= after)
    }

    /// Whether `name`, which does not stand before it, belongs to it.
    pub(crate) fn has(&self, name: &str) -> bool {
        if self.alone { name == self.name } else { name.starts_with(&self.name) }
    }
}
