//! Function calls: known functions, their numbers of arguments, and which arguments must be literals.

use jiff::tz::TimeZone;
use sqlparser::ast::{
    Expr as Tree, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned, TrimWhereField, Value as SqlValue,
};
use sqlparser::tokenizer::Span as Place;

use super::ExprProblem;
use super::build::{Builder, index_in, with_article};
use super::calendar::DatePart;
use super::node::{Arithmetic, Node, Rounding, TextFunction, Typed};
use super::place::place_of;
use super::regex::RegexCall;
use super::unit::Unit;
use super::value::{Type, Value};
use crate::expr::time::{FormatProblem, TimeFormat};
use crate::schedule::zone;

type Built<T = Typed> = Result<T, ExprProblem>;

/// The largest number of arguments of `concat` and `coalesce`.
const PARTS_MAX: usize = 1_000;

/// The implementation of a function.
#[derive(Clone, Copy)]
pub(super) enum Call {
    Text(TextFunction),
    Rounding(Rounding),
    Round,
    Concat,
    Coalesce,
    NullIf,
    Hmac,
    FormatTime,
    ParseTime,
    Modulo,
    DatePart,
    /// `year(x)` and other short forms of `date_part`.
    Part(DatePart),
    DateTrunc,
    DateDiff,
    LastDay,
    Regex(RegexCall),
    Greatest,
    Least,
    ConcatWith,
    If,
    Uuid5,
    JsonObject,
    JsonArray,
    Var,
}

/// Every function: its name, its smallest and largest number of arguments, and its implementation.
pub(super) const FUNCTIONS: &[(&str, usize, usize, Call)] = &[
    ("lower", 1, 1, Call::Text(TextFunction::Lower)),
    ("upper", 1, 1, Call::Text(TextFunction::Upper)),
    ("trim", 1, 2, Call::Text(TextFunction::Trim)),
    ("ltrim", 1, 2, Call::Text(TextFunction::TrimLeft)),
    ("rtrim", 1, 2, Call::Text(TextFunction::TrimRight)),
    ("coalesce", 1, PARTS_MAX, Call::Coalesce),
    ("nullif", 2, 2, Call::NullIf),
    ("substr", 2, 3, Call::Text(TextFunction::Substring)),
    ("substring", 2, 3, Call::Text(TextFunction::Substring)),
    ("replace", 3, 3, Call::Text(TextFunction::Replace)),
    ("concat", 1, PARTS_MAX, Call::Concat),
    ("length", 1, 1, Call::Text(TextFunction::Length)),
    ("left", 2, 2, Call::Text(TextFunction::Left)),
    ("right", 2, 2, Call::Text(TextFunction::Right)),
    ("lpad", 3, 3, Call::Text(TextFunction::PadLeft)),
    ("rpad", 3, 3, Call::Text(TextFunction::PadRight)),
    ("format_time", 3, 3, Call::FormatTime),
    ("parse_time", 2, 3, Call::ParseTime),
    ("sha256", 1, 1, Call::Text(TextFunction::Sha256)),
    ("hmac_sha256", 2, 2, Call::Hmac),
    ("strpos", 2, 2, Call::Text(TextFunction::Position)),
    ("abs", 1, 1, Call::Rounding(Rounding::Abs)),
    ("round", 1, 2, Call::Round),
    ("floor", 1, 1, Call::Rounding(Rounding::Floor)),
    ("ceil", 1, 1, Call::Rounding(Rounding::Ceil)),
    ("mod", 2, 2, Call::Modulo),
    ("greatest", 1, PARTS_MAX, Call::Greatest),
    ("least", 1, PARTS_MAX, Call::Least),
    ("if", 3, 3, Call::If),
    ("iif", 3, 3, Call::If),
    ("ifnull", 2, 2, Call::Coalesce),
    ("concat_ws", 2, PARTS_MAX, Call::ConcatWith),
    ("starts_with", 2, 2, Call::Text(TextFunction::StartsWith)),
    ("ends_with", 2, 2, Call::Text(TextFunction::EndsWith)),
    ("contains", 2, 2, Call::Text(TextFunction::Contains)),
    ("split_part", 3, 3, Call::Text(TextFunction::SplitPart)),
    ("repeat", 2, 2, Call::Text(TextFunction::Repeat)),
    ("reverse", 1, 1, Call::Text(TextFunction::Reverse)),
    ("strip_accents", 1, 1, Call::Text(TextFunction::StripAccents)),
    ("translate", 3, 3, Call::Text(TextFunction::Translate)),
    ("chr", 1, 1, Call::Text(TextFunction::Chr)),
    ("ascii", 1, 1, Call::Text(TextFunction::Ascii)),
    ("regexp_matches", 2, 3, Call::Regex(RegexCall::Matches)),
    ("regexp_extract", 2, 4, Call::Regex(RegexCall::Extract)),
    ("regexp_replace", 3, 4, Call::Regex(RegexCall::Replace)),
    ("date_part", 2, 2, Call::DatePart),
    ("year", 1, 1, Call::Part(DatePart::Of(Unit::Year))),
    ("quarter", 1, 1, Call::Part(DatePart::Of(Unit::Quarter))),
    ("month", 1, 1, Call::Part(DatePart::Of(Unit::Month))),
    ("week", 1, 1, Call::Part(DatePart::Of(Unit::Week))),
    ("day", 1, 1, Call::Part(DatePart::Of(Unit::Day))),
    ("hour", 1, 1, Call::Part(DatePart::Of(Unit::Hour))),
    ("minute", 1, 1, Call::Part(DatePart::Of(Unit::Minute))),
    ("second", 1, 1, Call::Part(DatePart::Of(Unit::Second))),
    ("dayofweek", 1, 1, Call::Part(DatePart::DayOfWeek)),
    ("isodow", 1, 1, Call::Part(DatePart::IsoDayOfWeek)),
    ("dayofyear", 1, 1, Call::Part(DatePart::DayOfYear)),
    ("isoyear", 1, 1, Call::Part(DatePart::IsoYear)),
    ("epoch", 1, 1, Call::Part(DatePart::Epoch)),
    ("date_trunc", 2, 2, Call::DateTrunc),
    ("date_diff", 3, 3, Call::DateDiff),
    ("last_day", 1, 1, Call::LastDay),
    ("md5", 1, 1, Call::Text(TextFunction::Md5)),
    ("uuid5", 2, 2, Call::Uuid5),
    ("json_object", 0, PARTS_MAX, Call::JsonObject),
    ("json_array", 0, PARTS_MAX, Call::JsonArray),
    ("var", 1, 1, Call::Var),
];

