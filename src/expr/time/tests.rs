use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::*;

fn clock(zone: &str) -> ZoneClock {
    ZoneClock::new(TimeZone::get(zone).unwrap())
}

fn seconds_of(local: DateTime) -> i64 {
    let days = days_from_civil(local.year().into(), local.month().into(), local.day().into());
    days * DAY_SECONDS + i64::from(local.hour()) * 3_600 + i64::from(local.minute()) * 60 + i64::from(local.second())
}

/// Returns a text of ISO form, formatted in a zone.
fn written(text: &str, format: &str, zone: &str) -> String {
    let mut out = Vec::new();
    let moment = read_iso(text.as_bytes()).unwrap_or_else(|| panic!("{text:?} is not read"));
    TimeFormat::compile(format).unwrap().write(moment, &mut clock(zone), &mut out);
    String::from_utf8(out).unwrap()
}

/// Returns a text parsed with a format, as `parse_time` writes it.
fn parsed(format: &str, text: &str, zone: &str) -> Result<String, String> {
    let format = TimeFormat::compile(format).unwrap();
    format.reads_a_date().unwrap();
    let mut out = Vec::new();
    match format.read(text.as_bytes(), &mut clock(zone))? {
        Moment::Date(days) => print_date(days, &mut out),
        Moment::Instant(instant) => print_seconds(instant.utc_seconds(), instant.nanoseconds, &mut out),
    }
    Ok(String::from_utf8(out).unwrap())
}

const ZONES: [&str; 6] =
    ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "UTC"];

#[test]
fn iso_times_read() {
    for (text, seconds) in [
        ("1970-01-01 00:00:01", Some(1)),
        ("1970-01-01T00:00:01Z", Some(1)),
        ("1970-01-01t00:00:01z", Some(1)),
        ("1970-01-01 00:00:01 UTC", Some(1)),
        ("1970-01-01 00:00:01UTC", Some(1)),
        ("1970-01-01 00:00:01 Z", Some(1)),
        ("1970-01-01T01:00:01+01:00", Some(1)),
        ("1970-01-01T01:00:01+0100", Some(1)),
        ("1970-01-01T01:00:01+01", Some(1)),
        ("1970-01-01 01:00:01 +01", Some(1)),
        ("1970-01-01 01:00+01", Some(0)),
        ("1970-01-01 01:00Z", Some(3_600)),
        ("1970-01-01T01:00", Some(3_600)),
        ("1969-12-31 23:30:01-00:30", Some(1)),
        ("1970-01-01 00:00:01.5", Some(1)),
        ("1970-01-01 00:00:01,5", Some(1)),
        ("1970-01-01 00:00:01.123456789Z", Some(1)),
        (" \t1970-01-01 00:00:01  ", Some(1)),
        ("9999-12-31 23:59:59", Some(253_402_300_799)),
        ("0001-01-01 00:00:00", Some(-62_135_596_800)),
        ("2026-01-01 24:00:00", None),
        ("2026-01-01 00:60:00", None),
        ("2026-01-01 00:00:60", None),
        ("2026-01-01 00", None),
        ("2026-01-01 00:", None),
        ("2026-01-01 00:00:", None),
        ("2026-01-01 00:00.5", None),
        ("2026-01-01 00:00:00.", None),
        ("2026-01-01 00:00:00.1234567890", None),
        ("2026-01-01 00:00:00+24:00", None),
        ("2026-01-01 00:00:00+1", None),
        ("2026-01-01 00:00:00+010", None),
        ("2026-01-01 00:00:00  Z", None),
        ("2026-01-01 00:00:00 EST", None),
        ("2026-01-01x", None),
        ("2026-01-01 ", None),
        ("2026/01/01", None),
        ("é026-01-01", None),
        ("", None),
    ] {
        let found = match read_iso(text.as_bytes()) {
            Some(Moment::Instant(instant)) => Some(instant.seconds),
            _ => None,
        };
        assert_eq!(found, seconds, "{text:?}");
    }
}

#[test]
fn f03_a_text_without_a_time_is_a_date() {
    for (text, days) in [
        ("1970-01-01", Some(0)),
        (" 1970-01-01\t", Some(0)),
        ("2024-02-29", Some(19_782)),
        ("9999-12-31", Some(2_932_896)),
        ("0001-01-01", Some(-719_162)),
        ("2023-02-29", None),
        ("2026-13-01", None),
        ("2026-00-01", None),
        ("2026-01-00", None),
        ("0000-00-00", None),
    ] {
        assert_eq!(read_iso(text.as_bytes()), days.map(Moment::Date), "{text:?}");
    }
}

