//! How a pipeline says that its source's CSV is written.

use reportferry::pipeline::plan::{CsvInput, Encoding};

use super::{Folder, PIPELINE, SETTINGS};

fn with(source: &str) -> Folder {
    assert!(PIPELINE.contains("    via: download\n"));
    Folder::new(SETTINGS, &PIPELINE.replace("    via: download\n", source))
}

fn csv_of(source: &str) -> CsvInput {
    let folder = with(source);
    let (plan, problems) = folder.load().unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
    assert!(problems.is_empty(), "{}", folder.told(&problems));
    plan.source.csv()
}

#[test]
fn a_source_says_how_its_csv_is_written() {
    let plain = CsvInput { delimiter: b',', strict: true, encoding: Encoding::Utf8 };
    assert_eq!(csv_of(""), plain);
    assert_eq!(csv_of("    csv:\n"), plain);
    assert_eq!(
        csv_of("    csv: {delimiter: \";\", strict: false}\n"),
        CsvInput { delimiter: b';', strict: false, ..plain }
    );
    assert_eq!(csv_of("    csv: {delimiter: \"\\t\"}\n"), CsvInput { delimiter: b'\t', ..plain });
    for encoding in Encoding::ALL {
        let written = csv_of(&format!("    csv: {{encoding: {}}}\n", encoding.name()));
        assert_eq!(written, CsvInput { encoding, ..plain });
    }
    assert_eq!(csv_of("    csv: {encoding: UTF-16}\n").encoding, Encoding::Utf16);
    assert_eq!(csv_of("    via: results\n    csv: {strict: false}\n"), CsvInput { strict: false, ..plain });
    let file =
        PIPELINE.replace("    tenant: acme\n    report: 619bf79c-970a-4a8e-be8a-dde48a05c652\n    via: download\n", "");
    let file = file.replace("  docebo:\n", "  file: {path: in.csv, csv: {encoding: windows-1252}}\n");
    let folder = Folder::new(SETTINGS, &file);
    let (plan, _) = folder.load().unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
    assert_eq!(plan.source.csv(), CsvInput { encoding: Encoding::Windows1252, ..plain });
}

#[test]
fn what_it_cannot_say_is_a_problem_with_the_right_word() {
    for (source, told) in [
        ("    csv: {encoding: latin1}\n", "did you mean \"iso-8859-1\"?"),
        ("    csv: {encoding: cp1252}\n", "did you mean \"windows-1252\"?"),
        ("    csv: {encoding: utf8}\n", "did you mean \"utf-8\"?"),
        ("    csv: {encoding: utf-16-le}\n", "did you mean \"utf-16le\"?"),
        ("    csv: {encoding: windows-1251}\n", "did you mean \"windows-1252\"?"),
        ("    csv: {encoding: ebcdic}\n", "the encodings are `utf-8`, `windows-1252`,"),
        ("    csv: {delimter: \";\"}\n", "did you mean \"delimiter\"?"),
        ("    csv: {delimiter: \"; \"}\n", "cannot separate cells"),
        ("    csv: {delimiter: \"\\\"\"}\n", "cannot separate cells"),
        ("    csv: {strict: no}\n", "strict"),
        ("    via: results\n    csv: {delimiter: \";\"}\n", "`via: results` fetches JSON"),
        ("    via: results\n    csv: {encoding: utf-16}\n", "remove them, or write `via: download`"),
    ] {
        let folder = with(source);
        let problems = folder.load().map(|_| ()).expect_err(source);
        let shown = folder.told(&problems);
        assert!(shown.contains(told), "{source}: {shown}");
    }
}
