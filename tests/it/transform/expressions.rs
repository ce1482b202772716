//! Thousands of generated expressions against DuckDB: every function and operator of the documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use reportferry::expr::Expr;
use reportferry::pipeline::plan::{Column, StepKind};
use reportferry::progress::Meter;
use reportferry::secret::Secret;
use reportferry::transform::Transform;
use serde_json::json;

use super::{COLUMNS, ask_python, csv_of, input, place, set, step};

const ROWS: [[&str; 6]; 10] = [
    ["Ann", "ann@example.com", "5", "1.50", "2026-01-05 23:30:00", "true"],
    ["", "", "", "", "", ""],
    ["Ärger ÉCLAIR ß", "日本語テキスト", "-3", "-0.05", "1969-12-31 23:59:59.5", "false"],
    ["O'Neil, \"B\" \\1 $", "a-b--c", "0", "100", "2024-02-29 12:00:00", "true"],
    ["  padded  ", "x,y,,z", "42", "2.675", "1900-03-01 00:00:00", "false"],
    ["e\u{301} N\u{303}a 123 abc", "line\nbreak", "7", "9999.99", "2000-12-31 23:59:59.999999", "true"],
    ["007", "", "12", "", "1583-01-01 06:30:00", ""],
    ["aab-aab", "Ann", "-1", "0.01", "1968-02-29 00:00:00.000001", "true"],
    ["Ångström ðø", "%_%", "-42", "-2.5", "2026-03-08 06:59:59", "false"],
    ["", "only b", "1", "7.00", "1970-01-01 00:00:00", "false"],
];

const SALT: &str = "a key of more than 16 bytes";

/// Results by expression and row: a text, `""` for null as for empty, JSON's null for an error. What DuckDB lacks is
/// Python's (`uuid5`, `hmac_sha256`) or made of its own functions.
const DUCKDB: &str = r#"
import duckdb, hashlib, hmac, json, sys, uuid
ask = json.load(sys.stdin)
db = duckdb.connect()
db.execute("set timezone = 'UTC'")
spaces = {"dns": uuid.NAMESPACE_DNS, "url": uuid.NAMESPACE_URL, "oid": uuid.NAMESPACE_OID, "x500": uuid.NAMESPACE_X500}
db.create_function("uuid5", lambda space, name: str(uuid.uuid5(spaces.get(space) or uuid.UUID(space), name)), ["varchar", "varchar"], "varchar")
db.create_function("hmac_of", lambda text, key: hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest(), ["varchar", "varchar"], "varchar")
db.execute(f"create macro hmac_sha256(x, name) as hmac_of(x, '{ask['salt']}')")
db.execute("create macro iif(a, b, c) as case when a then b else c end")
db.execute("create macro format_time(x, f, z) as strftime(timezone(z, timezone('UTC', x)), f)")
db.execute("create macro parse_time(x, f) as cast(strptime(x, f) as varchar), (x, f, z) as cast(timezone('UTC', timezone(z, strptime(x, f))) as varchar)")
db.execute("create table rows (i integer, " + ", ".join(f'"{c}" varchar' for c in ask["columns"]) + ")")
for i, row in enumerate(ask["rows"]):
    db.execute("insert into rows values (?" + ", ?" * len(row) + ")", [i] + [cell or None for cell in row])
def one(expr, where):
    return [value or "" for (value,) in db.execute(f"select cast(({expr}) as varchar) from rows {where} order by i").fetchall()]
out = []
for expr in ask["exprs"]:
    try:
        out.append(one(expr, ""))
    except duckdb.Error:
        results = []
        for i in range(len(ask["rows"])):
            try:
                results += one(expr, f"where i = {i}")
            except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException) as error:
                results.append("refused: " + str(error))
            except duckdb.Error:
                results.append(None)
        out.append(results)
json.dump(out, sys.stdout)
"#;