#[test]
fn f03_a_date_without_a_time_does_not_move() {
    for zone in ZONES.into_iter().chain(["Pacific/Kiritimati", "Pacific/Pago_Pago", "America/Sao_Paulo"]) {
        for (text, shown) in [
            ("2026-01-05", "01/05/2026"),
            (" 2026-01-05 ", "01/05/2026"),
            ("9999-12-31", "12/31/9999"),
            ("0001-01-01", "01/01/0001"),
            ("2018-11-04", "11/04/2018"), // midnight was left out in São Paulo
        ] {
            assert_eq!(written(text, "%m/%d/%Y", zone), shown, "{zone}");
            assert_eq!(written(text, "%d/%m %H:%M:%S.%3f", zone)[5..], *" 00:00:00.000", "{zone}");
            assert_eq!(parsed("%m/%d/%Y", shown, zone).unwrap(), text.trim(), "{zone}");
        }
    }
    // The offset is the one at the beginning of that day.
    assert_eq!(written("2026-07-05", "%FT%T%:z %Z", "America/New_York"), "2026-07-05T00:00:00-04:00 EDT");
    assert_eq!(written("9999-12-31", "%FT%T%:z %Z", "America/New_York"), "9999-12-31T00:00:00-05:00 EST");
}

#[test]
fn f05_far_dates_are_dates_like_any_other() {
    for zone in ZONES.into_iter().chain(["Pacific/Kiritimati", "Pacific/Pago_Pago"]) {
        assert_eq!(written("9999-12-31 23:59:59", "%Y-%m-%d", zone), "9999-12-31", "{zone}");
        assert_eq!(
            written("9999-12-31 23:59:59", "%-d. %B %Y, %A %j", zone),
            "31. December 9999, Friday 365",
            "{zone}"
        );
        assert_eq!(written("0001-01-01 00:00:00", "%Y-%m-%d", zone), "0001-01-01", "{zone}");
        assert!(parsed("%m/%d/%Y %H:%M:%S", "12/31/9999 23:59:59", zone).unwrap().starts_with("9999-12-31 "), "{zone}");
        assert!(parsed("%m/%d/%Y %H:%M:%S", "01/01/0001 00:00:00", zone).unwrap().starts_with("0001-01-01 "), "{zone}");
    }
    // Instants that stay in the range move with the zone; others are written unchanged.
    let format = "%Y-%m-%d %H:%M:%S%:z";
    assert_eq!(written("9999-12-31 23:59:59", format, "America/New_York"), "9999-12-31 18:59:59-05:00");
    assert_eq!(written("9999-12-31 23:59:59", format, "Asia/Tokyo"), "9999-12-31 23:59:59+00:00");
    assert_eq!(written("9999-12-31 23:59:59-05:00", format, "Asia/Tokyo"), "9999-12-31 23:59:59-05:00");
    assert_eq!(written("9999-12-31 23:59:59-05:00", format, "America/New_York"), "9999-12-31 23:59:59-05:00");
    assert_eq!(written("0001-01-01 00:00:00", format, "America/New_York"), "0001-01-01 00:00:00+00:00");
    assert_eq!(written("9999-12-31 23:59:59", "%Z", "Asia/Tokyo"), "+00:00");
}

#[test]
fn every_day_of_eight_centuries_is_the_one_that_jiff_knows() {
    let mut date = jiff::civil::date(1600, 1, 1);
    let first = days_from_civil(1600, 1, 1);
    for offset in 0..292_194 {
        assert_eq!(civil_from_days(first + offset), (date.year().into(), date.month() as u32, date.day() as u32));
        assert_eq!(checked_days(date.year().into(), date.month().into(), date.day().into()), Some(first + offset));
        date = date.tomorrow().unwrap();
    }
}

