//! The real client against the sandbox, over HTTP: every misbehaviour with its verdict and its words.

#![allow(clippy::expect_used)] // helpers of tests are tests

mod answers;
mod records;
mod refusals;
mod stage;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reportferry::clock::Clock;
use reportferry::extract::{ExecutionId, ExtractError, Form, Source, Tenants};
use reportferry::pipeline::plan::{self, CsvInput, Encoding, FileSource, ReportRef, Via};
use reportferry::progress::{Meter, Progress};
use reportferry::sandbox::REPORTS;
use reportferry::settings::{Budget, Limits};
use reportferry::transform::{Input, Transform};
use stage::report as by;
use stage::{CLIENT_SECRET, Case, PASSWORD, Stage, check, csv_of, ms, on_threads, outcome, rows_of};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;

#[test]
fn what_goes_well() {
    on_threads(async {
        for misbehave in [
            "",
            "zip=stored",
            "zip=mac",
            "bom,crlf",
            "status_word=queued",
            "status_word=",
            "final_word=succeeded",
            "status_word=Wibble",
            "no_refresh_token",
            "expire_token_after=1",
            "expire_token_after=2,refresh=refused",
            "expire_token_after=3,no_refresh_token",
            "token_seconds=1",
            "level=poweruser",
            "level=pu",
            "level=admin",
            "level=/framework/level/admin",
            "level=POWER_USER",
            "level=user",
            "start=429*2",
            "start=429_date*1",
            "start=503*1",
            "start=401*1",
            "status=500*2",
            "status=reset*2",
            "status=502*1,download=504*1",
            "download=503_seconds*1",
            "download=reset*2",
            "cut=2",
            "token=500*1",
            "token=429*2",
            "token=reset*1",
            "session=lost*1",
            "execution_id=a_B-9",
            "rename=Email>E-mail",
        ] {
            check(Case::new(misbehave), &["2500 rows, Zip"]).await;
        }
        check(Case::new("zip=plain"), &["2500 rows, Csv"]).await;
        check(Case::new("header_only"), &["0 rows, Zip"]).await;
        check(Case::new("fewer_rows=40"), &["1500 rows"]).await;
        check(Case::new("compliance:fewer_rows=40,zip=two"), &["refused", "2 CSVs"]).await;
        check(Case::new("sessions:zip=two"), &["2500 rows"]).await;
        check(Case::named("", "Compliance completions"), &["2500 rows"]).await;
        for misbehave in
            ["", "paging=page", "early_results_400=2", "results=500*1", "results=reset*1", "expire_token_after=1"]
        {
            check(Case::results(misbehave), &["2500 rows, Csv"]).await;
        }
        for (paging, rows) in [("", 1000), ("", 2000), ("paging=page", 2000), ("", 1), ("paging=page", 999)] {
            check(Case::results(paging).with(|case| case.rows = rows), &[&format!("{rows} rows")]).await;
        }
        for misbehave in [
            "paging=number",
            "page_cap=200",
            "paging=page,page_cap=200",
            "paging=page,page_cap=200,page_gap",
            "page_cap=300,page_gap",
            "empty_between",
            "paging=page,empty_between,counts",
            "paging=page,counts",
            "counts",
            "paging=clamp",
            "paging=clamp,page_cap=999",
            "paging=whole",
        ] {
            check(Case::results(misbehave), &["2500 rows, Csv"]).await;
            check(Case::results(misbehave).with(|case| case.rows = 137), &["137 rows, Csv"]).await;
        }
    });
}

/// What is brought is what the platform has, byte for byte, by each way and in spite of everything.
#[test]
fn every_way_brings_the_same_rows() {
    on_threads(async {
        let mut brought = Vec::new();
        for case in [
            Case::new(""),
            Case::new("zip=plain,cut=1"),
            Case::new("zip=stored,download=reset*1"),
            Case::results(""),
            Case::results("paging=page,expire_token_after=2"),
        ] {
            let stage = case.stage().await;
            let extract = stage.pull().await.expect("an extract");
            brought.push(csv_of(&extract, &stage.limits).expect("a CSV"));
        }
        let rows = |csv: &[u8]| {
            let records = csv::ReaderBuilder::new().has_headers(false).from_reader(csv).into_records();
            records.map(|row| row.expect("a row")).collect::<Vec<_>>()
        };
        assert!(brought[0].starts_with(b"Employee Number,") && brought[0] == brought[1] && brought[1] == brought[2]);
        assert!(brought[3] == brought[4] && rows(&brought[0]) == rows(&brought[3]));
    });
}

