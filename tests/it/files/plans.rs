//! What right pipeline files become, and the limits of files.

use reportferry::pipeline::plan::{DeliveryPlan, Existing, Format, RecordEnd, Source, StepKind};
use reportferry::pipeline::{load, load_all, problems_of_all};
use reportferry::schedule::Missed;

use super::{Folder, PIPELINE, SETTINGS};

#[test]
fn no_file_of_ours_has_the_name_that_a_reader_acknowledges_with() {
    let settings = SETTINGS.replacen("    sftp:\n", "    pickup: {ack_file: \"{name}.done\"}\n    sftp:\n", 1);
    let folder = Folder::new(&settings, PIPELINE);
    let problems = folder.load().map(|_| ()).unwrap_err();
    let told = folder.told(&problems);
    assert!(told.contains("the done file has the name that the reader of `hris` acknowledges with"), "{told}");
    assert!(told.contains("name it otherwise: `{name}.done` is the `ack_file`"), "{told}");
    let apart = Folder::new(&settings, &PIPELINE.replace("{name}.done", "{name}.ready"));
    assert!(apart.load().is_ok());
}

#[test]
fn a_pipeline_is_read_to_its_last_default() {
    let folder = Folder::new(SETTINGS, PIPELINE);
    let (plan, problems) = folder.load().unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
    assert!(problems.is_empty(), "{}", folder.told(&problems));
    assert_eq!((plan.name.as_str(), plan.zone.iana_name()), ("completions", Some("America/New_York")));
    let schedule = plan.schedule.as_ref().unwrap();
    assert_eq!(
        (schedule.missed, schedule.jitter.as_secs(), schedule.cron.text()),
        (Missed::Latest, 120, "30 5 * * mon-fri")
    );
    assert!(matches!(&plan.source, Source::Docebo(docebo) if docebo.tenant.base == "https://acme.docebosaas.com"));
    let steps: Vec<(u32, usize)> = plan
        .steps
        .iter()
        .map(|step| match &step.kind {
            StepKind::Rename(renames) => (step.at.line, renames.len()),
            StepKind::Select(columns) | StepKind::Drop(columns) => (step.at.line, columns.len()),
            StepKind::Filter(_) => (step.at.line, 1),
            StepKind::Set(assigns) => (step.at.line, assigns.len()),
            other => panic!("no step {:?} is written", other.declaration().kind),
        })
        .collect();
    assert_eq!(steps, [(14, 4), (15, 1), (16, 1), (18, 3)]);
    let Format::Csv(csv) = plan.artifact.format else { panic!("it is a CSV") };
    assert_eq!((csv.delimiter, csv.record_end), (b'|', RecordEnd::CrLf));
    let [hris, bi]: &[DeliveryPlan; 2] = plan.deliveries.as_slice().try_into().unwrap();
    assert_eq!(
        (hris.directory.as_str(), hris.existing, hris.done_file.is_some()),
        ("/inbound/learning", Existing::Replace, true)
    );
    assert_eq!(
        (bi.directory.as_str(), bi.existing, bi.required, bi.replace_with_gap),
        ("", Existing::Fail, true, false)
    );
    assert_eq!(plan.digest.len(), 64);
}

#[test]
fn words_of_yaml_stay_text() {
    let text = PIPELINE.replace("[id, course, done]", "[id, course, done, no, 007, 1.10, null_, Off]");
    let (plan, _) = Folder::new(SETTINGS, &text).load().unwrap_or_else(|problems| panic!("{problems:#?}"));
    let StepKind::Select(columns) = &plan.steps[3].kind else { panic!("the fourth step is a select") };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "course", "done", "no", "007", "1.10", "null_", "Off"]);
}

#[test]
fn files_have_limits() {
    let folder = Folder::new(SETTINGS, PIPELINE);
    let told = |name: &str, bytes: Vec<u8>| {
        let path = folder.write(name, bytes);
        load(&folder.settings(), &path).map(|_| "fine".to_string()).unwrap_or_else(|problems| folder.told(&problems))
    };
    let padded = |len: usize| {
        let mut text = PIPELINE.as_bytes().to_vec();
        text.push(b'#');
        text.resize(len, b'x');
        text
    };
    assert_eq!(told("a.yaml", padded(1 << 20)), "fine");
    let large = "    1:1 (file): the file is larger than 1048576 bytes\n      → a file that people write is smaller: is this the right one?\n";
    assert_eq!(told("a.yaml", padded((1 << 20) + 1)), large);
    assert_eq!(
        told("a.yaml", b"description: a\nsource: \xff".to_vec()),
        "    2:9 (file): this is not UTF-8\n      → save the file as UTF-8\n"
    );
    let mut bom = b"\xef\xbb\xbf".to_vec();
    bom.extend(PIPELINE.replace("30 5", "61 5").bytes());
    assert!(told("a.yaml", bom).starts_with("    3:10 schedule.cron"), "a byte order mark moves nothing");
    assert_eq!(told("a.yaml", PIPELINE.replace('\n', "\r\n").into_bytes()), "fine");

    let mut laughs = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (last, next) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        laughs.push_str(&format!("{next}: &{next} [{}]\n", vec![format!("*{last}"); 9].join(", ")));
    }
    assert!(
        told("a.yaml", laughs.into_bytes()).contains("the file holds more than 100000 values, repeated ones included")
    );
    let nested = |depth: usize| format!("x: {}{}\n", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    let deep = "lists and tables are nested more than 64 deep";
    assert!(told("a.yaml", nested(65)).contains(deep));
    assert!(!told("a.yaml", nested(64)).contains(deep));
    assert!(told("a.yaml", nested(100_000)).lines().count() < 10, "refused, not crashed");
    assert!(told("a b.yaml", PIPELINE.into()).contains("\"a b\" cannot be a pipeline's name"));
    let name = |length: usize| format!("{}.yaml", "n".repeat(length));
    assert_eq!(told(&name(100), PIPELINE.into()), "fine");
    assert!(told(&name(101), PIPELINE.into()).contains("cannot be a pipeline's name"));
}