fn results(expr: &str, rows: &[[&str; 6]]) -> Option<Vec<String>> {
    let meter = Meter::default();
    let steps = [
        step(StepKind::Set(vec![set("result", expr)])),
        step(StepKind::Select(vec![Column { name: "result".to_owned(), at: place() }])),
    ];
    let secrets = BTreeMap::from([("salt".to_owned(), Secret::new(SALT))]);
    let transform = Transform::open(input(Cursor::new(csv_of(rows)), &meter), &steps, &secrets).unwrap();
    let mut results = Vec::new();
    let balance = transform.run(|row| {
        results.extend(row.cells().map(|cell| String::from_utf8(cell.bytes.to_vec()).unwrap()));
        Ok(())
    });
    balance.ok().map(|_| results)
}

/// Our results by row; `None` is a row error.
fn ours(expr: &str, rows: &[[&str; 6]]) -> Vec<Option<String>> {
    match results(expr, rows) {
        Some(results) => results.into_iter().map(Some).collect(),
        None => rows.iter().map(|row| results(expr, &[*row]).and_then(|mut only| only.pop())).collect(),
    }
}

/// Expressions of a known type that both engines read alike.
struct Generator(fastrand::Rng);

impl Generator {
    fn pick(&mut self, choices: &[&str]) -> String {
        choices[self.0.usize(..choices.len())].to_owned()
    }