/// What a download is written in is the source's to say; it is kept as it came, and read when it is said.
#[test]
fn a_download_in_utf16_is_kept_and_read_where_it_is_declared() {
    on_threads(async {
        let stage = Case::new("zip=utf16").stage().await;
        let extract = stage.pull().await.expect("an extract");
        let meter = Meter::default();
        let open = |encoding| {
            let (read, limits) = (extract.open(&stage.limits).expect("its bytes"), stage.limits);
            let csv = CsvInput { encoding, ..CsvInput::default() };
            let (folder, stop, step_inputs) = (Path::new("/tmp"), CancellationToken::new(), Default::default());
            let input = Input { read, csv, limits, folder, meter: &meter, stop, step_inputs };
            Transform::open(input, &[], &BTreeMap::new())
        };
        let undeclared = open(Encoding::Utf8).err().expect("an error").to_string();
        assert_eq!(undeclared, "the file is UTF-16: add `csv: {encoding: utf-16}` to the source");
        let transform = open(Encoding::Utf16).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(transform.columns()[0], "Employee Number");
        assert!(transform.run(|_| Ok(())).expect("rows").extracted > 0);
    });
}

/// JSON's numbers come out with the digits that they were sent with.
#[test]
fn numbers_of_pages_keep_their_text() {
    on_threads(async {
        let csv = |misbehave| async move {
            let stage = Case::results(misbehave).stage().await;
            let extract = stage.pull().await.expect("an extract");
            String::from_utf8(csv_of(&extract, &stage.limits).expect("a CSV")).expect("a text")
        };
        let (texts, numbers) = (csv("").await, csv("json_types").await);
        assert!(numbers.contains(".00,") && !texts.contains(".00,"));
        assert_eq!(numbers.replace(".00,", ",").replace(".00\n", "\n"), texts);
    });
}

/// Another process collects what this one started, and starts nothing.
#[test]
fn a_ticket_goes_on_elsewhere() {
    on_threads(async {
        for report in [ReportRef::Id(REPORTS[0].id.into()), ReportRef::Name(REPORTS[0].name.into())] {
            let mut stage = Case::new("").with(|case| case.pull = by(report, Via::Download)).stage().await;
            let execution_id = stage.source().await.start(None).await.expect("a execution_id");
            assert!(execution_id.0.starts_with(REPORTS[0].id) && execution_id.0.len() > REPORTS[0].id.len() + 1);
            stage.tenants = Tenants::new(Clock::System);
            let source = stage.source().await;
            for _ in 0..2 {
                let extract =
                    source.collect(&execution_id, stage.spool(), &Progress::default()).await.expect("an extract");
                assert_eq!((extract.form, rows_of(&csv_of(&extract, &stage.limits).unwrap())), (Form::Zip, 2500));
            }
            assert_eq!(stage.sandbox.exports(), 1);
            assert!(source.sent().iter().any(|note| note.path == "/manage/v1/user/session"), "who it is, first");
            for lost in ["", "x", "a/b/c", "619bf79c-970a-4a8e-be8a-dde48a05c652/../../x"] {
                let error =
                    source.collect(&ExecutionId(lost.into()), stage.spool(), &Progress::default()).await.unwrap_err();
                assert!(matches!(error, ExtractError::Expired { .. }), "{lost}: {error}");
            }
            stage.nothing_undeclared();
        }
    });
}

/// One platform, two days: what was right yesterday is wrong today.
#[test]
fn a_platform_changes_between_runs() {
    on_threads(async {
        let stage = Case::new("").stage().await;
        for (misbehave, words) in [
            ("", "2500 rows"),
            ("fewer_rows=60", "1000 rows"),
            ("zip=two", "2 CSVs"),
            ("download=reset*1", "2500 rows"),
        ] {
            stage.sandbox.misbehave(misbehave.parse().expect("a misbehaviour"));
            let _ = std::fs::remove_file(stage.spool().join("extract.zip"));
            let outcome = outcome(&stage).await;
            assert!(outcome.contains(words), "{misbehave}: {outcome}");
        }
    });
}