#[test]
fn anchors_repeat_values() {
    let text = PIPELINE
        .replace("jitter: 2m", "jitter: &two 2m")
        .replace("description: Completions of the compliance courses", "description: x");
    let text = text.replace("[id, course, done]", "&cols [id, course, done]") + "x: 1\n";
    let text = text.replace("x: 1\n", "");
    let twice = text.replace("expect:", "  - select: *cols\nexpect:");
    assert!(Folder::new(SETTINGS, &twice).load().is_ok(), "a list may be repeated");
}

#[test]
fn all_pipelines_of_a_folder_are_read() {
    let folder = Folder::new(SETTINGS, PIPELINE);
    folder.write("pipelines/b.yaml", PIPELINE.replace("tenant: acme", "tenant: acne"));
    folder.write("pipelines/a.yml", PIPELINE);
    folder.write("pipelines/completions.yml", PIPELINE);
    folder.write("pipelines/.hidden.yaml", "x");
    folder.write("pipelines/notes.txt", "x");
    let loaded = load_all(&folder.settings(), &[]);
    let names: Vec<&str> = loaded.plans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(names, ["a", "completions"]);
    let told: Vec<String> = loaded.problems.iter().map(|problem| problem.what.clone()).collect();
    let taken =
        format!("the pipeline `completions` is in {} already", folder.path("pipelines/completions.yaml").display());
    assert_eq!(told, ["there is no tenant \"acne\" in the settings".to_string(), taken]);
    let named = load_all(&folder.settings(), &[folder.path("pipelines/a.yml"), folder.path("pipelines/none.yaml")]);
    assert_eq!((named.plans.len(), named.problems.len(), named.failed()), (1, 1, true));
}

#[test]
fn days_on_which_clocks_change_are_warned_of() {
    let text = PIPELINE.replace("30 5 * * mon-fri", "30 2 * * *");
    let folder = Folder::new(SETTINGS, &text);
    let (plan, _) = folder.load().unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
    let told = folder.told(&plan.clock_warnings("2026-11-23T00:00:00Z".parse().unwrap()));
    let expected = "    3:9 schedule.cron: warning: 02:30 does not exist on 2027-03-14 in America/New_York: it runs at 03:00\n      \
                    → a time outside of the changing hours, or the zone UTC, avoids this\n";
    assert_eq!(told, expected);
}

#[test]
fn check_prints_one_document() {
    let folder = Folder::new(SETTINGS, PIPELINE);
    folder.write("pipelines/wrong.yaml", PIPELINE.replace("tenant: acme", "tenant: acne"));
    let loaded = load_all(&folder.settings(), &[]);
    let document = reportferry::cli::check::document(&loaded, "2026-11-23T12:00:00Z".parse().unwrap());
    let pipeline = &document["pipelines"][0];
    assert_eq!(document["ok"], false);
    assert_eq!(pipeline["next"], "2026-11-24T05:30:00-05:00");
    assert_eq!(pipeline["destinations"], serde_json::json!(["hris", "bi"]));
    assert_eq!(pipeline["report"], "acme: report 619bf79c-970a-4a8e-be8a-dde48a05c652");
    let problem = &document["problems"][0];
    let keys: Vec<&String> = problem.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["file", "line", "column", "key", "message", "hint", "severity"]);
    assert_eq!(
        (&problem["line"], &problem["key"]),
        (&serde_json::json!(10), &serde_json::json!("source.docebo.tenant"))
    );
}

#[test]
fn pipelines_are_checked_beside_settings_that_cannot_be_used() {
    let folder = Folder::new(SETTINGS, &PIPELINE.replace("30 5", "61 5").replace("hris:", "nowhere:"));
    folder.write("pipelines/right.yaml", PIPELINE);
    let told = folder.told(&problems_of_all(&folder.path("pipelines"), &[]));
    assert_eq!(told, "    3:10 schedule.cron: minute `61` is out of range: 0 to 59 is allowed\n");
}