    fn text(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.pick(&[
                "a",
                "a",
                "a",
                "b",
                "b",
                "t",
                "d",
                "'Ann'",
                "'é ß'",
                "''",
                "'a-b-c'",
                "cast(null as varchar)",
            ]);
        }
        let depth = depth - 1;
        let (x, y) = (self.text(depth), self.text(depth));
        let count = self.0.i32(-4..12).to_string();
        match self.0.u8(..44) {
            0 => format!("({x} || {y})"),
            1 => format!("lower({x})"),
            2 => format!("upper({x})"),
            3 => format!("trim({x})"),
            4 => format!("coalesce({x}, {y})"),
            5 => format!("nullif({x}, {y})"),
            6 => format!("substr({x}, {count})"),
            7 => format!("replace({x}, {}, {y})", self.pick(&["'n'", "'é'", "' '", "'nn'"])),
            8 => format!("left({x}, {count})"),
            9 => format!("right({x}, {count})"),
            10 => format!("case when {} then {x} else {y} end", self.truth(depth)),
            11 => format!("concat({x}, {y})"),
            12 => format!("cast({} as varchar)", self.number(depth)),
            13 => format!("ltrim({x}, {})", self.pick(&["'A0'", "' '", "'é'"])),
            14 => format!("rtrim({x}, {})", self.pick(&["'nc'", "' '", "'ß'"])),
            15 => format!("substring({x} from {} for {})", self.0.u8(1..6), self.0.u8(..9)),
            16 => format!("lpad({x}, {}, {})", self.0.u8(..14), self.pick(&["'x'", "'é-'", "'日本'"])),
            17 => format!("rpad({x}, {}, {})", self.0.u8(..14), self.pick(&["'x'", "'é-'", "'日本'"])),
            18 => format!("case {x} when 'Ann' then {y} else '?' end"),
            19 => format!("concat_ws({}, {x}, {y}, 'z')", self.pick(&["','", "' é '", "''", "a"])),
            20 => format!("split_part({x}, {}, {})", self.pick(&["'-'", "''", "' '", "'--'", "','"]), self.nonzero()),
            21 => format!("repeat({x}, {})", self.0.i8(-1..4)),
            22 => format!("reverse({x})"),
            23 => format!("strip_accents({x})"),
            24 => format!(
                "translate({x}, {}, {})",
                self.pick(&["'nAé'", "'ab'", "'aa'", "''"]),
                self.pick(&["'xY'", "'é'", "''"])
            ),
            25 => format!("chr(cast(abs({}) % 900 + 32 as integer))", self.number(depth)),
            26 => format!("regexp_extract({x}, {})", self.pattern()),
            27 => format!("regexp_extract({x}, '(.)(n|b)?', {})", self.0.u8(..3)),
            28 => format!("regexp_extract({x}, {}, 0, 'i')", self.pattern()),
            29 => {
                format!("regexp_replace({x}, {}, {})", self.pattern(), self.pick(&["'-'", "'<\\0>'", "''", "'\\\\é'"]))
            }
            30 => format!(
                "regexp_replace({x}, {}, {}, {})",
                self.pattern(),
                self.pick(&["'-'", "'<\\0>'", "''"]),
                self.pick(&["'g'", "'gi'", "'i'"])
            ),
            31 => format!("regexp_replace({x}, '(.)(n|b)?', {}, 'g')", self.pick(&["'\\2\\1'", "'\\1'"])),
            32 => format!("md5({x})"),
            33 => format!("left(sha256({x}), 9)"),
            34 => format!(
                "uuid5({}, {x})",
                self.pick(&["'dns'", "'url'", "'oid'", "'x500'", "'12345678-9abc-def0-1234-56789abcdef0'"])
            ),
            35 => format!("hmac_sha256({x}, 'salt')"),
            36 => format!("json_object('k', {x}, 'é \"', {}, 'z', {})", self.number(depth), self.truth(depth)),
            37 => format!(
                "json_array({x}, {}, {}, json_array({}, null))",
                self.truth(depth),
                self.date(depth),
                self.number(0)
            ),
            38 => format!(
                "format_time({}, {}, {})",
                self.timestamp(depth),
                self.pick(&["'%Y-%m-%d'", "'%d/%m/%y %H:%M:%S'", "'%A %-d %B %j'", "'%I:%M %p'"]),
                self.pick(&["'UTC'", "'Asia/Kolkata'", "'Asia/Tokyo'"])
            ),
            39 => format!(
                "parse_time(format_time(cast(t as timestamp), '%d.%m.%Y %H:%M:%S', 'UTC'), '%d.%m.%Y %H:%M:%S'{})",
                self.pick(&["", ", 'America/New_York'", ", 'UTC'"])
            ),
            40 => format!("{}({x}, {y}, 'M')", self.pick(&["greatest", "least"])),
            41 => format!("{}({}, {x}, {y})", self.pick(&["if", "iif"]), self.truth(depth)),
            42 => format!("ifnull({x}, {y})"),
            _ => format!(
                "cast({} as varchar)",
                match self.0.u8(..4) {
                    0 => self.date(depth),
                    1 => self.timestamp(depth),
                    2 => self.decimal(depth),
                    _ => self.double(depth),
                }
            ),
        }
    }

    fn nonzero(&mut self) -> String {
        self.pick(&["1", "1", "2", "3", "-1", "-2", "9", "-9"])
    }

    fn pattern(&mut self) -> String {
        self.pick(&[
            "'n+'",
            "'[a-z]'",
            "'^.'",
            "'.$'",
            "'[0-9]+'",
            "'é|ß'",
            "'b*'",
            "''",
            "'\\.'",
            "'(?i)ANN'",
            "'[^a-z]+'",
            "'\\s+'",
            "'(a)|(b)'",
            "'\\d{2}'",
            "'x?'",
            "'(?s)e.b'",
        ])
    }

    fn number(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.pick(&[
                "cast(n as bigint)",
                "n::bigint",
                "cast(n as bigint)",
                "cast(2 as bigint)",
                "cast(-7 as bigint)",
                "cast(null as bigint)",
            ]);
        }
        let depth = depth - 1;
        let (x, y) = (self.number(depth), self.number(depth));
        match self.0.u8(..26) {
            0 => format!("({x} + {y})"),
            1 => format!("({x} - {y})"),
            2 => format!("(-({x}))"),
            3 => format!("length({})", self.text(depth)),
            4 => format!("coalesce({x}, {y})"),
            5 => format!("({x} % {})", self.nonzero()),
            6 => format!("try_cast({} as bigint)", self.text(0)),
            7 => format!("case when {} then {x} else {y} end", self.truth(depth)),
            8 => format!("mod({x}, {})", self.nonzero()),
            9 => format!("(+({x}))"),
            10 => format!("({x} * {})", self.nonzero()),
            11 => format!("abs({x})"),
            12 => format!("strpos({}, {})", self.text(depth), self.pick(&["'n'", "'é'", "''", "'b'"])),
            13 => format!("position({} in {})", self.pick(&["'n'", "'é'", "'-'"]), self.text(depth)),
            14 => format!("ascii({})", self.text(depth)),
            15 => format!("greatest({x}, {y}, 3)"),
            16 => format!("least({x}, {y})"),
            17 => {
                let field = self.pick(&[
                    "year",
                    "month",
                    "day",
                    "hour",
                    "minute",
                    "second",
                    "quarter",
                    "week",
                    "dow",
                    "isodow",
                    "doy",
                    "isoyear",
                    "millisecond",
                    "microsecond",
                ]);
                format!("extract({field} from {})", self.time(depth))
            }
            18 | 19 => {
                let part = self.pick(&["'year'", "'months'", "'dayofweek'", "'second'", "'isoyear'", "'weekofyear'"]);
                format!("date_part({part}, {})", self.time(depth))
            }
            20..23 => {
                let name = self.pick(&[
                    "year",
                    "quarter",
                    "month",
                    "week",
                    "day",
                    "hour",
                    "minute",
                    "second",
                    "dayofweek",
                    "isodow",
                    "dayofyear",
                    "isoyear",
                ]);
                format!("{name}({})", self.time(depth))
            }
            23 => format!("({} - {})", self.date(depth), self.date(depth)),
            24 => {
                let unit = self.pick(&[
                    "year",
                    "quarter",
                    "month",
                    "day",
                    "hour",
                    "minute",
                    "second",
                    "millisecond",
                    "microsecond",
                ]);
                format!("date_diff('{unit}', {}, {})", self.timestamp(depth), self.timestamp(depth))
            }
            _ => format!(
                "date_diff({}, {}, {})",
                self.pick(&["'day'", "'month'", "'years'"]),
                self.date(depth),
                self.date(depth)
            ),
        }
    }

    fn decimal(&mut self, depth: u32) -> String {
        let leaf = self.pick(&[
            "cast(d as decimal(10,3))",
            "cast(d as decimal(8,2))",
            "cast(1.25 as decimal(5,2))",
            "d::decimal(7,1)",
        ]);
        if depth == 0 {
            return leaf;
        }
        let x = self.decimal(depth - 1);
        match self.0.u8(..10) {
            0 => format!("({x} + {leaf})"),
            1 => format!("({x} - {leaf})"),
            2 => format!("({leaf} * {})", self.pick(&["cast(0.5 as decimal(3,1))", "cast(-3 as decimal(3,0))"])),
            3 => format!("abs({x})"),
            4 => format!("round({x}, {})", self.0.u8(..4)),
            5 => format!("floor({x})"),
            6 => format!("ceil({x})"),
            7 => format!("(- {x})"),
            8 => format!("greatest({x}, {leaf})"),
            _ => format!("round({x})"),
        }
    }

    fn double(&mut self, depth: u32) -> String {
        match self.0.u8(..6) {
            0 => format!("({} / {})", self.number(depth), self.nonzero()),
            1 => format!("({} / 4)", self.decimal(depth)),
            2 => format!("floor(cast({} as double))", self.decimal(depth)),
            3 => format!("epoch({})", self.time(depth)),
            4 => format!("extract(epoch from {})", self.time(depth)),
            _ => format!("ceil(cast({} as double) * 1.5)", self.decimal(depth)),
        }
    }

    fn time(&mut self, depth: u32) -> String {
        if self.0.bool() { self.date(depth) } else { self.timestamp(depth) }
    }

    fn date(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.pick(&[
                "cast(t as date)",
                "t::date",
                "cast(t as date)",
                "date '2024-02-29'",
                "date '1969-12-31'",
                "cast(null as date)",
            ]);
        }
        let depth = depth - 1;
        let x = self.date(depth);
        match self.0.u8(..7) {
            0 => format!("({x} + cast(n as integer))"),
            1 => format!("({x} - {})", self.0.u8(..200)),
            2 => format!("last_day({})", self.time(depth)),
            3 => format!("greatest({x}, {})", self.date(depth)),
            4 => format!("coalesce({x}, {})", self.date(depth)),
            5 => format!("cast({} as date)", self.timestamp(depth)),
            _ => format!("case when {} then {x} end", self.truth(depth)),
        }
    }

    fn interval(&mut self) -> String {
        let unit = self.pick(&[
            "year",
            "quarter",
            "month",
            "months",
            "week",
            "day",
            "days",
            "hour",
            "minute",
            "second",
            "milliseconds",
            "microsecond",
        ]);
        let number = self.0.i32(-30..30);
        match self.0.u8(..4) {
            0 => format!("interval {} {unit}", number.abs()),
            1 => format!("interval '{}' {unit}", number.abs()),
            2 => format!("interval '{number} {unit} {} hours'", self.0.u8(..50)),
            _ => format!("interval '{number} {unit}'"),
        }
        .replace("quarter ", "quarters ")
    }

    fn timestamp(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.pick(&[
                "cast(t as timestamp)",
                "t::timestamp",
                "cast(t as timestamp)",
                "timestamp '2000-02-29 12:34:56.789'",
            ]);
        }
        let depth = depth - 1;
        match self.0.u8(..7) {
            0 | 1 => format!("({} + {})", self.time(depth), self.interval()),
            2 => format!("({} - {})", self.time(depth), self.interval()),
            3 | 4 => {
                let unit = self.pick(&[
                    "year",
                    "quarter",
                    "month",
                    "week",
                    "day",
                    "hour",
                    "minute",
                    "second",
                    "milliseconds",
                    "microsecond",
                ]);
                format!("date_trunc('{unit}', {})", self.time(depth))
            }
            5 => format!("cast({} as timestamp)", self.date(depth)),
            _ => format!("least({}, {})", self.timestamp(depth), self.timestamp(depth)),
        }
    }

    fn truth(&mut self, depth: u32) -> String {
        let inner = depth.saturating_sub(1);
        let comparison = self.pick(&["=", "<>", "!=", "<", "<=", ">", ">="]);
        match self.0.u8(..if depth == 0 { 3 } else { 22 }) {
            // `x = ''` alone is refused here.
            0 => format!("(concat({}) {comparison} {})", self.text(inner), self.text(inner)),
            1 => format!("({} {comparison} {})", self.number(inner), self.number(inner)),
            2 => "cast(f as boolean)".to_owned(),
            3 => format!("({} and {})", self.truth(inner), self.truth(inner)),
            4 => format!("({} or {})", self.truth(inner), self.truth(inner)),
            5 => format!("(not {})", self.truth(inner)),
            6 => format!("({} is {}null)", self.text(inner), self.pick(&["", "not "])),
            7 | 8 => format!(
                "({} is {}{})",
                self.truth(inner),
                self.pick(&["", "not "]),
                self.pick(&["true", "false", "unknown"])
            ),
            9 => format!("(concat({}) like {})", self.text(inner), self.pick(&["'%n%'", "'A__'", "'%é%'", "'_%'"])),
            10 => format!(
                "(concat({}) not like {})",
                self.text(inner),
                self.pick(&["'%!%%' escape '!'", "'a!_%' escape '!'"])
            ),
            11 => format!("({} between {} and {})", self.number(inner), self.number(inner), self.number(inner)),
            12 => format!(
                "(concat({}) not in ('Ann', {}))",
                self.text(inner),
                self.pick(&["'x'", "cast(null as varchar)"])
            ),
            13 => format!("({} in ({}, 5, 7))", self.number(inner), self.number(inner)),
            14 => format!("({} is {}distinct from {})", self.text(inner), self.pick(&["", "not "]), self.text(inner)),
            15 => {
                format!("({} is {}distinct from {})", self.number(inner), self.pick(&["", "not "]), self.number(inner))
            }
            16 => format!("starts_with({}, {})", self.text(inner), self.text(0)),
            17 => format!("ends_with({}, {})", self.text(inner), self.text(0)),
            18 => format!("contains({}, {})", self.text(inner), self.text(0)),
            19 => format!(
                "regexp_matches({}, {}{})",
                self.text(inner),
                self.pattern(),
                self.pick(&["", "", ", 'i'", ", 's'"])
            ),
            20 => format!("({} {comparison} {})", self.time(inner), self.time(inner)),
            _ => format!("({} {comparison} {})", self.decimal(inner), self.decimal(inner)),
        }
    }

    fn expression(&mut self, index: u32) -> String {
        let depth = 1 + index % 3;
        match index % 12 {
            0..5 => self.text(depth),
            5 | 6 => self.number(depth),
            7 => self.truth(depth),
            8 => self.date(depth),
            9 => self.timestamp(depth),
            10 => self.decimal(depth),
            _ => self.double(depth),
        }
    }
}

