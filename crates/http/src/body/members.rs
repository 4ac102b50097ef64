//! The members of an object, with values as raw text, and those of a list of objects inside it, in the same pass.
//!
//! Finding the end of a raw value takes a scan, and reading what is inside takes another. Without the single pass, all data of a
//! batch would be scanned three times: as a list, as events, and as their members.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// All members of an object, including repeated ones.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WithList { list: None }.deserialize(deserializer).map(|(members, _)| members)
    }
}

/// Reads an object, and a list in one of its members.
pub(super) struct WithList {
    /// That member's name (the first of that name counts), and how many elements to read.
    pub(super) list: Option<(&'static str, usize)>,
}

impl<'de> DeserializeSeed<'de> for WithList {
    /// The other members, and that one.
    type Value = (Members<'de>, Option<Element<'de>>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for WithList {
    type Value = (Members<'de>, Option<Element<'de>>);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut members, mut list) = (Vec::with_capacity(8), None);
        while let Some(Key(key)) = map.next_key()? {
            match self.list {
                Some((name, max)) if list.is_none() && name == key => {
                    list = Some(map.next_value_seed(Shape { elements_max: Some(max) })?);
                }
                _ => members.push((key, map.next_value()?)),
            }
        }
        Ok((Members(members), list))
    }
}

/// A value, as far as it is read.
pub(super) enum Element<'a> {
    Object(Members<'a>),
    /// The first elements of a list.
    List(Vec<Element<'a>>),
    Other,
}

/// Reads an element. `None`: skips a list, like anything that is not an object.
#[derive(Clone, Copy)]
struct Shape {
    elements_max: Option<usize>,
}

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = Element<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Element<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = Element<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Element<'de>, A::Error> {
        let (members, _) = WithList { list: None }.visit_map(map)?;
        Ok(Element::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Element<'de>, A::Error> {
        let mut elements = Vec::new();
        while elements.len() < self.elements_max.unwrap_or(0) {
            let Some(element) = list.next_element_seed(Shape { elements_max: None })? else { break };
            elements.push(element);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(if self.elements_max.is_some() { Element::List(elements) } else { Element::Other })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_unit<E>(self) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }
}

/// A member's name, borrowed if it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
