//! Snapshots: finding one to begin from, and making the next.

use std::panic::{AssertUnwindSafe, catch_unwind};

use annals_types::{Invalid, Place, Version, limits};

use super::aggregate::{Aggregate, Loaded};
use super::aggregates::Aggregates;
use super::codec::Encoded;
use super::picture::{after, picture};
use crate::error::Result;
use crate::{EventReader, EventStore, Events, KeptState, NewState, StateKey, StateRole};

/// How many kept states are looked through for one that is any good, and for those to give up.
const LOOKED_THROUGH_MAX: usize = 64;

/// When [`Aggregates::execute`] makes a snapshot, and which older ones stay for looking back.
///
/// One is due when so many events *and* so many times its own size in event data were replayed
/// since the last one: reading it then costs less than what it saves, and all snapshots of a stream
/// together take at most a quarter of the room of its events' data (with the default).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshots {
    events: Option<u64>,
    times: u32,
    keep: Keep,
}

/// Which snapshots stay when a new one is made. The newest is the one that was made last: of two
/// decisions at the same time that can be the one of the lower version, which costs time and nothing
/// else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// All: the fastest way back to any version.
    #[default]
    All,
    /// The newest, and of the older ones one in so many versions.
    Spaced(u64),
    /// So many of the newest; one at least, and [`Keep::LAST_MAX`] at the most.
    Last(usize),
}

impl Snapshots {
    /// Default of [`Snapshots::every`].
    pub const EVENTS_DEFAULT: u64 = 100;
    /// Default of [`Snapshots::times_its_size`].
    pub const TIMES_DEFAULT: u32 = 4;

    /// Only those that [`Aggregates::snapshot`] makes.
    #[must_use]
    pub fn by_hand() -> Self {
        Self { events: None, ..Self::default() }
    }

    /// Due when at least so many events were replayed since the last one.
    #[must_use]
    pub fn every(mut self, events: u64) -> Self {
        self.events = Some(events);
        self
    }

    /// Due when the data of the events replayed since the last one is so many times as large.
    #[must_use]
    pub fn times_its_size(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Which ones stay. Default: [`Keep::All`].
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// How large a snapshot may be in bytes to be due now; `None` where none is.
    fn due<A>(self, loaded: &Loaded<A>) -> Option<usize> {
        let most = match self.times {
            0 => u64::MAX,
            times => loaded.replayed.bytes / u64::from(times),
        };
        let due = loaded.faults.is_empty() && loaded.replayed.events >= self.events?;
        due.then(|| usize::try_from(most).unwrap_or(usize::MAX).min(limits::STATE_BYTES_MAX))
    }
}

impl Default for Snapshots {
    fn default() -> Self {
        let (events, times) = (Some(Self::EVENTS_DEFAULT), Self::TIMES_DEFAULT);
        Self { events, times, keep: Keep::default() }
    }
}

impl Keep {
    /// Most of [`Keep::Last`]: that many are looked through for each new one.
    pub const LAST_MAX: usize = LOOKED_THROUGH_MAX - 1;

    /// Whether `this` stays behind so many newer ones, with `older` as the next one before it.
    fn stays(self, this: &NewState, older: Option<&NewState>, newer: usize) -> bool {
        match self {
            Self::All => true,
            Self::Last(count) => newer < count.min(Self::LAST_MAX),
            // The first one of its window stays.
            Self::Spaced(versions) => {
                let window = |state: &NewState| state.version.get() / versions.max(1);
                older.is_none_or(|older| window(older) != window(this))
            }
        }
    }
}

pub(super) fn key<A: Aggregate>(stream: &str) -> StateKey {
    StateKey { role: StateRole::Snapshot, name: stream.to_owned(), fold: A::NAME.to_owned() }
}

impl<A: Aggregate, R: EventReader> Aggregates<A, R> {
    /// The state to begin from in order to come to `version`, looked for in front of `before` or from
    /// the newest on, and the events behind it.
    pub(super) fn begin(
        &self,
        picture: &dyn EventReader,
        stream: &str,
        version: Version,
        mut before: Option<Place>,
    ) -> Result<(Loaded<A>, Events)> {
        let mut loaded = Loaded::empty(stream);
        if version == Version::NONE {
            let rest = picture.read(after(stream, version));
            return Ok((loaded, rest));
        }
        let key = key::<A>(stream);
        for _ in 0..LOOKED_THROUGH_MAX {
            let Some(kept) = picture.kept_state(&key, before)? else { break };
            before = Some(kept.place);
            let state = &kept.state;
            #[cfg(annals_canary)]
            let version = match annals_env::canary::is("a snapshot of any version will do") {
                true => state.version,
                false => version,
            };
            if state.schema != A::SCHEMA || state.version > version {
                continue;
            }
            let rest = rest_behind(picture, stream, &kept)?;
            match (rest, self.decode(&kept)) {
                (Some(rest), Ok(found)) => {
                    loaded.state = found;
                    (loaded.version, loaded.folded) = (state.version, state.version);
                    loaded.position = state.checkpoint.position;
                    loaded.replayed.snapshot = Some(state.version);
                    return Ok((loaded, rest));
                }
                _ => loaded.unusable.push(kept.place),
            }
        }
        let rest = picture.read(after(stream, Version::NONE));
        Ok((loaded, rest))
    }