/// All sources of a tenant share one token.
#[test]
fn one_token_for_all_pipelines() {
    on_threads(async {
        let stage = Case::new("").stage().await;
        for _ in 0..3 {
            stage.pull().await.expect("an extract");
        }
        let tokens = |stage: &Stage| stage.sandbox.log().iter().filter(|seen| seen.path == "/oauth2/token").count();
        assert_eq!(tokens(&stage), 1);
        let expiring = Case::new("expire_token_after=4").stage().await;
        expiring.pull().await.expect("an extract");
        assert_eq!((tokens(&expiring), expiring.sandbox.exports()), (2, 1), "the export went on with a new token");
    });
}

#[test]
fn notes_say_what_was_sent_and_nothing_secret() {
    on_threads(async {
        let stage = Case::named("", "Compliance completions").stage().await;
        let source = stage.source().await;
        let progress = Progress::default();
        let extract = source
            .collect(&source.start(None).await.expect("a execution_id"), stage.spool(), &progress)
            .await
            .expect("an extract");
        assert_eq!((progress.extract.done(), progress.extract.total()), (extract.bytes, extract.bytes));
        let execution = source.sent()[4].path.rsplit('/').next().expect("an id").to_owned();
        let notes: Vec<String> = source
            .sent()
            .iter()
            .map(|sent| (sent.method.as_str(), sent.path.replace(&execution, "EXECUTION"), sent.status, sent.count))
            .map(|(method, path, status, count)| format!("{count} {method} {path} {status:?}"))
            .collect();
        insta::assert_snapshot!(notes.join("\n"), @"
        1 POST /oauth2/token Some(200)
        1 GET /manage/v1/user/session Some(200)
        1 GET /analytics/v1/reports Some(200)
        1 GET /analytics/v1/reports/619bf79c-970a-4a8e-be8a-dde48a05c652/export/csv Some(200)
        3 GET /analytics/v1/reports/619bf79c-970a-4a8e-be8a-dde48a05c652/exports/EXECUTION Some(200)
        1 GET /analytics/v1/reports/619bf79c-970a-4a8e-be8a-dde48a05c652/exports/EXECUTION/download Some(200)
        1 GET /poweruser/v1/powerusers/11234 Some(200)
        ");
        let all: Vec<String> = stage.sandbox.log().iter().map(|seen| format!("{seen:?}")).collect();
        assert!(all.iter().all(|seen| !seen.contains(PASSWORD) && !seen.contains(CLIENT_SECRET)), "no secret in a URL");
    });
}

/// Everything that is logged, at the finest level, by this project and by what it stands on.
#[derive(Clone, Default)]
struct Logged(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_secret_is_logged() {
    let logged = Logged::default();
    let subscriber = || {
        let writer = logged.clone();
        let fmt = tracing_subscriber::fmt().with_ansi(false).with_max_level(LevelFilter::TRACE);
        tracing::Dispatch::new(fmt.with_writer(move || writer.clone()).finish())
    };
    // With one subscriber alive, tracing asks whichever thread comes by whether anybody listens, and other tests' threads
    // say no. With two it asks both.
    let (subscriber, _second) = (subscriber(), subscriber());
    // One thread does all, so that its log is the whole log.
    tracing::dispatcher::with_default(&subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            for misbehave in ["", "expire_token_after=2", "grant=off,echo_secrets", "download=500*1", "level=root"] {
                let _ = outcome(&Case::new(misbehave).stage().await).await;
            }
        });
    });
    let log = String::from_utf8(logged.0.lock().expect("a lock").clone()).expect("text");
    assert!(log.contains("/oauth2/token") && log.contains("status=200"), "requests are logged: {log}");
    for secret in [CLIENT_SECRET, PASSWORD, "Bearer ", "access_token"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

/// The budget counts what the platform sees: with room for few, the rest waits for the clock's hand.
#[test]
fn the_budget_holds_requests_back() {
    on_threads(async {
        let tight = Budget { per_minute: 40, per_hour: 4000, in_flight: 1 };
        let patient = |case: &mut Case| {
            case.tenant.budget = tight;
            // The hand turns much faster than the network answers.
            case.tenant.poll.give_up_after = Duration::from_secs(1 << 30);
        };
        let mut stage = Case::new("").with(patient).stage().await;
        let (clock, hand) = Clock::manual("2026-11-23T05:30:00Z".parse().unwrap());
        stage.tenants = Tenants::new(clock);
        let source = stage.source().await;
        let spool = stage.spool().to_owned();
        let pull = tokio::spawn(async move {
            let execution_id = source.start(None).await?;
            source.collect(&execution_id, &spool, &Progress::default()).await
        });
        // Four at once (a tenth of a minute's), the others one by one as time goes by.
        let (mut turned_ms, begun) = (0, std::time::Instant::now());
        while !pull.is_finished() {
            assert!(begun.elapsed() < crate::stage::PATIENCE, "the extract does not end");
            let refilled = turned_ms * (40 - 4) / 60_000;
            let came = stage.sandbox.requests();
            assert!(came <= 4 + refilled, "{came} requests in {turned_ms} ms");
            hand.advance(ms(10));
            turned_ms += 10;
            tokio::task::yield_now().await;
        }
        pull.await.unwrap().expect("an extract");
        assert_eq!(stage.sandbox.requests(), 8);
        assert!(stage.tenants.remaining("acme").is_some_and(|left| left.in_flight == 1));
    });
}

/// 300,000 rows go through buffers that hold a few thousand; the CSV is read as it inflates.
#[test]
fn a_large_report_streams() {
    on_threads(async {
        let stage = Case::new("").with(|case| case.rows = 300_000).stage().await;
        let extract = stage.pull().await.expect("an extract");
        let mut csv = csv::Reader::from_reader(extract.open(&stage.limits).expect("a reader"));
        let mut row = csv::ByteRecord::new();
        let mut rows = 0;
        while csv.read_byte_record(&mut row).expect("a row") {
            rows += 1;
        }
        assert_eq!(rows, 300_000);
    });
}

#[test]
fn what_changed_on_disk_is_not_intact() {
    on_threads(async {
        let stage = Case::new("zip=plain").stage().await;
        let extract = stage.pull().await.expect("an extract");
        assert!(extract.is_intact());
        let mut bytes = std::fs::read(&extract.path).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&extract.path, &bytes).unwrap();
        assert!(!extract.is_intact());
        bytes.push(b'\n');
        std::fs::write(&extract.path, &bytes).unwrap();
        assert!(!extract.is_intact());
        let error = extract.open(&stage.limits).err().expect("an error").to_string();
        assert!(error.contains("damaged") && error.contains("not the"), "{error}");
        std::fs::remove_file(&extract.path).unwrap();
        assert!(!extract.is_intact() && extract.open(&stage.limits).is_err());
    });
}

