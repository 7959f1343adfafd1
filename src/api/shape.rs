//! Schemas of bodies for the OpenAPI document: a type's name, its schema, and what that refers to.

use utoipa::ToSchema;
use utoipa::openapi::{Ref, RefOr, Schema};

/// A named schema.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    name: fn() -> String,
    gather: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    /// The shape of a type.
    pub(crate) fn of<T: ToSchema>() -> Self {
        Self {
            name: || T::name().into_owned(),
            gather: |all| {
                T::schemas(all);
                all.push((T::name().into_owned(), T::schema()));
            },
        }
    }

    /// A reference to it.
    pub(crate) fn reference(self) -> RefOr<Schema> {
        RefOr::Ref(Ref::from_schema_name((self.name)()))
    }

    /// It and all it refers to.
    pub(crate) fn gather(self, all: &mut Vec<(String, RefOr<Schema>)>) {
        (self.gather)(all);
    }
}
