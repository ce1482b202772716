//! Slips that a person makes in YAML, and texts that are not what they look like: the messages, and that the replacement
//! which a hint gives is right.

use reportferry::yaml::problem::Problem;

use super::{Folder, PIPELINE, SETTINGS};

const HRIS: &str = "  hris: {path: /inbound/learning, existing: replace, done_file: \"{name}.done\", required: true}\n";
const CSV: &str = "  csv: {delimiter: \"|\", quote: necessary, record_end: crlf, header: names, bom: false}\n";
const SET: &str = "  - set:\n      done: upper(done)\n";
const RENAME: &str = "  - rename: {id: Employee Number, course: Course Code, done: Completion Date, email: Email}\n";
const FILTER: &str = "filter: id is not null and done > '2026-01-01'";
const NAME: &str = "\"completions_{slot:%Y%m%d}.csv\"";

fn found(text: &str, settings: &str) -> (Folder, Vec<Problem>) {
    let folder = Folder::new(settings, text);
    let problems = match folder.settings_with(&[], &[]) {
        Err(problems) => problems,
        Ok((_, warnings)) => match folder.load() {
            Ok((_, problems)) => [warnings, problems].concat(),
            Err(problems) => problems,
        },
    };
    (folder, problems)
}

/// The text with the first problem's replacement in its place, as a person would take the hint.
fn applied(text: &str, problem: &Problem) -> String {
    let hint = problem.hint.as_deref().unwrap_or_else(|| panic!("no hint: {problem}"));
    let (_, rest) = hint.split_once('`').unwrap_or_else(|| panic!("no replacement: {problem}"));
    let instead = rest.split('`').next().unwrap();
    let span = problem.place.as_ref().unwrap().span.clone();
    let at = &text[span.start..];
    // The replacement is the same text in quotes, or with a space; else it takes the place of what is marked.
    let quoted = |quote: char| instead.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let inner = quoted('"').map(str::to_owned).or_else(|| quoted('\'').map(|inner| inner.replace("''", "'")));
    let joined = instead.replacen(": ", ":", 1);
    let line = at.find('\n').unwrap_or(at.len());
    let length = match instead.split_once(": ") {
        _ if inner.as_ref().is_some_and(|inner| at.starts_with(inner)) => inner.unwrap_or_default().len(),
        Some(_) if at.starts_with(&joined) => joined.len(),
        Some((key, _)) if at.starts_with(key) => line,
        Some(("delimiter", value)) => return format!("{}{value}{}", &text[..span.start], &text[span.end..]),
        _ => span.len(),
    };
    format!("{}{instead}{}", &text[..span.start], &text[span.start + length..])
}

