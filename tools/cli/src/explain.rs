//! `annals events --explain`: how the events would be found.

use annals::{Access, Plan};
use serde::Serialize;

use crate::failure::Failure;
use crate::format::Format;
use crate::output::Output;

/// A plan as a line of JSON.
#[derive(Serialize)]
struct PlanLine<'a> {
    access: &'static str,
    from: u64,
    to: u64,
    matches: u64,
    postings: Vec<List<'a>>,
}

#[derive(Serialize)]
struct List<'a> {
    list: &'a str,
    events: u64,
}

pub(crate) fn print(plan: &Plan, format: Format) -> Result<(), Failure> {
    let mut out = Output::new();
    match format {
        Format::Table => out.line(&plan.to_string())?,
        Format::Jsonl => out.json(&PlanLine {
            access: match plan.access {
                Access::Scan => "scan",
                Access::Stream => "stream",
                Access::Postings => "postings",
                Access::Nothing => "nothing",
                _ => "other",
            },
            from: plan.from.get(),
            to: plan.to.get(),
            matches: plan.matches,
            postings: plan
                .postings
                .iter()
                .map(|(list, events)| List { list, events: *events })
                .collect(),
        })?,
    }
    out.flush()
}
