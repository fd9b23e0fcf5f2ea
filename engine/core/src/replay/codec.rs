//! How typed events and states become bytes, and bytes them again.

use std::fmt;
use std::io;

use annals_types::{Bytes, ContentKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::typed::{self, Content, NO_VARIANT, Unreadable};

/// The form in which typed events and snapshots are written.
///
/// JSON is read whatever the codec, so that a stream can go over from it to a binary form. The
/// binary forms do not say which one they are: a store uses one of them. Nor do they bound how deep
/// a type that contains itself goes, or how many values without bytes a list has: who reads events
/// of strangers into such types uses JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// JSON text: for people to look at, and for code in other languages. Fields can be added with
    /// a default.
    #[default]
    Json,
    /// [postcard](https://docs.rs/postcard): compact and fast. It names no fields, so that each
    /// change of an event's shape needs a new schema version and an upcaster.
    Postcard,
    /// [bincode](https://docs.rs/bincode) 2 in its standard configuration, for who has data in it
    /// already: it is no longer maintained. As with postcard, no fields are named.
    #[cfg(feature = "bincode")]
    Bincode,
}

/// A codec's bytes for something, and what they are.
pub(super) struct Encoded {
    pub(super) content: ContentKind,
    pub(super) data: Vec<u8>,
}

/// Longest text, and most bytes in all, that bincode is believed to announce.
#[cfg(feature = "bincode")]
const BINCODE_BYTES_MAX: usize = 64 << 20;

/// Writes up to a number of bytes.
struct Limited {
    data: Vec<u8>,
    left: usize,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::WriteZero)?;
        self.data.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl postcard::ser_flavors::Flavor for Limited {
    type Output = Vec<u8>;

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        io::Write::write_all(self, bytes).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.data)
    }
}

impl Codec {
    const fn content(self) -> ContentKind {
        match self {
            Self::Json => ContentKind::Json,
            _ => ContentKind::Binary,
        }
    }

    /// In front of a binary state, so that none is read with another codec than wrote it.
    const fn mark(self) -> u8 {
        match self {
            Self::Json => 0,
            Self::Postcard => 1,
            #[cfg(feature = "bincode")]
            Self::Bincode => 2,
        }
    }

    /// The type and the data of an event.
    pub(super) fn encode_event<E: Serialize>(
        self,
        event: &E,
    ) -> Result<(&'static str, Encoded), String> {
        let content = Content::of(event);
        let data = self.encode(&content, Vec::new(), usize::MAX);
        // Not every codec's error carries why: that there is no name does.
        let name = content.name().ok_or(NO_VARIANT)?;
        let data = data.map_err(|failed| failed.what)?;
        Ok((name, Encoded { content: self.content(), data }))
    }

    /// The state in at most `max` bytes; `None` where it takes more.
    pub(super) fn encode_state<S: Serialize>(
        self,
        state: &S,
        max: usize,
    ) -> Result<Option<Encoded>, String> {
        let mark = match self {
            Self::Json => Vec::new(),
            _ => vec![self.mark()],
        };
        match self.encode(state, mark, max) {
            Ok(data) => Ok(Some(Encoded { content: self.content(), data })),
            Err(failed) if failed.full => Ok(None),
            Err(failed) => Err(failed.what),
        }
    }

    /// Appends `value` to `data`, up to `max` bytes in all.
    fn encode<T: Serialize>(
        self,
        value: &T,
        data: Vec<u8>,
        max: usize,
    ) -> Result<Vec<u8>, Unwritten> {
        let left = max.saturating_sub(data.len());
        let mut limited = Limited { data, left };
        match self {
            Self::Json => {
                serde_json::to_writer(&mut limited, value)
                    .map_err(|error| Unwritten { full: error.is_io(), what: error.to_string() })?;
                Ok(limited.data)
            }
            Self::Postcard => {
                postcard::serialize_with_flavor(value, limited).map_err(|error| Unwritten {
                    full: error == postcard::Error::SerializeBufferFull,
                    what: error.to_string(),
                })
            }
            #[cfg(feature = "bincode")]
            Self::Bincode => {
                let config = bincode::config::standard();
                bincode::serde::encode_into_std_write(value, &mut limited, config).map_err(
                    |error| Unwritten {
                        full: matches!(error, bincode::error::EncodeError::Io { .. }),
                        what: error.to_string(),
                    },
                )?;
                Ok(limited.data)
            }
        }
    }

