//! How the types of a file are declared: once, for reading and for the editor's schema.

/// The schema of a type that is read by hand; `schemars`' trait and types must be in scope.
#[macro_export]
macro_rules! schema_as {
    ([$($generic:tt)*] $Type:ty, $name:literal, |$generator:ident| $schema:expr) => {
        impl<$($generic)*> JsonSchema for $Type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

/// A table of a file: a struct, how it is read, and its schema. Keys that are not fields are problems; `Option`s,
/// lists and tables of names may be left out.
#[macro_export]
macro_rules! table {
    ($(#[$meta:meta])* $vis:vis struct $Name:ident { $($(#[$field_meta:meta])* $field:ident: $Type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $vis struct $Name { $($(#[$field_meta])* pub $field: $Type),* }

        impl $Name {
            /// The keys of the table.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];
        }

        impl $crate::pipeline::read::FromNode for $Name {
            fn from_node(
                node: &$crate::pipeline::tree::Node,
                problems: &mut Vec<$crate::pipeline::problem::Problem>,
            ) -> Option<Self> {
                let node = $crate::pipeline::read::table(node, Self::KEYS, problems)?;
                $(let $field = <$Type as $crate::pipeline::read::FromNode>::from_key(&node, stringify!($field), problems);)*
                Some(Self { $($field: $field?),* })
            }
        }
    };
}

/// A choice of kinds, each a table with one key: `docebo: {…}`.
#[macro_export]
macro_rules! kinds {
    ($(#[$meta:meta])* $vis:vis enum $Name:ident { $($(#[$kind_meta:meta])* $Kind:ident = $key:literal: $Type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(schemars::JsonSchema)]
        $vis enum $Name { $($(#[$kind_meta])* #[schemars(rename = $key)] $Kind($Type)),* }

        impl $crate::pipeline::read::FromNode for $Name {
            fn from_node(
                node: &$crate::pipeline::tree::Node,
                problems: &mut Vec<$crate::pipeline::problem::Problem>,
            ) -> Option<Self> {
                const KEYS: &[&str] = &[$($key),*];
                let node = $crate::pipeline::read::table(node, KEYS, problems)?;
                let kind = $crate::pipeline::read::one_kind(&node, KEYS, problems)?;
                $(if kind == $key {
                    return <$Type as $crate::pipeline::read::FromNode>::from_key(&node, $key, problems).map(Self::$Kind);
                })*
                None
            }
        }
    };
}

/// A choice of words: how an enum that is declared elsewhere is written.
#[macro_export]
macro_rules! words {
    ($Name:ty { $($word:literal => $value:expr),* $(,)? }) => {
        impl $crate::pipeline::read::FromNode for $Name {
            fn from_node(
                node: &$crate::pipeline::tree::Node,
                problems: &mut Vec<$crate::pipeline::problem::Problem>,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($word),*];
                let expected = $crate::pipeline::read::choice(WORDS);
                let (text, _) = $crate::pipeline::read::scalar(node, &expected, problems)?;
                match text {
                    $($word => Some($value),)*
                    other => {
                        problems.push($crate::pipeline::read::unknown_word(&node.origin, other, WORDS));
                        None
                    }
                }
            }
        }

        impl schemars::JsonSchema for $Name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($Name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "enum": [$($word),*]})
            }
        }
    };
}
