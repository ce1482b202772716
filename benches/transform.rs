//! One transform from file to file, to be measured from outside: `transform_bench IN OUT`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reportferry::encode::csv::CsvFile;
use reportferry::expr::Expr;
use reportferry::pipeline::plan::{
    Assign, Column, CsvDialect, CsvInput, Expression, Header, QuoteStyle, RecordEnd, Rename, StepKind, TransformStep,
};
use reportferry::progress::Meter;
use reportferry::settings::Limits;
use reportferry::transform::{Input, Transform};
use reportferry::yaml::problem::Place;
use tokio_util::sync::CancellationToken;

fn place(key: &str) -> Place {
    Place { file: Arc::new(PathBuf::from("bench.yaml")), line: 1, column: 1, span: 0..0, key: key.to_owned() }
}

fn steps() -> anyhow::Result<Vec<TransformStep>> {
    let renames =
        [("employee_id", "Employee Number"), ("course", "Course Code"), ("status", "Course Enrollment Status")]
            .into_iter()
            .chain([("done", "Completion Date"), ("email", "Email")]);
    let renames = renames.map(|(to, from)| Rename {
        to: Column { name: to.to_owned(), at: place("rename") },
        from: Column { name: from.to_owned(), at: place("rename") },
    });
    let set = |column: &str, expr: &str| {
        anyhow::Ok(Assign {
            column: column.to_owned(),
            value: Expression::new(Expr::parse(expr)?, |_| place("set")),
            at: place("set"),
        })
    };
    let kinds = [
        StepKind::Rename(renames.collect()),
        StepKind::Filter(Expression::new(Expr::parse("status <> 'Not Started'")?, |_| place("filter"))),
        StepKind::Set(vec![
            set("done", "format_time(done, '%m/%d/%Y %H:%M:%S', 'America/New_York')")?,
            set("email", "sha256(email)")?,
        ]),
    ];
    Ok(kinds.into_iter().map(|kind| TransformStep { at: place("step"), kind }).collect())
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, input, output] = arguments.as_slice() else { anyhow::bail!("transform_bench IN OUT") };
    let meter = Meter::default();
    let stop = CancellationToken::new();
    let (read, csv) = (Box::new(File::open(input)?), CsvInput::default());
    let input = Input { read, csv, limits: Limits::default(), meter: &meter, stop };
    let dialect = CsvDialect {
        delimiter: b',',
        quote: QuoteStyle::Necessary,
        record_end: RecordEnd::Lf,
        header: Header::Names,
        bom: false,
        formula_guard: false,
    };
    let transform = Transform::open(input, &steps()?, &BTreeMap::new())?;
    let mut file = CsvFile::create(Path::new(output), "out.csv", &dialect, transform.columns(), None)?;
    transform.run(|row| file.row(row))?;
    file.finish(|_| Ok(String::new()))?;
    Ok(())
}
