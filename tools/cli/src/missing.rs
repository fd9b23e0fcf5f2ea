//! A stream that is not there: the failure, and which one was perhaps meant.

use annals::{Read, Streams, View, category};

use crate::failure::Failure;
use crate::humane::plain;
use crate::messages;
use crate::reading::Reading;

/// How many names are looked at to find one that was perhaps meant.
const NAMES_TRIED_MAX: usize = 50_000;
/// How many of them are named.
const NAMES_TOLD_MAX: usize = 3;
/// From this likeness on, 1 being equal, a name was perhaps meant.
const LIKENESS_MIN: f64 = 0.75;

/// The failure that the stream is not in the view, which may be one of the past.
pub(crate) fn no_stream(reading: Reading, view: &View, name: &str) -> Failure {
    let missing = failure(&reading, view, name);
    // On a damaged store both are worth saying: the damage may be what hides the stream.
    match reading.finish() {
        Ok(_) => missing,
        Err(damaged) => {
            messages::failure(&missing);
            damaged
        }
    }
}

fn failure(reading: &Reading, view: &View, name: &str) -> Failure {
    if let Some(Ok(first)) = reading.store().read(Read::stream(name).limit(1)).next() {
        return Failure::failed(format!("no stream {name:?} at position {}", view.position()))
            .hint(format!(
                "its first event is at position {}, recorded at {}",
                first.position(),
                first.recorded_at()
            ));
    }
    let failure = Failure::failed(format!("no stream {name:?}"));
    match similar(view, name).as_slice() {
        [] => failure.hint("`annals streams` lists all, `annals streams --prefix P` some"),
        names => failure.hint(format!("did you mean {}?", names.join(" or "))),
    }
}

/// The streams whose names are most like `name`, those of its category first.
fn similar(view: &View, name: &str) -> Vec<String> {
    let near = best(view.streams().category(category(name)), name);
    if near.is_empty() { best(view.streams(), name) } else { near }
}

fn best(streams: Streams, meant: &str) -> Vec<String> {
    let meant = meant.to_lowercase();
    let mut found: Vec<(f64, String)> = streams
        .map_while(|stream| Some(stream.ok()?.name))
        .take(NAMES_TRIED_MAX)
        .map(|name| (strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &meant), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.into_iter().take(NAMES_TOLD_MAX).map(|(_, name)| plain(&name).into_owned()).collect()
}
