//! The editor's schema of types that are read by hand.

/// Implements the schema of a type with a hand-written parser.
#[macro_export]
macro_rules! schema_as {
    ([$($generic:tt)*] $Type:ty, |$generator:ident| $schema:expr) => {
        impl<$($generic)*> schemars::JsonSchema for $Type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($Type).into()
            }
            fn json_schema($generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
    ($Type:ty, |$generator:ident| $schema:expr) => {
        $crate::schema_as!([] $Type, |$generator| $schema);
    };
    ($Type:ty, $schema:tt) => {
        $crate::schema_as!([] $Type, |_generator| schemars::json_schema!($schema));
    };
}