#[test]
fn a_local_file_is_copied_or_read_in_place() {
    on_threads(async {
        let from = crate::stage::folder();
        let spool = crate::stage::folder();
        let path = from.path().join("rows.csv");
        let tenants = Tenants::new(Clock::System);
        let collect = async |path: &Path, copy: bool| {
            let file = plan::Source::File(FileSource { path: path.to_owned(), csv: CsvInput::default(), copy });
            let source = Source::new(&file, &Limits::default(), &tenants).await.expect("a source");
            let execution_id = source.start(None).await.expect("a execution_id");
            source.collect(&execution_id, spool.path(), &Progress::default()).await
        };
        for copy in [true, false] {
            let _ = std::fs::remove_file(&path);
            let missing = collect(&path, copy).await.unwrap_err();
            assert!(missing.to_string().contains("cannot read") && missing.hint().is_some());
            std::fs::write(&path, "id,name\n007,Ann\n").unwrap();
            let extract = collect(&path, copy).await.expect("an extract");
            assert!(extract.is_intact());
            assert_eq!(csv_of(&extract, &Limits::default()).unwrap(), b"id,name\n007,Ann\n");
            std::fs::write(&path, "edited in place").unwrap();
            assert_eq!(extract.is_intact(), copy);
            std::fs::write(&path, "").unwrap();
            assert!(collect(&path, copy).await.unwrap_err().to_string().contains("empty"));
            assert!(collect(from.path(), copy).await.unwrap_err().to_string().contains("is a directory, not a file"));
        }
    });
}
