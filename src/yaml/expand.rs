//! `${…}`, `{{ … }}`, `%NAME%` and similar placeholders that other programs expand and this one does not.

/// A placeholder in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Byte offset in the text.
    pub offset: usize,
    pub len: usize,
}

/// The meaning of single braces in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Braces {
    /// Placeholders of this program, parsed elsewhere: a name template.
    Ours,
    /// No meaning here: placeholders of another program too.
    Foreign,
}

/// Pairs of opening and closing delimiters. The inner text is not empty.
const PAIRS: [(&str, &str); 10] = [
    ("${", "}"),
    ("$(", ")"),
    ("$[", "]"),
    ("#{", "}"),
    ("@{", "}"),
    ("%{", "}"),
    ("{{", "}}"),
    ("{%", "%}"),
    ("<%", "%>"),
    ("[[", "]]"),
];

/// The largest number of characters of one placeholder.
const PLACEHOLDER_CHARS_MAX: usize = 200;

/// Returns the first placeholder of another program in a text.
pub fn find(text: &str, braces: Braces) -> Option<Found> {
    text.char_indices().find_map(|(offset, _)| {
        let len = at(&text[offset..], text[..offset].chars().next_back(), braces)?;
        Some(Found { offset, len })
    })
}

/// Returns true if the whole text is one placeholder: a secret may contain any characters.
pub fn is_whole(text: &str) -> bool {
    let text = text.trim();
    let whole = |found: Found| found.offset == 0 && found.len == text.len();
    find(text, Braces::Ours).is_some_and(whole)
}

/// Returns the length of the placeholder at the beginning of a text.
fn at(text: &str, before: Option<char>, braces: Braces) -> Option<usize> {
    // Longer ones are unlikely, and searching for their ends would be quadratic in the text's length.
    let end = text.char_indices().nth(PLACEHOLDER_CHARS_MAX).map_or(text.len(), |(end, _)| end);
    let text = &text[..end];
    let paired = PAIRS.iter().find_map(|(open, close)| {
        let inner = text.strip_prefix(open)?;
        let end = inner.find(close).filter(|end| is_expression(&inner[..*end]))?;
        Some(open.len() + end + close.len())
    });
    let word = |open: &str, close: &str, fits: fn(&str) -> bool| {
        let inner = text.strip_prefix(open)?;
        let end = inner.find(close).filter(|end| fits(&inner[..*end]))?;
        Some(open.len() + end + close.len())
    };
    paired
        .or_else(|| word("%", "%", is_variable))
        .or_else(|| word("<", ">", is_prompt))
        .or_else(|| word("@", "@", is_upper))
        .or_else(|| word("__", "__", is_upper))
        .or_else(|| shell(text, before))
        .or_else(|| match braces {
            Braces::Foreign => word("{", "}", is_expression),
            Braces::Ours => None,
        })
}

/// Returns true for text that names something: not empty, on one line, with a letter.
fn is_expression(inner: &str) -> bool {
    inner.contains(|c: char| c.is_alphabetic()) && !inner.contains(['\n', '{'])
}

/// Returns true for `%USERPROFILE%`; not for `%20x%` in an address, nor strftime's `%Y%m%d`.
fn is_variable(inner: &str) -> bool {
    let named = inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let first = inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let two = inner.get(..2).unwrap_or_default();
    let escape = two.bytes().all(|byte| byte.is_ascii_hexdigit()) && two.contains(|c: char| c.is_ascii_digit());
    inner.len() >= 3 && named && first && !escape
}

/// Returns true for `<YOUR-HOST>`, `<tenant name>`.
fn is_prompt(inner: &str) -> bool {
    let first = inner.starts_with(|c: char| c.is_alphabetic());
    first && inner.chars().all(|c| c.is_alphanumeric() || " _-./".contains(c))
}

