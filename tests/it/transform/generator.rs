//! Expressions of every function and operator, of a known type and some depth.

/// Expressions of a known type that both engines read alike.
pub(super) struct Generator(pub(super) fastrand::Rng);

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
            36 => format!(
                "cast(json_object('k', {x}, 'é \"', {}, 'z', {}) as varchar)",
                self.number(depth),
                self.truth(depth)
            ),
            37 => format!(
                "cast(json_array({x}, {}, {}, json_array({}, null)) as varchar)",
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
        match self.0.u8(..if depth == 0 { 3 } else { 25 }) {
            // `x = ''` alone is refused here.
            0 => format!("(concat({}) {comparison} {})", self.text(inner), self.text(inner)),
            1 => format!("({} {comparison} {})", self.number(inner), self.number(inner)),
            2 => "cast(f as boolean)".to_owned(),
            3 => format!("({} and {})", self.truth(inner), self.truth(inner)),
            4 => format!("({} or {})", self.truth(inner), self.truth(inner)),
            5 => format!("(not {})", self.truth(inner)),
            6 => format!("({} is {}null)", self.text(inner), self.pick(&["", "not "])),
            7 | 8 | 22.. => format!(
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
            20 => format!("({} {comparison} coalesce(cast(t as date), {}))", self.time(inner), self.date(inner)),
            _ => format!("({} {comparison} {})", self.decimal(inner), self.decimal(inner)),
        }
    }

    pub(super) fn expression(&mut self, index: u32) -> String {
        let depth = 1 + index % 3;
        match index % 16 {
            0..6 => self.text(depth),
            6..10 => self.number(depth),
            10..12 => self.truth(depth),
            12 => self.date(depth),
            13 => self.timestamp(depth),
            14 => self.decimal(depth),
            _ => self.double(depth),
        }
    }
}