#[test]
fn slips_are_named_and_the_replacement_that_is_given_is_right() {
    let mut out = String::new();
    for (right, wrong) in [
        // What a `#` cuts off.
        (FILTER, "filter: course = 'Level #1'"),
        (FILTER, "filter: \"course\" = 'x'"),
        (FILTER, "filter: course = 'Level #1' and id is not null"),
        (HRIS, "  hris:\n    path: Inbound #1\n"),
        (HRIS, "  hris: {path: Inbound #1}\n"),
        (HRIS, "  hris:\n    path: Inbound #\n"),
        (NAME, "List #1.csv"),
        (RENAME, "  - rename:\n      id: Employee #\n      course: Course Code\n      done: Completion Date\n"),
        (RENAME, "  - rename: {id: Employee Number, course: Course #, done: Completion Date}\n"),
        ("    report: 619bf79c-970a-4a8e-be8a-dde48a05c652\n", "    report:\n      name: Completions #1\n"),
        // What a comma cuts off.
        (SET, "  - set: {done: concat(id, 'x', 'y')}\n"),
        (SET, "  - set: {done: substr(id, 1, 2)}\n"),
        (SET, "  - set: {done: 'x' || substr(id, 1, 2) || 'y', course: upper(course)}\n"),
        (SET, "  - set: {done: substr(id, 1, 2), course: upper(course)}\n"),
        ("  - filter: id is not null and done > '2026-01-01'\n", "  - {filter: id in ('a', 'b')}\n"),
        // What a missing space joins.
        ("  timezone: America/New_York", "  timezone:America/New_York"),
        ("  jitter: 2m", "  jitter:2m"),
        ("{min: 1, max: 1000}", "{min:1, max: 1000}"),
        // Braces, bars and tabs without quotes.
        (NAME, "{slot:%Y%m%d}.csv"),
        (NAME, "{slot:%Y%m%d}"),
        (HRIS, "  hris: {path: /inbound/learning, existing: replace, done_file: {name}.done}\n"),
        ("delimiter: \"|\"", "delimiter: |"),
        (CSV, "  csv:\n    delimiter: |\n    quote: always\n"),
        (CSV, "  csv:\n    delimiter: |\n"),
        ("delimiter: \"|\"", "delimiter: '\\t'"),
        ("delimiter: \"|\"", "delimiter: \\t"),
        ("delimiter: \"|\"", "delimiter: tab"),
        ("delimiter: \"|\"", "delimiter: semicolon"),
        // Formats and fields of other programs.
        ("{slot:%Y%m%d}", "{slot:YYYYMMDD}"),
        ("{slot:%Y%m%d}", "{slot:yyyy-MM-dd}"),
        ("{slot:%Y%m%d}", "{slot:%Y-MM-dd}"),
        ("{slot:%Y%m%d}", "{slot:Ymd}"),
        ("{slot:%Y%m%d}", "{slot}"),
        ("{slot:%Y%m%d}", "{slot:iso}"),
        ("{slot:%Y%m%d}", "{ slot:%Y%m%d }"),
        ("{slot:%Y%m%d}", "{slto:%Y%m%d}"),
        ("{slot:%Y%m%d}", "{date}"),
        ("{slot:%Y%m%d}", "{date:yyyyMMdd}"),
        ("{slot:%Y%m%d}", "{timestamp}"),
        ("{slot:%Y%m%d}", "{%Y%m%d}"),
        ("{slot:%Y%m%d}", "{yyyyMMdd}"),
        ("{slot:%Y%m%d}", "%Y%m%d"),
        ("{slot:%Y%m%d}", "${DATE}"),
        ("{slot:%Y%m%d}", "{{ ds }}"),
        // Zones.
        ("America/New_York", "PST"),
        ("America/New_York", "IST"),
        ("America/New_York", "EST"),
        ("America/New_York", "Etc/GMT-2"),
        ("America/New_York", "UTC+2"),
        ("America/New_York", "Eastern Standard Time"),
        ("America/New_York", "New York"),
        // A path below the directory that sign-in leads to.
        ("/inbound/learning", "~/inbound"),
    ] {
        let mut text = PIPELINE.replacen(right, wrong, 1);
        assert_ne!(text, PIPELINE, "{right:?} is not in the text");
        let (folder, problems) = found(&text, SETTINGS);
        let told = folder.told(&problems);
        out.push_str(&format!("{wrong:?}\n{told}\n"));
        // One slip may hide another of the same kind.
        for _ in 0..3 {
            let (_, problems) = found(&text, SETTINGS);
            match problems.first() {
                Some(problem) => text = applied(&text, problem),
                None => break,
            }
        }
        let (folder, left) = found(&text, SETTINGS);
        assert!(left.is_empty(), "{wrong:?}\n{told}\napplied:\n{text}\nleft: {}", folder.told(&left));
    }
    insta::assert_snapshot!("slips", out);
}

