//! A template whose slots share names → templates that tell them apart, for hints.

use super::{NameTemplate, Part};

/// A date, with the time of day, with the offset too: the hour that comes twice in autumn needs it.
const FORMATS: [&str; 3] = ["%Y%m%d", "%Y%m%d_%H%M", "%Y%m%d_%H%M%z"];

/// Directives that write a time of day.
const TIMES: [&str; 9] = ["%H", "%-H", "%I", "%k", "%l", "%T", "%R", "%M", "%s"];

/// Endings that follow another ending.
const PACKED: [&str; 6] = [".gz", ".zip", ".zst", ".bz2", ".gpg", ".pgp"];

impl NameTemplate {
    /// Returns templates like this one that write more of the slot, the most alike first.
    pub fn finer(&self) -> Vec<NameTemplate> {
        let last = self.parts.iter().rposition(|part| matches!(part, Part::Slot(_)));
        let Some((index, Part::Slot(own))) = last.and_then(|index| Some((index, self.parts.get(index)?))) else {
            return FORMATS.iter().filter_map(|format| self.with_slot(format)).collect();
        };
        let mut formats: Vec<String> = match TIMES.iter().any(|time| own.contains(time)) {
            true => vec![format!("{own}%z")],
            false => vec![format!("{own}_%H%M"), format!("{own}_%H%M%z")],
        };
        formats.extend(FORMATS.map(str::to_owned));
        let with = |format: String| {
            let mut parts = self.parts.clone();
            parts[index] = Part::Slot(format);
            Self::of(parts)
        };
        formats.into_iter().filter_map(with).collect()
    }

    /// With the slot before the ending.
    fn with_slot(&self, format: &str) -> Option<NameTemplate> {
        let mut parts = self.parts.clone();
        let slot = [Part::Literal("_".into()), Part::Slot(format.to_owned())];
        let ending = match parts.last() {
            Some(Part::Literal(text)) => ending_of(text).map(|at| (text[..at].to_owned(), text[at..].to_owned())),
            _ => None,
        };
        if let Some((stem, ending)) = ending {
            parts.pop();
            parts.extend((!stem.is_empty()).then_some(Part::Literal(stem)));
            parts.extend(slot);
            parts.push(Part::Literal(ending));
        } else {
            parts.extend(slot);
        }
        Self::of(parts)
    }

    fn of(parts: Vec<Part>) -> Option<NameTemplate> {
        NameTemplate::parse(&parts.iter().map(written).collect::<String>()).ok()
    }
}

/// The byte at which a name's ending begins.
fn ending_of(text: &str) -> Option<usize> {
    let inner = PACKED.iter().find_map(|packed| text.strip_suffix(packed)).filter(|inner| inner.contains('.'));
    inner.unwrap_or(text).rfind('.')
}

/// A part as it is written in a template.
fn written(part: &Part) -> String {
    match part {
        Part::Literal(text) => text.replace('{', "{{").replace('}', "}}"),
        Part::Slot(format) => format!("{{slot:{format}}}"),
        Part::Pipeline => "{pipeline}".to_owned(),
        Part::Run => "{run}".to_owned(),
        Part::Name => "{name}".to_owned(),
        Part::Number(1) => "{part}".to_owned(),
        Part::Number(digits) => format!("{{part:{digits}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_tells_apart_is_known_from_its_directives() {
        use crate::encode::name::Apart::{All, AllOnOneClock, Unknown};
        for (text, apart) in [
            ("{run}.csv", All),
            ("a_{slot:%Y%m%dT%H%M%z}.csv", All),
            ("{slot:%F}_{slot:%R%:z}", All),
            ("{slot:%Y%j%H%M}", AllOnOneClock),
            ("{slot:%Y-%m-%d_%T}", AllOnOneClock),
            ("{slot:%Y%m%d}", Unknown),
            ("{slot:%Y%-m%-d%H%M%z}", Unknown),
            ("{slot:%y%m%d%H%M}", Unknown),
            ("{slot:%Y%m%d_%I%M}", Unknown),
            ("a.csv", Unknown),
        ] {
            assert_eq!(NameTemplate::parse(text).unwrap().tells_apart(), apart, "{text}");
        }
    }

    #[test]
    fn finer_templates_are_valid_and_keep_the_rest() {
        let finer = |text: &str| -> Vec<String> {
            let finer = NameTemplate::parse(text).unwrap().finer();
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
