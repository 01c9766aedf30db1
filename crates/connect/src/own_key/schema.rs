//! What the API's description says of a new key. Each kind refuses fields that it does not know, so
//! that the one that tells the kinds apart has to stand among its own: put beside them, as the derived
//! description would have it, it would be one of the unknown.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::OneOfBuilder},
};

use super::{NewAwsKey, NewEncryptionKey, NewTransitKey};

const KIND: &str = "provider";

impl PartialSchema for NewEncryptionKey {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(of_kind::<NewTransitKey>("transit"))
            .item(of_kind::<NewAwsKey>("aws"))
            .description(Some("A key of the tenant's own, and how to get at it."))
            .into()
    }
}

impl ToSchema for NewEncryptionKey {
    fn name() -> Cow<'static, str> {
        "NewEncryptionKey".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        NewTransitKey::schemas(schemas);
        NewAwsKey::schemas(schemas);
    }
}

fn of_kind<T: PartialSchema>(kind: &str) -> RefOr<Schema> {
    let mut schema = T::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        let name = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some([kind]))
            .build();
        object.properties.insert(KIND.to_owned(), name.into());
        object.required.insert(0, KIND.to_owned());
    }
    schema
}