#[test]
fn f11_what_nothing_fills_in_is_a_problem() {
    let mut out = String::new();
    for (right, wrong) in [
        ("/inbound/learning", "\"${ENV}/in\""),
        ("/inbound/learning", "$HOME/in"),
        ("/inbound/learning", "\"in/$(date +%Y)\""),
        ("/inbound/learning", "\"in/{slot:%Y%m}\""),
        ("/inbound/learning", "in/%Y/%m"),
        ("/inbound/learning", "\"%ENV%/in\""),
        ("/inbound/learning", "<ENV>/in"),
        ("/inbound/learning", "~acme/in"),
        ("    tenant: acme", "    tenant: {{ tenant }}"),
        ("    tenant: acme", "    tenant: ${TENANT}"),
        (NAME, "{{ ds }}.csv"),
        (NAME, "\"#{Environment}_out_{slot:%Y%m%d}.csv\""),
        ("done_file: \"{name}.done\"", "done_file: \"${name}.done\""),
        ("    report: 619bf79c-970a-4a8e-be8a-dde48a05c652\n", "    report: {name: \"${REPORT}\"}\n"),
        ("America/New_York", "${TZ}"),
    ] {
        let text = PIPELINE.replacen(right, wrong, 1);
        let (folder, problems) = found(&text, SETTINGS);
        let told = folder.told(&problems);
        assert_eq!(problems.len(), 1, "{wrong}\n{told}");
        out.push_str(&format!("{wrong:?}\n{told}\n"));
    }
    for (right, wrong) in [
        ("sftp.hris.example", "${SFTP_HOST}"),
        ("sftp.hris.example", "<YOUR-HOST>"),
        ("svc-reporting", "\"{{ username }}\""),
        ("client_id: reportferry", "client_id: \"%CLIENT_ID%\""),
        ("https://acme.docebosaas.com", "https://${TENANT}.docebosaas.com"),
        ("password: {file: secrets/acme}", "password: ${ACME_PASSWORD}"),
        ("password: {file: secrets/acme}", "password: {env: \"${ACME_PASSWORD}\"}"),
        ("password: {file: secrets/acme}", "password: {file: ~/secrets/acme}"),
        ("local: {path: drop}", "local: {path: \"${DROP}\"}"),
        ("local: {path: drop}", "local: {path: ~/drop}"),
        ("      username: acme\n", "      username: acme\n      base: $HOME/in\n"),
    ] {
        let settings = SETTINGS.replacen(right, wrong, 1);
        assert_ne!(settings, SETTINGS, "{right}");
        let (folder, problems) = found(PIPELINE, &settings);
        let told = folder.told(&problems);
        assert_eq!(problems.len(), 1, "{wrong}\n{told}");
        out.push_str(&format!("{wrong:?}\n{told}\n"));
    }
    let folder = Folder::new(SETTINGS, PIPELINE);
    let variable = [("REPORTFERRY_DESTINATIONS__BI__LOCAL__PATH", "$HOME/drop")];
    let problems = folder.settings_with(&variable, &[]).map(|_| ()).unwrap_err();
    out.push_str(&format!("{variable:?}\n{}\n", folder.told(&problems)));
    insta::assert_snapshot!("nothing_fills_in", out);
}

#[test]
fn what_stands_for_itself_is_no_slip() {
    for (right, free) in [
        ("description: Completions of the compliance courses", "description: ${ENV} {{ x }} <X> ~/x it's #1"),
        (FILTER, "filter: course = '${x} {{ y }} <Z>'"),
        (FILTER, "filter: course is not null  # the others are drafts"),
        (FILTER, "filter: course is not null # the others are drafts"),
        (FILTER, "filter: course is not null #drafts"),
        ("upper(done)", "concat('{slot:%Y}', done, '%DATE%')"),
        ("Course Code", "Course <Code>"),
        ("/inbound/learning", "/inbound/learning$"),
        ("/inbound/learning", "\"in #1/~x\""),
        (HRIS, "  hris:\n    path: in # the first\n"),
        (HRIS, "  hris:\n    path: in  #the first\n"),
        (HRIS, "  hris:\n    existing: replace #always\n"),
        ("\"30 5 * * mon-fri\"", "30 5 * * mon-fri # nightly"),
        (NAME, "\"a{{b_{slot:%Y%m%d}.csv\""),
        (NAME, "\"L’Oréal_{slot:%Y%m%d}.csv\""),
    ] {
        let text = PIPELINE.replacen(right, free, 1);
        assert_ne!(text, PIPELINE, "{right}");
        let (folder, problems) = found(&text, SETTINGS);
        assert!(problems.is_empty(), "{free}\n{}", folder.told(&problems));
    }
    // A secret may hold any characters.
    for secret in ["'pa${b}c'", "'a<b>c'", "'100%'", "'x #1'"] {
        let settings = SETTINGS.replace("password: {file: secrets/acme}", &format!("password: {secret}"));
        let (folder, problems) = found(PIPELINE, &settings);
        let told = folder.told(&problems);
        assert!(problems.len() == 1 && told.contains("a secret is written out in this file"), "{told}");
    }
}

