//! Which events are wanted, by what they say of themselves.

use annals::{EventId, Query, QueryItem};

use crate::failure::Failure;

/// The filters of a verb: one item of a query, in which everything holds together.
#[derive(Debug, clap::Args)]
pub(crate) struct FilterArgs {
    /// Only events of streams of this category, what stands before the first `-` of their names
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// Only events of this type; of one of them where it is given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only events with this tag; with all of them where it is given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only events that belong to this, their correlation_id
    #[arg(long, value_name = "UUID", alias = "correlation-id")]
    correlation: Option<EventId>,
    /// Only events that this one caused, their causation_id
    #[arg(long, value_name = "UUID", alias = "causation-id")]
    causation: Option<EventId>,
}

impl FilterArgs {
    /// The query; `None` where every event is wanted.
    pub(crate) fn query(&self) -> Result<Option<Query>, Failure> {
        let mut item = QueryItem::new().event_types(&self.types).tags(&self.tags);
        if let Some(category) = &self.category {
            item = item.category(category);
        }
        if let Some(id) = self.correlation {
            item = item.correlation_id(id);
        }
        if let Some(id) = self.causation {
            item = item.causation_id(id);
        }
        if item == QueryItem::new() {
            return Ok(None);
        }
        let query = Query::from(item);
        query.check().map_err(|invalid| Failure::usage(invalid.to_string()))?;
        Ok(Some(query))
    }
}
