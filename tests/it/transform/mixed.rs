//! F06: operators without parentheses bind as they do in DuckDB.

use reportferry::expr::Expr;
use serde_json::json;

use super::duckdb::ours;
use super::{COLUMNS, ask_python};

const ROWS: [[&str; 6]; 3] =
    [["Ann", "x", "5", "1.50", "", "true"], ["7", "42", "-3", "2.00", "", "false"], ["", "", "", "", "", ""]];

/// For each expression its results as the cast of all, or the kind of its error: `parser`, `binder` or `row`.
const DUCKDB: &str = r#"
import duckdb, json, sys
ask = json.load(sys.stdin)
db = duckdb.connect()
db.execute("create table rows (i integer, " + ", ".join(f'"{c}" varchar' for c in ask["columns"]) + ")")
for i, row in enumerate(ask["rows"]):
    db.execute("insert into rows values (?" + ", ?" * len(row) + ")", [i] + [cell or None for cell in row])
out = []
for expr in ask["exprs"]:
    results = []
    try:
        for i in range(len(ask["rows"])):
            try:
                results.append(db.execute(f"select cast(({expr}) as varchar) from rows where i = {i}").fetchone()[0] or "")
            except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException):
                results.append(None)
    except duckdb.ParserException:
        results = "parser"
    except duckdb.Error:
        results = "binder"
    out.append(results)
json.dump(out, sys.stdout)
"#;

struct Generator(fastrand::Rng);

impl Generator {
    fn pick(&mut self, choices: &[&str]) -> String {
        choices[self.0.usize(..choices.len())].to_owned()
    }

    fn operand(&mut self) -> String {
        let prefix = self.pick(&["", "", "", "", "", "", "- ", "not ", "+ "]);
        let operand =
            self.pick(&["a", "b", "cast(n as bigint)", "n::bigint", "2", "3", "7", "'Ann'", "'7'", "'x'", "true"]);
        prefix + &operand
    }

    fn operator(&mut self) -> String {
        self.pick(&["||", "||", "||", "+", "-", "*", "%", "=", "<>", "<", ">=", "and", "or"])
    }

    /// A test behind an operand.
    fn test(&mut self) -> String {
        let choice = self.0.u8(..9);
        match choice {
            0 => "is null".to_owned(),
            1 => "is not null".to_owned(),
            2 => "is true".to_owned(),
            3 => "is not false".to_owned(),
            4 => format!("like {}", self.pick(&["'%n%'", "'7%'", "'%'"])),
            5 => format!("not like {}", self.pick(&["'%n%'", "'7%'"])),
            6 => format!("in ({}, {})", self.operand(), self.operand()),
            7 => format!("not in ({}, {})", self.operand(), self.operand()),
            _ => {
                let (low, high) = (self.operand(), self.operand());
                match self.0.u8(..3) {
                    0 => format!("between {low} and {high}"),
                    1 => format!("between {low} {} {} and {high}", self.pick(&["||", "+", "*"]), self.operand()),
                    _ => format!("between {low} and {high} {} {}", self.operator(), self.operand()),
                }
            }
        }
    }

    fn expression(&mut self) -> String {
        let mut text = self.operand();
        for _ in 0..self.0.u8(1..5) {
            let next = match self.0.u8(..4) {
                0 => self.test(),
                _ => format!("{} {}", self.operator(), self.operand()),
            };
            text = format!("{text} {next}");
        }
        text
    }
}

#[test]
fn f06_operators_without_parentheses_bind_as_in_duckdb() {
    let mut generator = Generator(fastrand::Rng::with_seed(20_261_126));
    let exprs: Vec<String> = (0..18_000).map(|_| generator.expression()).collect();
    let answers = ask_python(DUCKDB, &json!({"columns": COLUMNS, "rows": ROWS, "exprs": exprs}));
    let (mut compared, mut wrong) = (0, Vec::new());
    for (expr, answer) in exprs.iter().zip(answers.as_array().unwrap()) {
        let parsed = Expr::parse(expr);
        let Some(results) = answer.as_array() else {
            if answer == "parser" && parsed.is_ok() {
                wrong.push(format!("{expr}\n  is read here, DuckDB refuses its syntax"));
            }
            continue;
        };
        if let Err(problem) = parsed {
            // Our types are stricter, and what can never be true is refused; syntax that DuckDB reads is read here too.
            let what =
                ["be compared", "is compared with", "not a condition", "never true", "is not a ", "pattern of `like`"];
            if !what.iter().any(|known| problem.what.contains(known)) {
                wrong.push(format!("{expr}\n  {problem}"));
            }
            continue;
        }
        let mut has_results = false;
        for ((row, answer), ours) in ROWS.iter().zip(results).zip(ours(expr, &ROWS)) {
            // Which part is looked at first, and so whether there is an error, is each engine's own affair.
            if ours.is_none() || answer.is_null() {
                continue;
            }
            has_results = true;
            if ours.as_deref() != answer.as_str() {
                wrong.push(format!("{expr}\n  of {row:?}\n  ours {ours:?}, DuckDB {answer}"));
            }
        }
        compared += usize::from(has_results);
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 2_000, "only {compared} expressions are compared");
}
