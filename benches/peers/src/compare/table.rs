//! How rows are shown: as a Markdown table that grows with them, and as JSON.

use annals_benches::turns::Spread;
use serde_json::{Value, json};

use super::{Figure, Options, Row};
use crate::engines::PEERS;

/// The head of the table: the limit, Annals, then the others as parts of the limit.
#[must_use]
pub fn head(options: &Options) -> String {
    let others: String =
        options.engines.iter().skip(1).map(|kind| format!(" {} |", kind.name)).collect();
    let first = options.engines.first().map_or("–", |kind| kind.name);
    let columns = 9 + options.engines.len().saturating_sub(1);
    format!(
        "| row | unit | limit | {first} | of the limit (least – most) | floor | met | best peer | \
        {first} beside it |{others}\n| --- | --- |{}",
        " ---: |".repeat(columns - 2)
    )
}

/// A line of the table.
#[must_use]
pub fn line(row: &Row) -> String {
    let limit = row.limit.map_or_else(dash, |limit| number(limit.median));
    let figure = |at: usize| row.figures.get(at).and_then(|(_, figure)| figure.as_ref().ok());
    let first = figure(0);
    let value = first.map_or_else(dash, |figure| number(figure.value.median));
    let ratio = first.and_then(|figure| figure.ratio);
    let ratio = ratio.map_or_else(dash, |ratio| ratio.to_string());
    let floor = row.floor.map_or_else(String::new, |floor| floor.to_string());
    let met = row.floor.and_then(|floor| floor.is_met(row));
    let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
    let best = best_peer(row);
    let peer = best.map_or_else(dash, |(name, _)| name.to_owned());
    let beside = best.zip(first).map_or_else(dash, |((_, best), first)| {
        let (first, best) = (first.value.median, best.value.median);
        format!("{:.2}", if row.unit.is_rate() { first / best } else { best / first })
    });
    let others: String = row.figures.iter().skip(1).map(|(_, figure)| other(figure)).collect();
    let (name, unit) = (&row.name, row.unit.label());
    format!(
        "| {name} | {unit} | {limit} | {value} | {ratio} | {floor} | {met} | {peer} | {beside} |\
        {others}"
    )
}

/// What stands under the table.
#[must_use]
pub fn notes(options: &Options, rows: &[Row]) -> String {
    let mut notes = String::from(
        "Times and sizes are better the smaller they are; \"beside it\" is how many times better \
        than the best peer. Figures are medians; engines on the right are in parts of the limit, or \
        in the row's unit where there is none.\n",
    );
    for kind in &options.engines {
        let mut reasons: Vec<&str> = Vec::new();
        for (_, figure) in
            rows.iter().flat_map(|row| &row.figures).filter(|(name, _)| *name == kind.name)
        {
            if let Err(reason) = figure
                && !reasons.contains(reason)
            {
                reasons.push(reason);
            }
        }
        for reason in reasons {
            notes += &format!("- {} –: {reason}\n", kind.name);
        }
    }
    notes
}

/// All of it.
#[must_use]
pub fn json(about: &str, options: &Options, rows: &[Row]) -> Value {
    let engine = |(name, figure): &(&str, Result<Figure, &str>)| match figure {
        Ok(figure) => {
            json!({"engine": name, "value": spread(figure.value), "ratio": figure.ratio.map(spread)})
        }
        Err(reason) => json!({"engine": name, "cannot": reason}),
    };
    let row = |row: &Row| {
        json!({
            "row": row.name,
            "unit": row.unit.label(),
            "limit": row.limit.map(spread),
            "floor": row.floor.map(|floor| floor.to_string()),
            "met": row.floor.and_then(|floor| floor.is_met(row)),
            "best_peer": best_peer(row).map(|(name, _)| name),
            "engines": row.figures.iter().map(engine).collect::<Vec<_>>(),
        })
    };
    json!({
        "about": about,
        "events": options.events,
        "rounds": options.rounds,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn spread(spread: Spread) -> Value {
    json!({"least": spread.least, "median": spread.median, "most": spread.most})
}

fn best_peer(row: &Row) -> Option<(&'static str, Figure)> {
    let is_peer = |name: &str| PEERS.iter().any(|kind| kind.name == name);
    let figures = row.figures.iter().filter(|(name, _)| is_peer(name));
    let figures = figures.filter_map(|(name, figure)| Some((*name, figure.ok()?)));
    let better = |one: &(&str, Figure), other: &(&str, Figure)| {
        let order = one.1.value.median.total_cmp(&other.1.value.median);
        if row.unit.is_rate() { order } else { order.reverse() }
    };
    figures.max_by(better)
}

fn other(figure: &Result<Figure, &str>) -> String {
    match figure {
        Ok(Figure { ratio: Some(ratio), .. }) if ratio.median < 0.1 => {
            format!(" {:.3} |", ratio.median)
        }
        Ok(Figure { ratio: Some(ratio), .. }) => format!(" {:.2} |", ratio.median),
        Ok(Figure { value, .. }) => format!(" {} |", number(value.median)),
        Err(_) => " – |".to_owned(),
    }
}

fn dash() -> String {
    "–".to_owned()
}

/// With three digits that count.
fn number(value: f64) -> String {
    match value {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