    /// The state that is kept, or why there is none in it.
    pub(super) fn decode(&self, kept: &KeptState) -> Result<A, String> {
        let codec = self.settings.folding.payloads.codec;
        let KeptState { state, .. } = kept;
        let decode = || codec.decode_state(state.content, &state.data);
        catch_unwind(AssertUnwindSafe(decode))
            .unwrap_or_else(|_| Err("decoding it panicked".into()))
    }
}

impl<A: Aggregate, R: EventStore> Aggregates<A, R> {
    /// Makes a snapshot of the stream's state now, due or not; gives the version that it is of. It
    /// survives what an append does.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a stream that was never written, for a state that
    /// lacks an event of which a fault was noted, and for one that the codec cannot write or that
    /// takes more than [`STATE_BYTES_MAX`](limits::STATE_BYTES_MAX); as [`Aggregates::load`], and
    /// as [`Store::commit`](crate::Store::commit) where writing fails.
    pub fn snapshot(&self, stream: &str) -> Result<Version> {
        let loaded = self.load(stream)?;
        if loaded.position.get() == 0 {
            let message = format!("the stream {stream} has no events to make a snapshot of");
            return Err(Invalid::Other(message).into());
        }
        if let Some(fault) = loaded.faults.first() {
            let message = format!("a state that lacks an event is not kept: {fault}");
            return Err(Invalid::Other(message).into());
        }
        let most = limits::STATE_BYTES_MAX;
        let Some(state) = self.encode(&loaded, most)? else {
            let message = format!(
                "the {} at version {} of {stream} takes more than the {most} bytes that a snapshot \
                 may: keep less in it, or load it without",
                A::NAME,
                loaded.version
            );
            return Err(Invalid::Other(message).into());
        };
        self.keep(&loaded, state)?;
        Ok(loaded.folded)
    }

    /// Makes one where it is due.
    pub(super) fn snapshot_if_due(&self, loaded: &Loaded<A>) -> Option<Result<Version>> {
        let most = self.settings.snapshots.due(loaded)?;
        let made = self.encode(loaded, most).transpose()?;
        Some(made.and_then(|state| self.keep(loaded, state)).map(|_| loaded.folded))
    }

    /// In at most so many bytes; `None` where it takes more.
    fn encode(&self, loaded: &Loaded<A>, most: usize) -> Result<Option<Encoded>> {
        let codec = self.settings.folding.payloads.codec;
        let encoded = codec.encode_state(&loaded.state, most).map_err(|error| {
            let Loaded { stream, version, .. } = loaded;
            Invalid::Other(format!(
                "the {} at version {version} of {stream} cannot be written: {error}",
                A::NAME
            ))
        });
        Ok(encoded?)
    }

    fn keep(&self, loaded: &Loaded<A>, state: Encoded) -> Result<Place> {
        let key = key::<A>(&loaded.stream);
        let superseded = self.superseded(&key, loaded)?;
        let state = NewState {
            key,
            schema: A::SCHEMA,
            version: loaded.folded,
            checkpoint: self.reader.as_of(loaded.position.into())?.checkpoint(),
            content: state.content,
            data: state.data.into(),
        };
        self.reader.keep_state(&state, &superseded)
    }

    /// The older snapshots that one of what is loaded takes the place of.
    fn superseded(&self, key: &StateKey, loaded: &Loaded<A>) -> Result<Vec<Place>> {
        let now = picture(&self.reader)?;
        let keep = self.settings.snapshots.keep;
        let mut places = loaded.unusable.clone();
        let mut newer = 1;
        let mut next = now.kept_state(key, None)?;
        for _ in 0..LOOKED_THROUGH_MAX {
            let Some(KeptState { state, place, .. }) = next else { break };
            next = now.kept_state(key, Some(place))?;
            // Code that is newer than this may run at the same time.
            if state.schema > A::SCHEMA || places.contains(&place) {
                continue;
            }
            let older = next.as_ref().map(|older| &older.state);
            let current = state.schema == A::SCHEMA && state.version != loaded.folded;
            if !current || !keep.stays(&state, older, newer) {
                places.push(place);
                continue;
            }
            newer += 1;
            // What is behind it was dealt with when it was made.
            if !matches!(keep, Keep::Last(_)) {
                break;
            }
        }
        Ok(places)
    }
}

/// The events behind a kept state, if it can be what it says: the state at this version, whose
/// event stands at this position.
fn rest_behind(
    picture: &dyn EventReader,
    stream: &str,
    kept: &KeptState,
) -> Result<Option<Events>> {
    let (version, position) = (kept.state.version, kept.state.checkpoint.position);
    if version == Version::NONE {
        return Ok(None);
    }
    // Its own event comes first.
    let mut rest = picture.read(after(stream, version.minus(1)));
    Ok(match rest.next() {
        Some(Ok(event)) if event.version() == version => {
            (event.position() == position).then_some(rest)
        }
        // It is gone for good, or damaged: the state that has it in it is what there is.
        Some(Ok(event)) if event.position() > position => {
            Some(picture.read(after(stream, version)))
        }
        Some(Err(error)) if error.damage().is_some() => Some(picture.read(after(stream, version))),
        Some(Ok(_)) => None,
        Some(Err(error)) => return Err(error),
        None => Some(rest),
    })
}
