//! Abbreviations, offsets and other programs' names of time zones → the intended IANA zones.

use super::ZoneProblem;
use crate::yaml::problem::did_you_mean;

/// An abbreviation and the zones that it may refer to, the most likely first.
type Abbreviation = (&'static str, &'static [(&'static str, &'static str)]);

#[rustfmt::skip]
const ABBREVIATIONS: &[Abbreviation] = &[
    ("PST", &[("America/Los_Angeles", "")]), ("PDT", &[("America/Los_Angeles", "")]), ("PT", &[("America/Los_Angeles", "")]),
    ("MST", &[("America/Denver", "with summer time"), ("America/Phoenix", "-07:00 all year")]),
    ("MDT", &[("America/Denver", "")]), ("MT", &[("America/Denver", "")]),
    ("CST", &[("America/Chicago", "United States"), ("Asia/Shanghai", "China"), ("America/Havana", "Cuba")]),
    ("CDT", &[("America/Chicago", "United States"), ("America/Havana", "Cuba")]), ("CT", &[("America/Chicago", "")]),
    ("EST", &[("America/New_York", "with summer time"), ("America/Panama", "-05:00 all year")]),
    ("EDT", &[("America/New_York", "")]), ("ET", &[("America/New_York", "")]),
    ("AKST", &[("America/Anchorage", "")]), ("AKDT", &[("America/Anchorage", "")]),
    ("HST", &[("Pacific/Honolulu", "")]), ("HDT", &[("America/Adak", "")]),
    ("AST", &[("America/Halifax", "Canada, with summer time"), ("America/Puerto_Rico", "-04:00 all year"), ("Asia/Riyadh", "Arabia")]),
    ("ADT", &[("America/Halifax", "")]), ("NST", &[("America/St_Johns", "")]), ("NDT", &[("America/St_Johns", "")]),
    ("BRT", &[("America/Sao_Paulo", "")]), ("ART", &[("America/Argentina/Buenos_Aires", "")]),
    ("CLT", &[("America/Santiago", "")]), ("COT", &[("America/Bogota", "")]), ("PET", &[("America/Lima", "")]),
    ("BST", &[("Europe/London", "British summer time"), ("Asia/Dhaka", "Bangladesh")]),
    ("IST", &[("Asia/Kolkata", "India"), ("Europe/Dublin", "Ireland"), ("Asia/Jerusalem", "Israel")]),
    ("WET", &[("Europe/Lisbon", "")]), ("WEST", &[("Europe/Lisbon", "")]),
    ("CET", CENTRAL_EUROPE), ("CEST", CENTRAL_EUROPE), ("MET", CENTRAL_EUROPE), ("MEST", CENTRAL_EUROPE),
    ("MEZ", CENTRAL_EUROPE), ("MESZ", CENTRAL_EUROPE),
    ("EET", &[("Europe/Athens", ""), ("Europe/Helsinki", ""), ("Europe/Bucharest", "")]),
    ("EEST", &[("Europe/Athens", ""), ("Europe/Helsinki", ""), ("Europe/Bucharest", "")]),
    ("MSK", &[("Europe/Moscow", "")]), ("TRT", &[("Europe/Istanbul", "")]),
    ("SAST", &[("Africa/Johannesburg", "")]), ("EAT", &[("Africa/Nairobi", "")]), ("WAT", &[("Africa/Lagos", "")]),
    ("CAT", &[("Africa/Maputo", "")]), ("GST", &[("Asia/Dubai", "")]), ("PKT", &[("Asia/Karachi", "")]),
    ("IDT", &[("Asia/Jerusalem", "")]), ("NPT", &[("Asia/Kathmandu", "")]), ("ICT", &[("Asia/Bangkok", "")]),
    ("WIB", &[("Asia/Jakarta", "")]), ("SGT", &[("Asia/Singapore", "")]), ("MYT", &[("Asia/Kuala_Lumpur", "")]),
    ("PHT", &[("Asia/Manila", "")]), ("HKT", &[("Asia/Hong_Kong", "")]), ("JST", &[("Asia/Tokyo", "")]),
    ("KST", &[("Asia/Seoul", "")]), ("AWST", &[("Australia/Perth", "")]),
    ("ACST", &[("Australia/Adelaide", "with summer time"), ("Australia/Darwin", "+09:30 all year")]),
    ("ACDT", &[("Australia/Adelaide", "")]),
    ("AEST", &[("Australia/Sydney", "with summer time"), ("Australia/Brisbane", "+10:00 all year")]),
    ("AEDT", &[("Australia/Sydney", "")]), ("NZST", &[("Pacific/Auckland", "")]), ("NZDT", &[("Pacific/Auckland", "")]),
    ("Z", &[("UTC", "")]),
];