#[test]
fn characters_that_nobody_sees_are_named_with_their_place() {
    let mut out = String::new();
    for (right, wrong) in [
        ("  timezone: America/New_York", "  timezone:\u{a0}America/New_York"),
        ("  timezone: America/New_York", "\u{a0}\u{a0}timezone: America/New_York"),
        ("  timezone: America/New_York", "  timezone: America/New_York\u{a0}"),
        ("  timezone: America/New_York", "  timezone: “America/New_York”"),
        ("  timezone: America/New_York", "  timezone： America/New_York"),
        ("  missed: latest", "  missed: latest\u{200b}"),
        ("  missed: latest", "  missed\u{200b}: latest"),
        ("  missed: latest", "  missed: la\0test"),
        ("  missed: latest", "  missed: latest # \u{1b}"),
        ("\"30 5 * * mon-fri\"", "\"30 5 * *\u{a0}mon-fri\""),
        ("/inbound/learning", "\"/inbound\u{ad}/learning\""),
        (NAME, "“completions_{slot:%Y%m%d}.csv”"),
        (NAME, "\"completions_{slot:%Y%m%d}\u{feff}.csv\""),
        ("upper(done)", "upper(done) || ‘x’"),
        ("upper(done)", "done – 1"),
    ] {
        let (folder, problems) = found(&PIPELINE.replacen(right, wrong, 1), SETTINGS);
        let told = folder.told(&problems);
        assert!(told.contains("(U+"), "{wrong:?}\n{told}");
        out.push_str(&format!("{wrong:?}\n{told}\n"));
    }
    insta::assert_snapshot!("characters", out);
}

#[test]
fn an_unclosed_bracket_is_told_where_it_is_opened() {
    for (right, wrong, at) in [
        ("[id, course, done]\n", "[id, course, done\n", "18:13"),
        ("[id, course, done]\n", "[id,\n      course, done\n", "18:13"),
        ("{min: 1, max: 1000}", "{min: 1, max: 1000", "20:9"),
        (RENAME, "  - rename: {id: Employee Number, course: Course Code\n", "14:13"),
        ("bom: false}\n", "bom: false\n", "24:8"),
    ] {
        let (folder, problems) = found(&PIPELINE.replacen(right, wrong, 1), SETTINGS);
        let told = folder.told(&problems);
        let expected = format!("    {at} syntax: this bracket is not closed\n");
        assert!(told.starts_with(&expected), "{wrong}\n{told}");
    }
}

#[test]
fn a_secret_that_a_comment_cuts_off_is_not_shown() {
    let settings = SETTINGS.replace("password: {file: secrets/acme}", "password: hunter #2hunter");
    let (folder, problems) = found(PIPELINE, &settings);
    let drawn = reportferry::yaml::render::render(&problems, false, 120);
    let told = format!("{drawn}{}", folder.told(&problems));
    assert!(told.contains("cuts this text off") && !told.contains("hunter"), "{told}");
}

#[test]
fn p18_no_two_files_of_a_delivery_have_one_name() {
    for (deliver, told) in [
        ("done_file: \"{name}\"", "the done file of `hris` is called \"{name}\", which is the data file's name too"),
        ("checksum: \"{name}\"", "the checksum of `hris` is called \"{name}\", which is the data file's name too"),
        ("checksum: true, done_file: \"{name}.sha256\"", "which is the checksum's name too"),
        ("manifest: \"{name}.x\", done_file: \"{name}.x\"", "which is the manifest's name too"),
    ] {
        let text = PIPELINE.replace("done_file: \"{name}.done\"", deliver);
        let (folder, problems) = found(&text, SETTINGS);
        let found_here = folder.told(&problems);
        assert!(found_here.contains(told), "{found_here}");
    }
    let constant = PIPELINE.replace(NAME, "READY").replace("\"{name}.done\"", "READY");
    let (folder, problems) = found(&constant, SETTINGS);
    assert!(folder.told(&problems).contains("which is the data file's name too"), "{}", folder.told(&problems));
    let apart = PIPELINE.replace("\"{name}.done\"", "\"{name}.done\", checksum: true, manifest: true");
    assert!(found(&apart, SETTINGS).1.is_empty());
}