#[test]
fn every_function_and_operator_means_what_duckdb_means() {
    let mut generator = Generator(fastrand::Rng::with_seed(20_261_126));
    let exprs: Vec<String> = (0..7_000).map(|index| generator.expression(index)).collect();
    assert_covered(&exprs);
    let answers = ask_python(DUCKDB, &json!({"columns": COLUMNS, "rows": ROWS, "exprs": exprs, "salt": SALT}));
    let (mut wrong, mut with_result) = (Vec::new(), 0);
    for (expr, answers) in exprs.iter().zip(answers.as_array().unwrap()) {
        if let Err(problem) = Expr::parse(expr) {
            wrong.push(format!("{expr}\n  {problem}"));
            continue;
        }
        let ours = ours(expr, &ROWS);
        with_result += usize::from(ours.iter().flatten().any(|result| !result.is_empty()));
        let rows = ROWS.iter().zip(answers.as_array().unwrap()).zip(ours);
        let differing = rows.filter(|((_, answer), ours)| ours.as_deref() != answer.as_str());
        wrong.extend(
            differing
                .take(1)
                .map(|((row, answer), ours)| format!("{expr}\n  of {row:?}\n  ours {ours:?}, DuckDB {answer}")),
        );
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(with_result * 10 >= exprs.len() * 6, "only {with_result} expressions have a result");
}

const PAGE: &str = include_str!("../../../docs/expressions.md");

/// Returns the code in the first cells of the table below a heading.
fn documented(heading: &str) -> Vec<String> {
    let section = PAGE.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let first = row.replace("\\|", "\u{1}").split('|').nth(1).unwrap().replace('\u{1}', "|");
        first.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    })
    .collect()
}

