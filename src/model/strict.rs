//! A JSON value read as what it is meant to be: where a type has named fields, only an object will do.
//!
//! serde's derived readers also take an array for a struct, field by field. A credential that came that way would be missed by all that
//! looks for it by name, so it is refused here, at any depth.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// A value about to be read.
#[derive(Clone, Copy)]
pub(super) struct Strict<'a>(pub(super) &'a Value);

impl<'de> IntoDeserializer<'de, Error> for Strict<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.iter().map(Strict));
                let read = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(read)
            }
            Value::Object(map) => {
                let mut entries = MapDeserializer::new(map.iter().map(|(k, v)| (k.as_str(), Strict(v))));
                let read = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(read)
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(_) => self.deserialize_any(visitor),
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::model::kind::{Kind, read};
    use crate::model::params::{Noop, Nothing, PodmCreate};

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        let podm = |auth| json!({"name": "p", "url": "http://h", "authentication": [auth]});
        let good = podm(json!({"type": "basic", "auth_items": {"username": "u", "password": "p"}}));
        assert_eq!(read::<PodmCreate>(&good).unwrap().authentication[0].auth_items.password, "p");
        for bad in [json!(["basic", ["u", "p"]]), json!({"type": "basic", "auth_items": ["u", "canary"]})] {
            let error = read::<PodmCreate>(&podm(bad)).unwrap_err();
            assert_eq!(error.status, 400);
        }
        assert!(read::<Nothing>(&json!([])).is_err());
        assert_eq!(read::<Noop>(&json!({"payload": [1, {"a": 1.5}]})).unwrap().payload, json!([1, {"a": 1.5}]));
        assert!(read::<Noop>(&json!([1])).is_err());
    }

    #[test]
    fn what_was_read_before_is_still_read() {
        let action = Kind::find("node.action").unwrap();
        (action.check)(&json!({"Boot": {"Enabled": "Once", "Target": "Pxe"}})).unwrap();
        let error = (action.check)(&json!({"Boot": {"Enabled": "Twice", "Target": "Pxe"}})).unwrap_err();
        assert!(error.detail.contains("'Enabled'"), "{}", error.detail);
    }
}