const CENTRAL_EUROPE: &[(&str, &str)] = &[("Europe/Berlin", ""), ("Europe/Paris", ""), ("Europe/Rome", "")];

/// Offsets in minutes: a zone that has it all year, and one that has it in winter.
#[rustfmt::skip]
const OFFSETS: &[(i32, &str, Option<&str>)] = &[
    (-660, "Pacific/Pago_Pago", None), (-600, "Pacific/Honolulu", None), (-540, "Pacific/Gambier", Some("America/Anchorage")),
    (-480, "Pacific/Pitcairn", Some("America/Los_Angeles")), (-420, "America/Phoenix", Some("America/Denver")),
    (-360, "America/Costa_Rica", Some("America/Chicago")), (-300, "America/Panama", Some("America/New_York")),
    (-240, "America/Puerto_Rico", Some("America/Halifax")), (-180, "America/Argentina/Buenos_Aires", None),
    (-120, "America/Noronha", None), (-60, "Atlantic/Cape_Verde", None), (0, "UTC", Some("Europe/London")),
    (60, "Africa/Lagos", Some("Europe/Paris")), (120, "Africa/Johannesburg", Some("Europe/Athens")),
    (180, "Asia/Riyadh", None), (210, "Asia/Tehran", None), (240, "Asia/Dubai", None), (270, "Asia/Kabul", None),
    (300, "Asia/Karachi", None), (330, "Asia/Kolkata", None), (345, "Asia/Kathmandu", None), (360, "Asia/Dhaka", None),
    (390, "Asia/Yangon", None), (420, "Asia/Bangkok", None), (480, "Asia/Singapore", None), (540, "Asia/Tokyo", None),
    (570, "Australia/Darwin", Some("Australia/Adelaide")), (600, "Australia/Brisbane", Some("Australia/Sydney")),
    (660, "Pacific/Guadalcanal", None), (720, "Pacific/Tarawa", Some("Pacific/Auckland")),
    (780, "Pacific/Tongatapu", None), (840, "Pacific/Kiritimati", None),
];

/// Zone names of Windows and other programs, in lower case.
#[rustfmt::skip]
const ELSEWHERE: &[(&str, &str)] = &[
    ("pacific standard time", "America/Los_Angeles"), ("mountain standard time", "America/Denver"),
    ("us mountain standard time", "America/Phoenix"), ("central standard time", "America/Chicago"),
    ("eastern standard time", "America/New_York"), ("atlantic standard time", "America/Halifax"),
    ("e. south america standard time", "America/Sao_Paulo"), ("gmt standard time", "Europe/London"),
    ("greenwich standard time", "Atlantic/Reykjavik"), ("w. europe standard time", "Europe/Berlin"),
    ("central europe standard time", "Europe/Budapest"), ("central european standard time", "Europe/Warsaw"),
    ("romance standard time", "Europe/Paris"), ("e. europe standard time", "Europe/Chisinau"),
    ("gtb standard time", "Europe/Athens"), ("fle standard time", "Europe/Helsinki"),
    ("turkey standard time", "Europe/Istanbul"), ("russian standard time", "Europe/Moscow"),
    ("israel standard time", "Asia/Jerusalem"), ("south africa standard time", "Africa/Johannesburg"),
    ("arabian standard time", "Asia/Dubai"), ("arab standard time", "Asia/Riyadh"),
    ("india standard time", "Asia/Kolkata"), ("china standard time", "Asia/Shanghai"),
    ("singapore standard time", "Asia/Singapore"), ("tokyo standard time", "Asia/Tokyo"),
    ("korea standard time", "Asia/Seoul"), ("aus eastern standard time", "Australia/Sydney"),
    ("e. australia standard time", "Australia/Brisbane"), ("w. australia standard time", "Australia/Perth"),
    ("cen. australia standard time", "Australia/Adelaide"), ("new zealand standard time", "Pacific/Auckland"),
    ("pacific time", "America/Los_Angeles"), ("mountain time", "America/Denver"), ("central time", "America/Chicago"),
    ("eastern time", "America/New_York"), ("central european time", "Europe/Berlin"), ("india", "Asia/Kolkata"),
    ("germany", "Europe/Berlin"), ("france", "Europe/Paris"), ("italy", "Europe/Rome"), ("spain", "Europe/Madrid"),
];