/// The texts by which the operators of the documentation are found in an expression.
const OPERATORS: &[(&str, &str)] = &[
    ("::", "::"),
    ("-x", "(-"),
    ("+x", "(+"),
    ("*", " * "),
    ("/", " / "),
    ("%", " % "),
    ("+", " + "),
    ("-", " - "),
    ("||", " || "),
    ("between", " between "),
    ("in", " in ("),
    ("like", " like "),
    ("like … escape", " escape "),
    ("=", " = "),
    ("<>", " <> "),
    ("!=", " != "),
    ("<", " < "),
    ("<=", " <= "),
    (">", " > "),
    (">=", " >= "),
    ("is null", " is null"),
    ("is not null", " is not null"),
    ("is true", " is true"),
    ("is false", " is false"),
    ("is unknown", " is unknown"),
    ("is distinct from", " is distinct from "),
    ("is not distinct from", " is not distinct from "),
    ("not", "not "),
    ("and", " and "),
    ("or", " or "),
    ("case", "case when "),
    ("case x when", " when 'Ann'"),
    ("interval", "interval "),
];

/// Every function and operator of the documentation is in at least 30 expressions.
fn assert_covered(exprs: &[String]) {
    let texts: Vec<&str> = OPERATORS.iter().map(|(operator, _)| *operator).collect();
    let unknown: Vec<String> =
        documented("Operators").into_iter().filter(|operator| !texts.contains(&operator.as_str())).collect();
    assert_eq!(unknown, [""; 0], "operators without a text to find them by");
    let functions: BTreeSet<String> = documented("Functions")
        .iter()
        .filter_map(|call| call.split_once('(').map(|(name, _)| format!("{name}(")))
        .collect();
    assert!(functions.len() > 50, "{functions:?}");
    let needles = functions.iter().map(String::as_str).chain(OPERATORS.iter().map(|(_, text)| *text));
    let rare: Vec<_> = needles
        .map(|text| (text, exprs.iter().filter(|expr| expr.contains(text)).count()))
        .filter(|(_, count)| *count < 30)
        .collect();
    assert!(rare.is_empty(), "too rare: {rare:?}");
}

