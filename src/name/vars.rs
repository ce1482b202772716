//! Values of a pipeline's own in names: `{var:ukprn}`.

use super::{NameTemplate, TemplatePart, unfit_character};

/// The reason a value cannot be put into a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VarProblem {
    /// There is no value of this name.
    Unknown(String),
    /// The value of this name has a character that names cannot have.
    Unfit(String, &'static str),
}

impl NameTemplate {
    /// Returns the template with the values in place; its text, as shown to people, still has their names. `value` returns
    /// the value of a name.
    ///
    /// # Errors
    /// The first value that is unknown or not allowed in names.
    pub fn with_vars<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> Result<Self, VarProblem> {
        let replaced = self.parts.iter().map(|part| {
            let TemplatePart::Var(name) = part else { return Ok(part.clone()) };
            let text = value(name).ok_or_else(|| VarProblem::Unknown(name.clone()))?;
            match text.chars().find_map(unfit_character) {
                Some(what) => Err(VarProblem::Unfit(name.clone(), what)),
                None => Ok(TemplatePart::Literal(text.to_owned())),
            }
        });
        Ok(Self { text: self.text.clone(), parts: replaced.collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_into_names() {
        let value = |name: &str| match name {
            "ukprn" => Some("10001234"),
            "path" => Some("a/b"),
            "braces" => Some("{run}"),
            _ => None,
        };
        let with = |text: &str| NameTemplate::parse(text).unwrap().with_vars(value);
        let done = with("{name}_{var:ukprn}{var:braces}.done").unwrap();
        assert_eq!(done.render_done("a.csv").unwrap(), "a.csv_10001234{run}.done");
        assert_eq!(done.to_string(), "{name}_{var:ukprn}{var:braces}.done");
        assert_eq!(with("{var:ukprm}"), Err(VarProblem::Unknown("ukprm".to_owned())));
        assert!(matches!(with("{var:path}"), Err(VarProblem::Unfit(name, _)) if name == "path"));
        let unset = NameTemplate::parse("{var:ukprn}").unwrap().render_done("a.csv");
        assert!(unset.unwrap_err().what.contains("has no value here"));
    }
}
