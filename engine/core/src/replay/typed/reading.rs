//! From a type and its data to a variant: a deserializer of one enum that names the variant by the
//! event's type and takes the content from the codec's.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{StrDeserializer, UnitDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

/// Why an event could not be read.
#[derive(Debug)]
pub(in super::super) enum Unreadable {
    /// The enum has no such variant.
    UnknownType,
    /// The content does not decode.
    Payload(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType => f.write_str(
                "no variant has this type: add one, lead it to another with an upcaster, or pass \
                 over unknown types",
            ),
            Self::Payload(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Unreadable {}

impl Error for Unreadable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Payload(message.to_string())
    }

    // Told of the variant alone: what the content says is the codec's error.
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::UnknownType
    }
}

/// The variant of `E` with this name, its content from `inner`.
pub(in super::super) fn read<'de, E: Deserialize<'de>>(
    event_type: &str,
    inner: impl Deserializer<'de>,
) -> Result<E, Unreadable> {
    E::deserialize(Variant { name: event_type, inner })
}

/// Whether `E` has a variant with this name.
pub(in super::super) fn knows<E: DeserializeOwned>(event_type: &str) -> bool {
    let nothing = UnitDeserializer::<Unreadable>::new();
    !matches!(read::<E>(event_type, nothing), Err(Unreadable::UnknownType))
}

struct Variant<'a, D> {
    name: &'a str,
    inner: D,
}

fn payload(error: impl fmt::Display) -> Unreadable {
    Unreadable::Payload(error.to_string())
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Variant<'_, D> {
    type Error = Unreadable;

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_enum(self)
    }

    /// A wrapper around the enum.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unreadable> {
        Err(payload(
            "events are read into a plain enum: its variants' names are the types, so it has no \
             attribute that puts a tag elsewhere",
        ))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de, D: Deserializer<'de>> EnumAccess<'de> for Variant<'_, D> {
    type Error = Unreadable;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), Unreadable> {
        let variant = seed.deserialize(StrDeserializer::<Unreadable>::new(self.name))?;
        Ok((variant, self))
    }
}

impl<'de, D: Deserializer<'de>> VariantAccess<'de> for Variant<'_, D> {
    type Error = Unreadable;

    /// Nothing of the data is needed. Where it says by itself what it is, it must still be that.
    fn unit_variant(self) -> Result<(), Unreadable> {
        if self.inner.is_human_readable() {
            IgnoredAny::deserialize(self.inner).map_err(payload)?;
        }
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Unreadable> {
        seed.deserialize(self.inner).map_err(payload)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.inner.deserialize_tuple(length, visitor).map_err(payload)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.inner.deserialize_struct("", fields, visitor).map_err(payload)
    }
}