/// Every intended difference of the newer functions: the expression, ours, DuckDB's, for the first row. None is an error.
#[test]
fn the_differences_of_dates_patterns_and_json_are_these() {
    let differences: &[(&str, Option<&str>, Option<&str>)] = &[
        ("greatest(n, 12)", Some("12"), Some("5")),
        ("year(t)", Some("2026"), None),
        ("t + interval '1 day'", Some("2026-01-06 23:30:00"), None),
        ("date '9999-12-31' + cast(n as integer)", None, Some("10000-01-05")),
        ("date '9999-12-31' + interval '1 day'", None, Some("10000-01-01 00:00:00")),
        ("date_diff('week', date '2026-01-04', date '2026-01-05')", Some("1"), Some("0")),
        ("date_diff('week', date '2026-01-07', date '2026-01-08')", Some("0"), Some("1")),
        ("regexp_matches(concat('é'), '\\w')", Some("true"), Some("false")),
        ("reverse(concat('a', chr(13), chr(10)))", Some("\n\ra"), Some("\r\na")),
        ("split_part(a, '-', length(concat('')))", None, Some("")),
        ("chr(cast(length(concat('')) as integer))", None, Some("\0")),
        ("json_array(cast(d as decimal(5,2)), 1e20)", Some("[1.50,1e+20]"), Some("[1.5,100000000000000000000.0]")),
        ("json_array(coalesce(json_array(1), json_array(2)))", Some("[\"[1]\"]"), Some("[[1]]")),
    ];
    let refused = [
        "split_part(a, '-', 0)",
        "regexp_extract(a, '(n)', 2)",
        "regexp_replace(a, '(n)', '\\2')",
        "regexp_replace(a, 'n', '\\x')",
        "regexp_matches(a, b)",
        "cast(t as timestamp) + interval '1.5 days'",
        "cast(t as timestamp) + interval '01:30:00'",
        "cast(t as timestamp) + interval '1 d'",
    ];
    let exprs: Vec<&str> = differences.iter().map(|(expr, ..)| *expr).chain(refused).collect();
    let answers = ask_python(DUCKDB, &json!({"columns": COLUMNS, "rows": [ROWS[0]], "exprs": exprs, "salt": SALT}));
    let theirs = |index: usize| answers[index][0].as_str().filter(|text| !text.starts_with("refused: "));
    for (index, (expr, expected, duckdb)) in differences.iter().enumerate() {
        assert_eq!(ours(expr, &ROWS[..1])[0].as_deref(), *expected, "ours: {expr}");
        assert_eq!(theirs(index), *duckdb, "DuckDB: {expr}");
    }
    for (index, expr) in refused.iter().enumerate() {
        assert!(Expr::parse(expr).is_err(), "{expr}");
        assert!(theirs(differences.len() + index).is_some(), "DuckDB refuses {expr}");
    }
    // The page and the source have one list of differences.
    for row in include_str!("../../../src/expr/mod.rs").lines().filter_map(|line| line.strip_prefix("//! |")) {
        assert!(row.starts_with(" here") || row.starts_with("---") || PAGE.contains(row), "not in the page: {row}");
    }
}
