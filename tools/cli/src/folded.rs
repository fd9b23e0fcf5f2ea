//! A stream of JSON and what its events come to.

use std::path::Path;

use annals::fold::{JsonFold, JsonState};
use annals::{Error, Event, Read, Version, View, limits};
use serde::Serialize;
use serde_json::Value;

use crate::failure::{Exit, Failure};
use crate::humane::{counted, plain};
use crate::messages;
use crate::missing::no_stream;
use crate::output::{self, Output};
use crate::point::Point;
use crate::reading::Reading;

/// How events come to a state.
#[derive(Debug, clap::Args)]
pub(crate) struct FoldArgs {
    /// How the events come to a state
    #[arg(long, value_name = "FOLD", default_value = "merge")]
    fold: FoldName,
    /// Pass over events whose data is not JSON, and say so
    #[arg(long)]
    pass_over: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FoldName {
    /// Each event's data is a merge patch (RFC 7396) of the state: members are replaced one by one,
    /// null removes one
    Merge,
    /// The newest data of each type, under the type's name
    LastByType,
    /// The number of events of each type
    Count,
}

/// How a state is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StateFormat {
    /// For people
    Text,
    /// One JSON object, for programs
    #[value(alias = "jsonl")]
    Json,
}

/// The `--format` of a verb that shows states.
#[derive(Debug, clap::Args)]
pub(crate) struct StateFormatArg {
    /// How to write it [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    format: Option<StateFormat>,
}

impl StateFormatArg {
    pub(crate) fn get(&self) -> StateFormat {
        let usual = if output::is_terminal() { StateFormat::Text } else { StateFormat::Json };
        self.format.unwrap_or(usual)
    }
}

/// A stream in a view, while it is folded.
#[derive(Debug)]
pub(crate) struct Folded<'a> {
    reading: Reading,
    view: View,
    stream: &'a str,
    /// Its version in the view; none where damage hides it.
    last: Option<Version>,
    fold: JsonFold,
    pass_over: bool,
    passed_over: u64,
    state: JsonState,
}

/// A state as JSON.
#[derive(Serialize)]
pub(crate) struct StateLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    version: u64,
    position: u64,
    recorded_at: Option<String>,
    state: &'a Value,
}

impl<'a> Folded<'a> {
    /// The stream, which must be there, in what `view` shows of the store.
    pub(crate) fn open(
        folder: &Path,
        stream: &'a str,
        args: &FoldArgs,
        view: impl FnOnce(&Reading) -> Result<View, Failure>,
    ) -> Result<Self, Failure> {
        limits::check_stream_name(stream).map_err(|invalid| Failure::usage(invalid.to_string()))?;
        let mut reading = Reading::open(folder)?;
        let view = view(&reading)?;
        let last = match view.version(stream) {
            Ok(Version::NONE) => return Err(no_stream(reading, &view, stream)),
            Ok(version) => Some(version),
            Err(error) => {
                reading.take(&error)?;
                None
            }
        };
        let fold = match args.fold {
            FoldName::Merge => JsonFold::Merge,
            FoldName::LastByType => JsonFold::LastByType,
            FoldName::Count => JsonFold::Count,
        };
        let (pass_over, state) = (args.pass_over, JsonState::before(fold));
        Ok(Self { reading, view, stream, last, fold, pass_over, passed_over: 0, state })
    }

    /// The version at a point; that of the view where none is given.
    pub(crate) fn version_at(&self, flag: &str, point: Option<Point>) -> Result<Version, Failure> {
        let last = self.last.unwrap_or(Version::MAX);
        match point {
            Some(point) => point.version(flag, &self.view, self.stream, last),
            None => Ok(last),
        }
    }

    /// Folds in the events behind the state up to the version `to`, and shows each with the state
    /// behind it.
    pub(crate) fn fold_to(
        &mut self,
        to: Version,
        mut show: impl FnMut(&Event, &JsonState) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let read = Read::stream(self.stream).from_version(self.state.version.plus(1));
        for event in self.view.read(read) {
            let event = match event {
                Ok(event) if event.version() > to => break,
                Ok(event) => event,
                Err(error) => {
                    self.reading.take(&error)?;
                    continue;
                }
            };
            if let Err(fault) = self.state.apply(self.fold, &event) {
                if !self.pass_over {
                    let failure = self.reading.failed(&Error::from(fault));
                    return Err(failure.also("--pass-over goes on without such events"));
                }
                self.passed_over += 1;
                messages::note(format_args!("passed over: {fault}"));
            }
            show(&event, &self.state)?;
        }
        Ok(())
    }

    pub(crate) fn state(&self) -> &JsonState {
        &self.state
    }

    /// Says where there was no event yet.
    pub(crate) fn say_empty(&self, flag: &str) -> Result<(), Failure> {
        if self.state.version == Version::NONE
            && let Some(Ok(first)) = self.view.read(Read::stream(self.stream).limit(1)).next()
        {
            messages::note(format_args!(
                "{flag} lies before the first event of {:?}, which was recorded at {}",
                self.stream,
                first.recorded_at()
            ));
        }
        Ok(())
    }

    /// How it went.
    pub(crate) fn finish(self) -> Result<Exit, Failure> {
        if self.passed_over > 0 {
            let passed_over = counted(self.passed_over, "event");
            messages::note(format_args!("{passed_over} passed over, whose data is not JSON"));
        }
        self.reading.finish()
    }
}

impl<'a> StateLine<'a> {
    pub(crate) fn new(stream: Option<&'a str>, state: &'a JsonState) -> Self {
        Self {
            stream,
            version: state.version.get(),
            position: state.position.get(),
            recorded_at: state.recorded_at.map(|moment| moment.to_string()),
            state: &state.value,
        }
    }
}

/// Where a state stands, in words.
pub(crate) fn spot(state: &JsonState) -> String {
    let JsonState { version, position, recorded_at, .. } = state;
    match recorded_at {
        Some(moment) => format!("version {version}, position {position}, recorded at {moment}"),
        None => "version 0, before the first event".to_owned(),
    }
}

/// Writes a value over several lines, for people.
pub(crate) fn put_value(out: &mut Output, value: &Value) -> Result<(), Failure> {
    // `#` indents it.
    format!("{value:#}").lines().try_for_each(|line| out.line(&plain(line)))
}
