//! A template whose slots share names → templates that distinguish them, for hints.

use super::{DIGEST_DIGITS, NameTemplate, TemplatePart};

/// A date, a date and time, and a date and time with the offset, which the repeated hour in autumn needs.
const FORMATS: [&str; 3] = ["%Y%m%d", "%Y%m%d_%H%M", "%Y%m%d_%H%M%z"];

/// Directives that write a time of day.
const TIMES: [&str; 9] = ["%H", "%-H", "%I", "%k", "%l", "%T", "%R", "%M", "%s"];

/// File extensions that follow another extension.
const PACKED: [&str; 6] = [".gz", ".zip", ".zst", ".bz2", ".gpg", ".pgp"];

impl NameTemplate {
    /// Returns similar templates that contain more of the slot, the most similar first.
    pub fn suggestions(&self) -> Vec<NameTemplate> {
        let last = self.parts.iter().rposition(|part| matches!(part, TemplatePart::Slot(_)));
        let Some((index, TemplatePart::Slot(own))) = last.and_then(|index| Some((index, self.parts.get(index)?)))
        else {
            return FORMATS.iter().filter_map(|format| self.with_slot(format)).collect();
        };
        let mut formats: Vec<String> = match TIMES.iter().any(|time| own.contains(time)) {
            true => vec![format!("{own}%z")],
            false => vec![format!("{own}_%H%M"), format!("{own}_%H%M%z")],
        };
        formats.extend(FORMATS.map(str::to_owned));
        let with = |format: String| {
            let mut parts = self.parts.clone();
            parts[index] = TemplatePart::Slot(format);
            Self::of(parts)
        };
        formats.into_iter().filter_map(with).collect()
    }

    /// Returns the template with the slot before the extension.
    fn with_slot(&self, format: &str) -> Option<NameTemplate> {
        let mut parts = self.parts.clone();
        let slot = [TemplatePart::Literal("_".into()), TemplatePart::Slot(format.to_owned())];
        let ending = match parts.last() {
            Some(TemplatePart::Literal(text)) => {
                ending_of(text).map(|at| (text[..at].to_owned(), text[at..].to_owned()))
            }
            _ => None,
        };
        if let Some((stem, ending)) = ending {
            parts.pop();
            parts.extend((!stem.is_empty()).then_some(TemplatePart::Literal(stem)));
            parts.extend(slot);
            parts.push(TemplatePart::Literal(ending));
        } else {
            parts.extend(slot);
        }
        Self::of(parts)
    }

    fn of(parts: Vec<TemplatePart>) -> Option<NameTemplate> {
        NameTemplate::parse(&parts.iter().map(written).collect::<String>()).ok()
    }
}

/// Returns the byte at which a name's extension begins.
fn ending_of(text: &str) -> Option<usize> {
    let inner = PACKED.iter().find_map(|packed| text.strip_suffix(packed)).filter(|inner| inner.contains('.'));
    inner.unwrap_or(text).rfind('.')
}

/// Returns a part as written in a template.
pub(super) fn written(part: &TemplatePart) -> String {
    match part {
        TemplatePart::Literal(text) => text.replace('{', "{{").replace('}', "}}"),
        TemplatePart::Slot(format) => format!("{{slot:{format}}}"),
        TemplatePart::Pipeline => "{pipeline}".to_owned(),
        TemplatePart::Run => "{run}".to_owned(),
        TemplatePart::Name => "{name}".to_owned(),
        TemplatePart::Stem => "{stem}".to_owned(),
        TemplatePart::Number(1) => "{part}".to_owned(),
        TemplatePart::Number(digits) => format!("{{part:{digits}}}"),
        TemplatePart::Var(var) => format!("{{var:{var}}}"),
        TemplatePart::Count(1) => "{count}".to_owned(),
        TemplatePart::Count(digits) => format!("{{count:{digits}}}"),
        TemplatePart::Digest(DIGEST_DIGITS) => "{sha256}".to_owned(),
        TemplatePart::Digest(digits) => format!("{{sha256:{digits}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_uniqueness_is_known_from_its_directives() {
        use crate::name::Uniqueness::{All, ExceptRepeatedHour, Unknown};
        for (text, apart) in [
            ("{run}.csv", All),
            ("a_{slot:%Y%m%dT%H%M%z}.csv", All),
            ("{slot:%F}_{slot:%R%:z}", All),
            ("{slot:%Y%j%H%M}", ExceptRepeatedHour),
            ("{slot:%Y-%m-%d_%T}", ExceptRepeatedHour),
            ("{slot:%Y%m%d}", Unknown),
            ("{slot:%Y%-m%-d%H%M%z}", Unknown),
            ("{slot:%y%m%d%H%M}", Unknown),
            ("{slot:%Y%m%d_%I%M}", Unknown),
            ("a.csv", Unknown),
        ] {
            assert_eq!(NameTemplate::parse(text).unwrap().uniqueness(), apart, "{text}");
        }
    }

    #[test]
    fn finer_templates_are_valid_and_keep_the_rest() {
        let finer = |text: &str| -> Vec<String> {
            let finer = NameTemplate::parse(text).unwrap().suggestions();
            for template in &finer {
                assert_eq!(&NameTemplate::parse(&template.to_string()).unwrap(), template);
            }
            finer.iter().map(ToString::to_string).collect()
        };
        assert_eq!(finer("a.csv")[0], "a_{slot:%Y%m%d}.csv");
        assert_eq!(finer("a{{.csv.gz")[1], "a{{_{slot:%Y%m%d_%H%M}.csv.gz");
        assert_eq!(finer("{pipeline}")[2], "{pipeline}_{slot:%Y%m%d_%H%M%z}");
        assert_eq!(finer("a_{part:3}.csv")[0], "a_{part:3}_{slot:%Y%m%d}.csv");
        assert_eq!(finer("a_{slot:%Y-%m-%d}.csv")[0], "a_{slot:%Y-%m-%d_%H%M}.csv");
        assert_eq!(
            finer("a_{slot:%H%M}_{pipeline}")[..2],
            ["a_{slot:%H%M%z}_{pipeline}", "a_{slot:%Y%m%d}_{pipeline}"]
        );
    }
}