#[test]
fn shown_times_are_jiffs_own_around_every_transition() {
    let written = "%Y-%m-%d %H:%M:%S %z %:z %::z %:::z %Z %Q|%a %A %b %B %h %^a %^B|%C %y %-y %j %-j %_d %e %-d %-m %_m\
                   |%k %l %I %-I %p %P %s|%G %g %V %U %W %u %w %q|%f %.f %3f %.3f %6f %9f %N|%F %T %R|%%%n%t";
    let format = TimeFormat::compile(written).unwrap();
    for name in ZONES {
        let zone = TimeZone::get(name).unwrap();
        let mut clock = clock(name);
        let edges = zone.preceding(Timestamp::from_second(2_000_000_000).unwrap()).take(80).map(|t| t.timestamp());
        let edges: Vec<i64> = edges.map(|edge| edge.as_second()).chain([0, -1, 1_700_000_000]).collect();
        for edge in edges {
            for (index, seconds) in [edge - 1, edge, edge + 1, edge - 86_400, edge + 86_400].into_iter().enumerate() {
                let mut out = Vec::new();
                // Before 1970, jiff rounds `%s` up.
                let nanoseconds = if seconds < 0 { 0 } else { [0, 1, 250_000_000, 999_999_999, 120][index] };
                format.write(Moment::Instant(Instant::utc(seconds, nanoseconds)), &mut clock, &mut out);
                let instant = Timestamp::from_second(seconds).unwrap();
                let precise = instant + std::time::Duration::from_nanos(nanoseconds.into());
                let expected = strtime::format(written, &precise.to_zoned_datetime(zone.clone())).unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{name} {seconds}");
                let zoned = instant.to_zoned_datetime(zone.clone());
                let local = seconds_of(zoned.datetime());
                let expected = zone.to_timestamp(zoned.datetime()).unwrap().as_second();
                assert_eq!(clock.instant_of(local), expected, "{name} {zoned}");
            }
        }
    }
}

#[test]
fn every_directive_is_jiffs_on_every_day_of_many_years() {
    let written = "%G-W%V-%u %g %U %W %w %j %q %A";
    let format = TimeFormat::compile(written).unwrap();
    let mut zone = clock("UTC");
    let mut out = Vec::new();
    let mut date = jiff::civil::date(1970, 1, 1);
    for days in 0..36_000 {
        out.clear();
        format.write(Moment::Date(days), &mut zone, &mut out);
        let expected = strtime::format(written, date).unwrap();
        assert_eq!(String::from_utf8_lossy(&out), expected, "{date}");
        date = date.tomorrow().unwrap();
    }
}

#[test]
fn written_times_read_back() {
    for (format, text, shown) in [
        ("%m/%d/%Y", "07/05/2026", "2026-07-05"),
        ("%m/%d/%Y", "7/5/2026", "2026-07-05"),
        ("%-m/%-d/%Y", "7/5/2026", "2026-07-05"),
        ("%Y%m%d", "20260705", "2026-07-05"),
        ("%Y%j", "2026186", "2026-07-05"),
        ("%m/%d/%y", "07/16/68", "2068-07-16"),
        ("%m/%d/%y", "07/16/69", "1969-07-16"),
        ("%m/%d/%Y", " 07/05/2026 ", "2026-07-05"),
        ("%m/%d/%Y %H:%M", "01/05/2026 23:00", "2026-01-06 04:00:00"),
        ("%m/%d/%Y %I:%M %p", "1/5/2026 7:05 pm", "2026-01-06 00:05:00"),
        ("%m/%d/%Y %I:%M %p", "01/05/2026 12:05 AM", "2026-01-05 05:05:00"),
        ("%m/%d/%Y %l:%M%P", "01/05/2026  7:05am", "2026-01-05 12:05:00"),
        ("%d %b %Y", "5 Jul 2026", "2026-07-05"),
        ("%A, %B %e, %Y", "Sunday, july  5, 2026", "2026-07-05"),
        ("%Y-%m-%d %H:%M:%S%z", "2026-07-05 00:00:00+0200", "2026-07-04 22:00:00"),
        ("%Y-%m-%d %H:%M:%S%z", "2026-07-05 00:00:00+02:00", "2026-07-04 22:00:00"),
        ("%Y-%m-%d %H:%M:%S%z", "2026-07-05 00:00:00+02", "2026-07-04 22:00:00"),
        ("%Y-%m-%d %H:%M:%S%z", "2026-07-05 00:00:00Z", "2026-07-05 00:00:00"),
        ("%Y-%m-%d %H:%M:%S%:z", "2026-07-05 00:00:00+0200", "2026-07-04 22:00:00"),
        ("%Y-%m-%d %H:%M:%S%:z", "2026-07-05 00:00:00+02:00", "2026-07-04 22:00:00"),
        ("%Y-%m-%d %H:%M:%S %:z", "2026-07-05 00:00:00 -02", "2026-07-05 02:00:00"),
        ("%Y-%m-%d %H:%M:%S%:z", "2026-07-05 00:00:00z", "2026-07-05 00:00:00"),
        ("%s", "60", "1970-01-01 00:01:00"),
        // Fractions are kept.
        ("%FT%T%.f", "2026-07-05T00:00:00.250", "2026-07-05 04:00:00.25"),
        ("%FT%T%.f", "2026-07-05T00:00:00", "2026-07-05 04:00:00"),
        ("%FT%T.%f", "2026-07-05T00:00:00.000000001", "2026-07-05 04:00:00.000000001"),
        ("%FT%T.%3f", "2026-07-05T00:00:00.125", "2026-07-05 04:00:00.125"),
        ("%FT%T%.3f%z", "2026-07-05T00:00:00.125Z", "2026-07-05 00:00:00.125"),
        // In the gap: by the offset before it. In the fold: the first.
        ("%D %R", "07/05/26 00:00", "2026-07-05 04:00:00"),
        ("%F %T", "2026-03-08 02:30:00", "2026-03-08 07:30:00"),
        ("%F %T", "2026-11-01 01:30:00", "2026-11-01 05:30:00"),
    ] {
        assert_eq!(parsed(format, text, "America/New_York").as_deref(), Ok(shown), "{format} {text}");
    }
}