/// Returns the problem of an abbreviation or an offset, even if the database knows it.
pub(super) fn not_a_zone(name: &str) -> Option<ZoneProblem> {
    let upper = name.to_uppercase();
    if let Some((_, zones)) = ABBREVIATIONS.iter().find(|(abbreviation, _)| *abbreviation == upper) {
        let what = match zones {
            [_] => format!("{name:?} is an abbreviation: it does not define when clocks change"),
            _ => format!("{name:?} is an ambiguous abbreviation"),
        };
        let zone = |(zone, remark): &(&str, &str)| match *remark {
            "" => format!("`{zone}`"),
            remark => format!("`{zone}` ({remark})"),
        };
        let zones: Vec<String> = zones.iter().map(zone).collect();
        return Some(ZoneProblem { what, hint: format!("write {}", join_or(&zones)) });
    }
    let (minutes, form) = offset(&upper)?;
    let what = match form {
        // `GMT+0` and similar names are in the database.
        Form::Etc | Form::Gmt if minutes == 0 => return None,
        Form::Etc => format!("{name:?} is {} UTC: the sign of such names is inverted", ahead(minutes)),
        Form::Gmt | Form::Utc | Form::Plain => format!("{name:?} is an offset: it does not define when clocks change"),
    };
    let hint = match OFFSETS.iter().find(|(offset, ..)| *offset == minutes) {
        Some((0, zone, _)) => format!("write `{zone}`"),
        Some((_, all_year, None)) => format!("write `{all_year}` ({} all year)", shown(minutes)),
        Some((_, all_year, Some(winter))) => format!(
            "write the zone of a place: `{winter}` ({} in winter) or `{all_year}` ({} all year)",
            shown(minutes),
            shown(minutes)
        ),
        None => "write the zone of a place: `America/New_York`, `Europe/Rome`".to_owned(),
    };
    Some(ZoneProblem { what, hint })
}

/// Returns a hint for an unknown name.
pub(super) fn likely_zone(name: &str, names: &[String]) -> String {
    let lower = name.trim().to_lowercase();
    // `(UTC-05:00) Eastern Time (US & Canada)`
    let bare = lower.split_once(") ").map_or(lower.as_str(), |(_, rest)| rest);
    let bare = bare.split(" (").next().unwrap_or(bare);
    if let Some((_, zone)) = ELSEWHERE.iter().find(|(known, _)| *known == bare) {
        return format!("write `{zone}`");
    }
    let city = bare.replace(' ', "_");
    if let Some(zone) =
        names.iter().find(|zone| zone.rsplit('/').next().is_some_and(|last| last.to_lowercase() == city))
    {
        return format!("write `{zone}`");
    }
    did_you_mean(name, names.iter().map(String::as_str))
        .unwrap_or_else(|| "write an IANA name: `America/New_York`, `Europe/Rome`, `UTC`".into())
}

enum Form {
    /// `Etc/GMT-2`, whose sign is inverted.
    Etc,
    Gmt,
    Utc,
    Plain,
}

/// Parses an offset to minutes ahead of UTC: `GMT+2`, `UTC-05:00`, `+0530`, `Etc/GMT-2`.
fn offset(upper: &str) -> Option<(i32, Form)> {
    let (form, rest) = if let Some(rest) = upper.strip_prefix("ETC/GMT").or_else(|| upper.strip_prefix("ETC/UTC")) {
        (Form::Etc, rest)
    } else if let Some(rest) = upper.strip_prefix("GMT") {
        (Form::Gmt, rest)
    } else if let Some(rest) = upper.strip_prefix("UTC") {
        (Form::Utc, rest)
    } else {
        (Form::Plain, upper)
    };
    let rest = rest.trim();
    let (negative, digits) = match rest.chars().next()? {
        '+' => (false, &rest[1..]),
        sign @ ('-' | '−' | '–') => (true, &rest[sign.len_utf8()..]),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits, "0"),
    };
    let number = |digits: &str| digits.parse::<i32>().ok().filter(|_| digits.len() <= 2);
    let minutes = number(hours)? * 60 + number(minutes)?;
    let turned = matches!(form, Form::Etc);
    Some((if negative == turned { minutes } else { -minutes }, form))
}

