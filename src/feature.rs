//! Formats and encryption that may be left out when the program is built, because their libraries take long to build.
//!
//! A value of a feature's type is the proof that it was built. Plans that need the feature hold one, so that nothing after the
//! check of a pipeline file asks again: without the feature the type has no values.

/// A feature that this program was built without, by its name in `Cargo.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this program was built without the feature `{0}`")]
pub struct NotBuilt(pub &'static str);

macro_rules! features {
    ($($name:ident = $key:literal),* $(,)?) => {
        $(
            #[doc = concat!("The proof that the feature `", $key, "` was built.")]
            #[cfg(feature = $key)]
            #[derive(Clone, Copy, Debug)]
            pub struct $name(());

            #[doc = concat!("The feature `", $key, "`, which was not built.")]
            #[cfg(not(feature = $key))]
            #[derive(Clone, Copy, Debug)]
            pub enum $name {}

            impl $name {
                /// Returns the proof.
                ///
                /// # Errors
                /// The feature was not built.
                pub fn built() -> Result<Self, NotBuilt> {
                    #[cfg(feature = $key)]
                    return Ok(Self(()));
                    #[cfg(not(feature = $key))]
                    return Err(NotBuilt($key));
                }
            }
        )*

        /// Returns the names of the features that were built.
        pub fn built() -> Vec<&'static str> {
            [$(($key, $name::built().is_ok())),*].iter().filter(|(_, is_built)| *is_built).map(|(key, _)| *key).collect()
        }
    };
}

features! { Age = "age", OpenPgp = "openpgp", Parquet = "parquet", Xlsx = "xlsx" }
