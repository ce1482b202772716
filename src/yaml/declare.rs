//! Macros that declare the types of a file: once, for parsing and for the editor's schema.

/// Declares a table of a file: a struct, its parser, and its schema. Keys that are not fields are problems; `Option`s,
/// lists and tables of names are optional. `give_up_after (was within): …` reports the old key with its new name.
#[macro_export]
macro_rules! table {
    ($(#[$meta:meta])* $vis:vis struct $Name:ident {
        $($(#[$field_meta:meta])* $field:ident $((was $old:ident))?: $Type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $vis struct $Name { $($(#[$field_meta])* pub $field: $Type),* }

        impl $Name {
            /// The keys of the table.
            #[allow(dead_code)] // not every table is asked for its keys
            pub(crate) const KEYS: &'static [&'static str] = &[$($crate::yaml::read::key_of(stringify!($field))),*];
        }

        impl $crate::yaml::read::FromNode for $Name {
            fn from_node(
                node: &$crate::yaml::tree::Node,
                problems: &mut Vec<$crate::yaml::problem::Problem>,
            ) -> Option<Self> {
                const RENAMED: &[(&str, &str)] = &[$($((stringify!($old), stringify!($field)),)?)*];
                let node = $crate::yaml::read::table(node, Self::KEYS, RENAMED, problems)?;
                $(let $field = <$Type as $crate::yaml::read::FromNode>::from_key(&node, $crate::yaml::read::key_of(stringify!($field)), problems);)*
                Some(Self { $($field: $field?),* })
            }
        }
    };
}

/// Declares a table of options: a struct with a default for each key, its parser, and its schema. `runs: usize as
/// Whole<1, 9> = 8` is parsed as the second type and stored as the first.
#[macro_export]
macro_rules! options {
    ($(#[$meta:meta])* $vis:vis struct $Name:ident $(: $Derive:ident)? {
        $($(#[$field_meta:meta])* $field:ident $((was $old:ident))?: $Type:ty as $Written:ty = $default:expr),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, $($Derive)?)]
        $vis struct $Name { $($(#[$field_meta])* pub $field: $Type),* }

        impl $Name {
            /// The keys of the table.
            #[allow(dead_code)] // not every table is asked for its keys
            pub(crate) const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];
        }

        impl Default for $Name {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }

        const _: () = {
            $crate::table! {
                $(#[$meta])*
                struct Written { $($(#[$field_meta])* $field $((was $old))?: Option<$Written>),* }
            }

            impl $crate::yaml::read::FromNode for $Name {
                fn from_node(
                    node: &$crate::yaml::tree::Node,
                    problems: &mut Vec<$crate::yaml::problem::Problem>,
                ) -> Option<Self> {
                    let (written, default) = (Written::from_node(node, problems)?, Self::default());
                    Some(Self { $($field: written.$field.map_or(default.$field, Into::into)),* })
                }
            }

            $crate::schema_as!($Name, |generator| <Written as schemars::JsonSchema>::json_schema(generator));
        };
    };
}

/// Declares a choice of kinds, each a table with one key: `docebo: {…}`.
#[macro_export]
macro_rules! kinds {
    ($(#[$meta:meta])* $vis:vis enum $Name:ident { $($(#[$kind_meta:meta])* $Kind:ident = $key:literal: $Type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(schemars::JsonSchema)]
        $vis enum $Name { $($(#[$kind_meta])* #[schemars(rename = $key)] $Kind($Type)),* }

        impl $Name {
            /// The keys of the kinds.
            #[allow(dead_code)] // not every choice is asked for its keys
            pub(crate) const KEYS: &'static [&'static str] = &[$($key),*];

            /// Parses the one kind that a table contains. Other keys are ignored.
            pub(crate) fn of_kind(
                node: &$crate::yaml::tree::Node,
                problems: &mut Vec<$crate::yaml::problem::Problem>,
            ) -> Option<Self> {
                let kind = $crate::yaml::read::one_kind(node, Self::KEYS, problems)?;
                $(if kind == $key {
                    return <$Type as $crate::yaml::read::FromNode>::from_key(node, $key, problems).map(Self::$Kind);
                })*
                None
            }
        }

        impl $crate::yaml::read::FromNode for $Name {
            fn from_node(
                node: &$crate::yaml::tree::Node,
                problems: &mut Vec<$crate::yaml::problem::Problem>,
            ) -> Option<Self> {
                let node = $crate::yaml::read::table(node, Self::KEYS, &[], problems)?;
                Self::of_kind(&node, problems)
            }
        }
    };
}

/// Declares a choice of words: the spelling of an enum that is declared elsewhere. `"names" (was "true")` reports the
/// old word with its new name.
#[macro_export]
macro_rules! words {
    ($Name:ty { $($word:literal $((was $old:literal))? => $value:expr),* $(,)? }) => {
        impl $crate::yaml::read::FromNode for $Name {
            fn from_node(
                node: &$crate::yaml::tree::Node,
                problems: &mut Vec<$crate::yaml::problem::Problem>,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($word),*];
                const RENAMED: &[(&str, &str)] = &[$($(($old, $word),)?)*];
                let expected = $crate::yaml::read::choice(WORDS);
                let (text, _) = $crate::yaml::read::scalar(node, &expected, problems)?;
                match text {
                    $($word => Some($value),)*
                    other => {
                        problems.push($crate::yaml::read::unknown_word(&node.origin, other, WORDS, RENAMED));
                        None
                    }
                }
            }
        }

        $crate::schema_as!($Name, {"type": "string", "enum": [$($word),*]});
    };
}