fn ahead(minutes: i32) -> String {
    let way = if minutes < 0 { "behind" } else { "ahead of" };
    match (minutes.abs() / 60, minutes.abs() % 60) {
        (1, 0) => format!("1 hour {way}"),
        (hours, 0) => format!("{hours} hours {way}"),
        (hours, minutes) => format!("{hours}:{minutes:02} hours {way}"),
    }
}

fn shown(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

fn join_or(words: &[String]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        words => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use crate::schedule::zone;

    /// Returns the first zone in the hint, which must be valid.
    fn hint(name: &str) -> String {
        let problem = zone::parse(name).expect_err(name);
        let mut quoted = problem.hint.split('`').skip(1).step_by(2);
        let first = quoted.next().or_else(|| problem.hint.split('"').nth(1)).expect(name).to_owned();
        assert!(zone::parse(&first).is_ok(), "{problem}");
        for other in quoted {
            assert!(zone::parse(other).is_ok(), "{problem}");
        }
        first
    }

    #[test]
    fn abbreviations_and_offsets_are_refused_and_the_zone_is_named() {
        for (given, zone) in [
            ("PST", "America/Los_Angeles"),
            ("pst", "America/Los_Angeles"),
            ("IST", "Asia/Kolkata"),
            ("EST", "America/New_York"),
            ("MST", "America/Denver"),
            ("CST", "America/Chicago"),
            ("CET", "Europe/Berlin"),
            ("BST", "Europe/London"),
            ("JST", "Asia/Tokyo"),
            ("GMT+2", "Europe/Athens"),
            ("UTC+2", "Europe/Athens"),
            ("UTC +02:00", "Europe/Athens"),
            ("UTC-5", "America/New_York"),
            ("Etc/GMT-2", "Europe/Athens"),
            ("Etc/GMT+5", "America/New_York"),
            ("+02:00", "Europe/Athens"),
            ("-0330", "America/New_York"),
            ("+5:30", "Asia/Kolkata"),
            ("+00:00", "UTC"),
            ("UTC+0", "UTC"),
            ("Z", "UTC"),
            ("Eastern Standard Time", "America/New_York"),
            ("(UTC-05:00) Eastern Time (US & Canada)", "America/New_York"),
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("Rome", "Europe/Rome"),
            ("New York", "America/New_York"),
            ("America/New_Yrok", "America/New_York"),
        ] {
            assert_eq!(hint(given), zone, "{given}");
        }
        let turned = zone::parse("Etc/GMT-2").expect_err("turned").to_string();
        assert!(turned.contains("2 hours ahead of UTC: the sign of such names is inverted"), "{turned}");
        let several = zone::parse("IST").expect_err("several").to_string();
        assert!(several.contains("(India), `Europe/Dublin` (Ireland) or `Asia/Jerusalem` (Israel)"), "{several}");
    }

    #[test]
    fn names_of_the_database_are_taken() {
        for name in [
            "UTC",
            "GMT",
            "Etc/UTC",
            "Etc/GMT",
            "Zulu",
            "GMT0",
            "America/New_York",
            "US/Eastern",
            "EST5EDT",
            "Singapore",
        ] {
            assert!(zone::parse(name).is_ok(), "{name}");
        }
        for (_, zones) in super::ABBREVIATIONS {
            assert!(zones.iter().all(|(name, _)| zone::parse(name).is_ok()), "{zones:?}");
        }
        assert!(super::OFFSETS.iter().all(|(_, name, _)| zone::parse(name).is_ok()));
        assert!(super::ELSEWHERE.iter().all(|(_, name)| zone::parse(name).is_ok()));
    }
}