/// Returns true for `@ENV@` and `__ENV__` of build tools.
fn is_upper(inner: &str) -> bool {
    inner.len() >= 2
        && inner.starts_with(|c: char| c.is_ascii_uppercase())
        && inner.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Returns the length of `$HOME` or `$env:NAME`: any name at the start of a path component, else only capitals.
fn shell(text: &str, before: Option<char>) -> Option<usize> {
    let inner = text.strip_prefix('$')?;
    let inner = inner.strip_prefix("env:").unwrap_or(inner);
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let name = &inner[..end];
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let begins = before.is_none_or(|c| "/\\:@ ._-".contains(c));
    (first && (begins || is_upper(name))).then_some(text.len() - inner.len() + end)
}

/// Returns the strftime directives of a text, if they include those of a date: `%Y%m%d` without a placeholder.
pub fn bare_format(text: &str) -> Option<Found> {
    let year = ["%Y", "%y", "%F"].iter().filter_map(|directive| text.find(directive)).min();
    let month = text.find("%m").filter(|_| text.contains("%d"));
    let offset = year.into_iter().chain(month).min()?;
    // Ends with the last directive.
    let directives: Vec<usize> = text.match_indices('%').map(|(at, _)| at).filter(|at| *at >= offset).collect();
    let end = directives.last().map_or(text.len(), |last| (last + 2).min(text.len()));
    text.get(offset..end).map(|format| Found { offset, len: format.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, braces: Braces) -> Option<&str> {
        find(text, braces).map(|found| &text[found.offset..found.offset + found.len])
    }

    #[test]
    fn f11_placeholders_of_other_programs_are_found() {
        for (text, placeholder) in [
            ("${ENV}/in", "${ENV}"),
            ("in/${ENV:-prod}/x", "${ENV:-prod}"),
            ("$(hostname)/in", "$(hostname)"),
            ("{{ tenant }}", "{{ tenant }}"),
            ("a_{{ds}}.csv", "{{ds}}"),
            ("%USERPROFILE%\\in", "%USERPROFILE%"),
            ("in/%date%", "%date%"),
            ("<YOUR-HOST>", "<YOUR-HOST>"),
            ("sftp.<customer>.example", "<customer>"),
            ("$HOME/in", "$HOME"),
            ("in/$env/x", "$env"),
            ("$env:USERPROFILE/x", "$env:USERPROFILE"),
            ("#{environment}/in", "#{environment}"),
            ("@{variables('x')}", "@{variables('x')}"),
            ("{% if x %}", "{% if x %}"),
            ("<%= env %>", "<%= env %>"),
            ("@ENVIRONMENT@/in", "@ENVIRONMENT@"),
            ("in/__ENV__", "__ENV__"),
            ("[[ env ]]", "[[ env ]]"),
        ] {
            assert_eq!(found(text, Braces::Ours), Some(placeholder), "{text}");
        }
        assert_eq!(found("in/{slot:%Y%m}", Braces::Foreign), Some("{slot:%Y%m}"));
        assert_eq!(found("in/{slot:%Y%m}", Braces::Ours), None);
        assert!(is_whole("${PASSWORD}") && is_whole(" {{ p }} ") && !is_whole("a${b}c") && !is_whole("pa$$w0rd"));
    }

    #[test]
    fn f11_what_stands_for_itself_is_left_alone() {
        for text in [
            "",
            "in/out",
            "C$",
            "share$/x",
            "svc$",
            "a$b",
            "100%",
            "a%20b%20c",
            "%C3%A4%C3%B6",
            "a<b",
            "<>",
            "a > b",
            "o_{slot:%Y%m%d}.csv",
            "{name}.done",
            "a{{b",
            "${}",
            "$()",
            "$",
            "$$",
            "$5",
            "{}",
            "reports@acme.example",
            "Ops <ops@acme.example>",
            "__",
            "a__b__c",
            "user__name",
            "[a]",
            "#1",
        ] {
            assert_eq!(found(text, Braces::Ours), None, "{text}");
        }
    }

    #[test]
    fn f07_directives_beside_no_placeholder_are_found() {
        let bare = |text: &str| bare_format(text).map(|found| text[found.offset..found.offset + found.len].to_owned());
        assert_eq!(bare("o_%Y%m%d.csv").as_deref(), Some("%Y%m%d"));
        assert_eq!(bare("o_%Y-%m-%d_%H%M.csv").as_deref(), Some("%Y-%m-%d_%H%M"));
        assert_eq!(bare("%m%d.csv").as_deref(), Some("%m%d"));
        assert_eq!(bare("100%.csv"), None);
        assert_eq!(bare("50%done.csv"), None);
    }
}