const AGGREGATES: &[&str] =
    &["count", "sum", "min", "max", "avg", "string_agg", "array_agg", "first", "last", "median", "any_value"];

impl Builder<'_> {
    pub(super) fn function(&mut self, function: &Function) -> Built {
        let at = function.name.span();
        let name = function.name.to_string().to_lowercase();
        if function.over.is_some() {
            return Err(self.problem(at, "window functions cannot be used: an expression sees one row"));
        }
        if AGGREGATES.contains(&name.as_str()) {
            return Err(self.problem(at, format!("{name} is an aggregate: an expression sees one row")));
        }
        let has_extras =
            function.filter.is_some() || !function.within_group.is_empty() || function.null_treatment.is_some();
        let FunctionArguments::List(list) = &function.args else {
            return Err(self.unknown_or(&name, function, "cannot be called this way"));
        };
        if !FUNCTIONS.iter().any(|(known, ..)| *known == name) {
            return Err(self.unknown_or(&name, function, ""));
        }
        if has_extras || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            return Err(self.problem(at, format!("{name} takes arguments and nothing else")));
        }
        let arguments = list.args.iter().map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) => Ok(tree),
            _ => Err(self.problem(at, format!("{name} takes plain arguments, no names and no `*`"))),
        });
        let arguments = arguments.collect::<Built<Vec<_>>>()?;
        self.call(&name, &arguments, at)
    }

    fn unknown_or(&self, name: &str, tree: &Function, otherwise: &str) -> ExprProblem {
        if FUNCTIONS.iter().any(|(known, ..)| *known == name) {
            return self.problem(tree.name.span(), format!("{name} {otherwise}"));
        }
        let known: Vec<&str> = FUNCTIONS.iter().map(|(known, ..)| *known).collect();
        self.unknown_function(name, tree, &known)
    }

    pub(super) fn trim(
        &mut self,
        trim_side: Option<&TrimWhereField>,
        set: Option<&Tree>,
        of: &Tree,
        characters: Option<&[Tree]>,
        at: Place,
    ) -> Built {
        let name = match trim_side {
            None | Some(TrimWhereField::Both) => "trim",
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
        };
        let mut arguments = vec![of];
        arguments.extend(set);
        arguments.extend(characters.into_iter().flatten());
        self.call(name, &arguments, at)
    }

    /// Builds a call of the function `name`, in lower case.
    pub(super) fn call(&mut self, name: &str, arguments: &[&Tree], at: Place) -> Built {
        let Some((_, least, most, call)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            return Err(self.problem(at, format!("there is no function {name}")));
        };
        if !(*least..=*most).contains(&arguments.len()) {
            let wanted = match (least, most) {
                (1, 1) => "1 argument".to_owned(),
                (least, most) if least == most => format!("{least} arguments"),
                (least, &PARTS_MAX) => format!("{least} to {PARTS_MAX} arguments"),
                (least, most) if most - least > 1 => format!("{least} to {most} arguments"),
                (least, most) => format!("{least} or {most} arguments"),
            };
            return Err(self.problem(at, format!("{name} takes {wanted}, not {}", arguments.len())));
        }
        match *call {
            Call::Text(function) => self.text_function(function, arguments),
            Call::Rounding(how) => self.rounded(how, arguments[0]),
            Call::Round => self.round_to(arguments),
            Call::NullIf => self.null_if(arguments[0], arguments[1]),
            Call::Hmac => self.hmac(arguments[0], arguments[1]),
            Call::FormatTime | Call::ParseTime => self.time_function(name, arguments),
            Call::Concat => {
                let parts = arguments.iter().map(|part| Ok(self.build(part)?.node)).collect::<Built<_>>()?;
                Ok(Typed::new(Node::Concat(parts), Type::Text))
            }
            Call::Coalesce => {
                let parts = arguments.iter().map(|part| self.placed(part)).collect::<Built<_>>()?;
                let (parts, kind) = self.unite(parts)?;
                Ok(Typed::new(Node::Coalesce(parts.into_iter().map(|part| part.node).collect()), kind))
            }
            other => self.call_more(other, arguments),
        }
    }

    fn call_more(&mut self, call: Call, arguments: &[&Tree]) -> Built {
        match (call, arguments) {
            (Call::Modulo, [a, b]) => self.arithmetic(Arithmetic::Remainder, a, b),
            (Call::DatePart, [name, of]) => self.date_part(name, of),
            (Call::Part(part), [of]) => self.part(part, of),
            (Call::DateTrunc, [unit, of]) => self.date_trunc(unit, of),
            (Call::DateDiff, [unit, from, until]) => self.date_diff(unit, from, until),
            (Call::LastDay, [of]) => self.last_day(of),
            (Call::Regex(call), arguments) => self.regex(call, arguments),
            (Call::Greatest, parts) => self.extreme(parts, true),
            (Call::Least, parts) => self.extreme(parts, false),
            (Call::ConcatWith, [separator, parts @ ..]) => {
                let separator = Box::new(self.build(separator)?.cast(Type::Text).node);
                let parts = parts.iter().map(|part| Ok(self.build(part)?.node)).collect::<Built<_>>()?;
                Ok(Typed::new(Node::ConcatWith { separator, parts }, Type::Text))
            }
            (Call::If, [condition, one, other]) => {
                let condition = self.condition(condition)?.node;
                let branches = [one, other].into_iter().map(|branch| self.placed(branch)).collect::<Built<_>>()?;
                let (branches, kind) = self.unite(branches)?;
                let mut branches = branches.into_iter().map(|branch| branch.node);
                let null = || Node::Literal(Value::Null);
                let one = branches.next().unwrap_or_else(null);
                let otherwise = Box::new(branches.next().unwrap_or_else(null));
                Ok(Typed::new(Node::Case { whens: vec![(condition, one)], otherwise }, kind))
            }
            (Call::Uuid5, [namespace, name]) => self.uuid5(namespace, name),
            (Call::JsonObject, arguments) => self.json_object(arguments),
            (Call::JsonArray, items) => self.json_array(items),
            (Call::Var, [name]) => self.var(name),
            // Every number of arguments was checked against the table.
            _ => Err(self.places.whole("this function cannot be called this way")),
        }
    }

    fn text_function(&mut self, function: TextFunction, arguments: &[&Tree]) -> Built {
        use TextFunction::{
            Ascii, Chr, Contains, EndsWith, Left, Length, PadLeft, PadRight, Position, Repeat, Right, SplitPart,
            StartsWith, Substring,
        };
        let mut nodes = Vec::new();
        for (index, tree) in arguments.iter().enumerate() {
            let is_count = match function {
                Substring => index > 0,
                Left | Right | PadLeft | PadRight | Repeat => index == 1,
                SplitPart => index == 2,
                Chr => true,
                _ => false,
            };
            let typed = if is_count { self.number(tree)?.cast(Type::Int) } else { self.build(tree)?.cast(Type::Text) };
            if function == SplitPart && matches!(typed.node, Node::Literal(Value::Int(0))) {
                let what = "there is no part 0: parts are counted from 1, and from the end with -1";
                return Err(self.problem(place_of(tree), what).hint("1 is the first part, -1 the last"));
            }
            nodes.push(typed.node);
        }
        let kind = match function {
            Length | Position | Ascii => Type::Int,
            StartsWith | EndsWith | Contains => Type::Bool,
            _ => Type::Text,
        };
        Ok(Typed::new(Node::Text { function, arguments: nodes }, kind))
    }

    fn null_if(&mut self, of: &Tree, with: &Tree) -> Built {
        let (built, other) = (self.build(of)?, self.build(with)?);
        let Some(kind) = built.kind.compared_with(other.kind) else {
            let what = format!(
                "{} cannot be compared with {}",
                with_article(built.kind.word()),
                with_article(other.kind.word())
            );
            return Err(self.problem(place_of(with), what));
        };
        let compared = Box::new(built.clone().cast(kind).node);
        let with = Box::new(self.cast_literal(other, kind, place_of(with))?.node);
        Ok(Typed::new(Node::NullIf { of: Box::new(built.node), compared, with }, built.kind))
    }

    fn hmac(&mut self, of: &Tree, secret: &Tree) -> Built {
        let name = match secret {
            Tree::Identifier(name) => name.value.clone(),
            Tree::Value(value) => match &value.value {
                SqlValue::SingleQuotedString(name) => name.clone(),
                _ => return Err(self.secret_problem(secret)),
            },
            _ => return Err(self.secret_problem(secret)),
        };
        let secret = index_in(&mut self.checked.secrets, &name);
        let outer = std::mem::replace(&mut self.in_keyed_hash, true);
        let of = self.build(of);
        self.in_keyed_hash = outer;
        let of = Box::new(of?.cast(Type::Text).node);
        Ok(Typed::new(Node::HmacSha256 { of, secret }, Type::Text))
    }

    fn secret_problem(&self, secret: &Tree) -> ExprProblem {
        self.problem(place_of(secret), "hmac_sha256 takes the name of a secret")
            .hint("a name under `secrets` in the settings, as in hmac_sha256(email, email_salt)")
    }

    /// Builds `format_time(value, format, zone)` and `parse_time(text, format[, zone])`.
    fn time_function(&mut self, name: &str, arguments: &[&Tree]) -> Built {
        let value = self.build(arguments[0])?;
        let format = self.required_text(name, "format", arguments[1])?;
        let zone = match arguments.get(2) {
            Some(tree) => {
                let zone = self.required_text(name, "zone", tree)?;
                self.zone(&zone, place_of(tree))?
            }
            None => TimeZone::UTC,
        };
        let compiled = TimeFormat::compile(&format).map_err(|problem| self.format_problem(arguments[1], problem))?;
        let format = Box::new(compiled);
        self.checked.zones.push(zone);
        let zone = self.checked.zones.len() - 1;
        if name == "parse_time" {
            format.reads_a_date().map_err(|problem| self.format_problem(arguments[1], problem))?;
            let of = Box::new(value.cast(Type::Text).node);
            return Ok(Typed::new(Node::ParseTime { of, format, zone }, Type::Text));
        }
        if !(value.kind.is_time() || matches!(value.kind, Type::Text | Type::Null)) {
            let what = format!("{} is not a time", with_article(value.kind.word()));
            return Err(self.problem(place_of(arguments[0]), what));
        }
        Ok(Typed::new(Node::FormatTime { of: Box::new(value.node), format, zone }, Type::Text))
    }

    fn format_problem(&self, format: &Tree, found: FormatProblem) -> ExprProblem {
        let mut problem = self.problem(place_of(format), found.what);
        problem.hint = found.hint;
        problem
    }

    pub(super) fn required_text(&mut self, function: &str, role: &str, tree: &Tree) -> Built<String> {
        let typed = self.build(tree)?;
        match self.literal_text(&typed) {
            Some(text) => Ok(text.to_owned()),
            None => {
                let what = format!("the {role} of {function} must be a text in single quotes");
                Err(self.problem(place_of(tree), what))
            }
        }
    }

    fn zone(&self, name: &str, at: Place) -> Built<TimeZone> {
        zone::parse(name).map_err(|refused| self.problem(at, refused.what).hint(refused.hint))
    }
}