#[test]
fn f04_what_a_format_cannot_mean_is_an_error() {
    let shown: Vec<String> = [
        ("%m/%d/%Y", "07/16/68"),
        ("%m/%d/%Y", "07/16/068"),
        ("%m/%d/%Y", "07/16/20268"),
        ("%m/%d/%Y", "07/16/-2026"),
        ("%m/%d/%Y", "07/16/0000"),
        ("%m/%d/%y", "07/16/2026"),
        ("%m/%d/%y", "07/16/6"),
        ("%m/%d/%Y", "13/05/2026"),
        ("%m/%d/%Y", "00/05/2026"),
        ("%m/%d/%Y", "02/30/2026"),
        ("%m/%d/%Y", "02/29/2025"),
        ("%m/%d/%Y", "007/05/2026"),
        ("%m/%d/%Y", "07/05/2026x"),
        ("%m/%d/%Y", "07/05/2026 10:00"),
        ("%m/%d/%Y", "07-05-2026"),
        ("%m/%d/%Y", "2026-07-05"),
        ("%m/%d/%Y", "+7/05/2026"),
        ("%m/%d/%Y", ""),
        ("%Y%m%d", "2026115"),
        ("%Y%m%d", "202601051"),
        ("%Y-%m-%d %H:%M", "2026-01-05"),
        ("%Y-%m-%d %H:%M", "2026-01-05 24:00"),
        ("%Y-%m-%d %H:%M", "2026-01-05 10:60"),
        ("%Y-%m-%d %H:%M:%S", "2026-01-05 10:00:60"),
        ("%Y-%m-%d %I:%M %p", "2026-01-05 13:00 PM"),
        ("%Y-%m-%d %I:%M %p", "2026-01-05 10:00"),
        ("%Y-%m-%d %H:%M %p", "2026-01-05 10:00 PM"),
        ("%d %b %Y", "5 July 2026"),
        ("%d %B %Y", "5 Jul 2026"),
        ("%a %Y-%m-%d", "Mon 2026-07-05"),
        ("%Y-%j", "2026-366"),
        ("%F %T", "2026-01-05 10:00:00.5"),
        ("%F %T%.f", "2026-01-05 10:00:00."),
        ("%F %T.%3f", "2026-01-05 10:00:00.5"),
        ("%F %T%z", "2026-01-05 10:00:00"),
        ("%F %T%z", "2026-01-05 10:00:00+2"),
        ("%F %T%z", "2026-01-05 10:00:00+25:00"),
        ("%s", "99999999999999"),
    ]
    .into_iter()
    .map(|(format, text)| format!("{format} {text:?}: {}", parsed(format, text, "America/New_York").unwrap_err()))
    .collect();
    insta::assert_snapshot!(shown.join("\n"));
}
