//! A source's CSV as it is declared: in a ZIP, by `run --from`, and again from what is kept for a retry.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Output;

use reportferry::extract::{Extract, Form, Stored};
use reportferry::pipeline::plan::{CsvInput, Encoding};
use reportferry::progress::Meter;
use reportferry::settings::Limits;
use reportferry::transform::{Input, Transform};
use tokio_util::sync::CancellationToken;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::stage::rig::{both, document};

/// The cells of a ZIP's one CSV, or why there are none.
fn read_zipped(content: &[u8], csv: CsvInput) -> Result<Vec<String>, String> {
    let folder = crate::stage::folder();
    let path = folder.path().join("extract.zip");
    let mut zip = ZipWriter::new(std::fs::File::create(&path).unwrap());
    zip.start_file("r.csv", SimpleFileOptions::default()).unwrap();
    zip.write_all(content).unwrap();
    let bytes = zip.finish().unwrap().metadata().unwrap().len();
    let extract = Extract {
        path,
        form: Form::Zip,
        bytes,
        stored: Stored::Spool { sha256: String::new() },
        source: Default::default(),
    };
    let (limits, meter) = (Limits::default(), Meter::default());
    let read = extract.open(&limits).unwrap();
    let (stop, step_inputs) = (CancellationToken::new(), Default::default());
    let input = Input { read, csv, limits, folder: folder.path(), meter: &meter, stop, step_inputs };
    let transform = Transform::open(input, &[], &BTreeMap::new()).map_err(|error| error.to_string())?;
    let mut cells = transform.columns().to_vec();
    let balance = transform.run(|row| {
        cells.extend(row.cells().map(|cell| String::from_utf8(cell.bytes.to_vec()).unwrap()));
        Ok(())
    });
    balance.map(|_| cells).map_err(|error| error.to_string())
}

#[test]
fn f10_what_is_refused_in_a_file_is_refused_in_a_zip() {
    let strict = CsvInput::default();
    let rows = "1,AAAAAAAAAAAAAAAAA\n".repeat(20_000);
    for (bad, told) in [
        ("2,B\0C\n", "record 20001 (line 20002): NUL byte in column \"name\""),
        ("2,\"B\"C\n", "record 20001 (line 20002): text follows a closing quote (line 20002)"),
        ("2,\"B\n", "record 20001 (line 20002): the quote opened on line 20002"),
    ] {
        let error = read_zipped(format!("id,name\n{rows}{bad}").as_bytes(), strict).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
    for (content, told) in [
        (b"id;name\n1;A\n".as_slice(), "separated by `;`, not `,`"),
        (b"\xff\xfei\0d\0\n\0", "the file is UTF-16: add `csv: {encoding: utf-16}`"),
        (b"id,na\0me\n", "the header (line 1): NUL byte"),
    ] {
        let error = read_zipped(content, strict).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn an_encoding_is_read_in_a_zip() {
    let latin = CsvInput { encoding: Encoding::Windows1252, delimiter: b';', ..CsvInput::default() };
    assert_eq!(read_zipped(b"id;pr\xe9nom\n1;\x80\n", latin).unwrap(), ["id", "prénom", "1", "€"]);
    let error = read_zipped(b"id;n\n1;\x81\n", latin).unwrap_err();
    assert!(error.contains("byte 7 of the file (line 2) is not windows-1252: 0x81"), "{error}");
}

/// A folder with settings and the pipeline `p`.
struct Case(tempfile::TempDir);

impl Case {
    fn new(source: &str) -> Self {
        let folder = crate::stage::folder();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        let settings = "pipelines: pipelines\ndata: data\ndestinations: {out: {local: {path: out, mkdir: true}}}\n";
        std::fs::write(folder.path().join("reportferry.yaml"), settings).unwrap();
        let case = Self(folder);
        case.source(source);
        case
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn source(&self, source: &str) {
        let pipeline =
            format!("source: {{file: {source}}}\nartifact: {{name: o.csv}}\ndeliver: {{out: {{existing: replace}}}}\n");
        std::fs::write(self.path().join("pipelines/p.yaml"), pipeline).unwrap();
    }

    fn reportferry(&self, arguments: &[&str]) -> Output {
        crate::stage::reportferry().current_dir(self.path()).args(arguments).output().unwrap()
    }

    #[track_caller]
    fn delivered(&self, output: &Output, expected: &str) {
        assert_eq!(output.status.code(), Some(0), "{}", both(output));
        assert_eq!(std::fs::read_to_string(self.path().join("out/o.csv")).unwrap(), expected);
    }
}

#[test]
fn a_file_given_by_hand_is_read_as_the_source_is() {
    let case = Case::new("{path: in.csv, csv: {delimiter: \"|\", encoding: utf-16}}");
    let text: Vec<u8> = "\u{feff}sep=|\r\nid|name\r\n1|A, é\r\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    std::fs::write(case.path().join("other.csv"), text).unwrap();
    case.delivered(&case.reportferry(&["run", "p", "--from", "other.csv", "--deliver"]), "id,name\n1,\"A, é\"\n");
}

#[test]
fn a_kept_extract_is_read_as_the_pipeline_says_now() {
    let case = Case::new("{path: in.csv, copy: true}");
    std::fs::write(case.path().join("in.csv"), "id;name\n1;A\n").unwrap();
    let failed = case.reportferry(&["run", "p", "--json"]);
    assert_eq!(failed.status.code(), Some(3), "{}", both(&failed));
    let run = document(&failed)["run"].as_str().unwrap().to_owned();
    std::fs::remove_file(case.path().join("in.csv")).unwrap();
    case.source("{path: in.csv, copy: true, csv: {delimiter: \";\"}}");
    case.delivered(&case.reportferry(&["retry", &run]), "id,name\n1,A\n");
}
