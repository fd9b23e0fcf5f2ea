//! Figures as a Markdown table.

use serde_json::Value;

/// Prints the head of a table; figures will stand to the right.
pub fn head(cells: &[impl AsRef<str>]) {
    row(cells);
    let aligned = (0..cells.len()).map(|at| if at == 0 { "---" } else { "---:" });
    row(&aligned.collect::<Vec<_>>());
}

/// Prints a row.
pub fn row(cells: &[impl AsRef<str>]) {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    println!("| {} |", cells.join(" | "));
}

/// Writes the figures to a file, where one is named.
pub fn save(file: Option<String>, figures: &Value) {
    if let Some(file) = file {
        std::fs::write(file, format!("{figures:#}\n")).unwrap();
    }
}

/// A number in about three digits, with thousands set off.
#[must_use]
pub fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        size if size < 1.0 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if decimals > 0 {
        return text;
    }
    let mut out = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