    /// The event with this type and data.
    pub(super) fn decode_event<E: DeserializeOwned>(
        self,
        event_type: &str,
        content: ContentKind,
        data: &[u8],
    ) -> Result<E, Unreadable> {
        match (content, self) {
            (ContentKind::Json, _) => {
                let mut json = serde_json::Deserializer::from_slice(data);
                let event = typed::read(event_type, &mut json)?;
                json.end().map_err(payload)?;
                Ok(event)
            }
            (ContentKind::Binary, Self::Postcard) => {
                let mut bytes = postcard::Deserializer::from_bytes(data);
                let event = typed::read(event_type, &mut bytes)?;
                nothing_left(bytes.finalize().map_err(payload)?.len())?;
                Ok(event)
            }
            #[cfg(feature = "bincode")]
            (ContentKind::Binary, Self::Bincode) => decode_bincode(event_type, data),
            (ContentKind::Binary, Self::Json) => Err(payload(
                "the data is binary, and the codec is JSON: give the codec that wrote it",
            )),
            _ => Err(payload("the data is text that is not JSON: no codec reads it")),
        }
    }

    /// The state in these bytes.
    pub(super) fn decode_state<S: DeserializeOwned>(
        self,
        content: ContentKind,
        data: &Bytes,
    ) -> Result<S, String> {
        if content == ContentKind::Json {
            return serde_json::from_slice(data).map_err(|error| error.to_string());
        }
        let (mark, data) = data.split_first().ok_or("it is empty")?;
        if self == Self::Json || *mark != self.mark() {
            return Err("another codec wrote it".to_owned());
        }
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => {
                let config = bincode::config::standard().with_limit::<BINCODE_BYTES_MAX>();
                let (state, read) = bincode::serde::decode_from_slice(data, config)
                    .map_err(|error| error.to_string())?;
                nothing_left(data.len() - read).map_err(|left| left.to_string())?;
                Ok(state)
            }
            _ => {
                let (state, left) =
                    postcard::take_from_bytes(data).map_err(|error| error.to_string())?;
                nothing_left(left.len()).map_err(|left| left.to_string())?;
                Ok(state)
            }
        }
    }
}

/// Why something was not encoded.
struct Unwritten {
    /// It takes too many bytes.
    full: bool,
    what: String,
}

fn payload(what: impl fmt::Display) -> Unreadable {
    Unreadable::Payload(what.to_string())
}

/// A form without names tells by its length alone that it was read as something else.
fn nothing_left(bytes: usize) -> Result<(), Unreadable> {
    if bytes == 0 {
        return Ok(());
    }
    Err(payload(format_args!("{bytes} bytes are left over: was it written with another shape?")))
}

#[cfg(feature = "bincode")]
fn decode_bincode<E: DeserializeOwned>(event_type: &str, data: &[u8]) -> Result<E, Unreadable> {
    use serde::de::{DeserializeSeed, Deserializer, Error as _};

    /// Carries the type in and the reason out: what bincode reads with has no name.
    struct Seed<'a, E> {
        event_type: &'a str,
        read: &'a mut Option<Result<E, Unreadable>>,
    }

    impl<'de, E: serde::Deserialize<'de>> DeserializeSeed<'de> for Seed<'_, E> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<(), D::Error> {
            let read = self.read.insert(typed::read(self.event_type, inner));
            if read.is_ok() { Ok(()) } else { Err(D::Error::custom("")) }
        }
    }

    let mut read = None;
    let config = bincode::config::standard().with_limit::<BINCODE_BYTES_MAX>();
    let seed = Seed { event_type, read: &mut read };
    let outcome = bincode::serde::seed_decode_from_slice(seed, data, config);
    let event = read.unwrap_or_else(|| Err(payload("it does not decode")))?;
    let ((), length) = outcome.map_err(payload)?;
    nothing_left(data.len() - length)?;
    Ok(event)
}
