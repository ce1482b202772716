//! The parser's tree → checked nodes: everything that can be wrong without a header is found here.

use sqlparser::ast::{self, BinaryOperator, CastKind, DataType, ExactNumberInfo, InTarget, UnaryOperator};
use sqlparser::tokenizer::Span as Place;

use super::decimal::{self, Number};
use super::node::{Arithmetic, Comparison, Node, OnFailure, Typed};
use super::place::{Places, place_of};
use super::value::{Span, Type, Value};
use super::{Checked, ExprProblem, convert};

pub(super) type Built<T = Typed> = Result<T, ExprProblem>;

/// The deepest nesting; chains of `and`, `or` and `||` count once.
const DEPTH_MAX: usize = 64;

pub(super) struct Builder<'a> {
    pub(super) places: &'a Places<'a>,
    pub(super) checked: Checked,
    depth: usize,
}

pub(super) fn build(tree: &ast::Expr, places: &Places<'_>) -> Built<Checked> {
    let root = Typed::new(Node::Literal(Value::Null), Type::Null);
    let checked = Checked { root, columns: Vec::new(), secrets: Vec::new(), zones: Vec::new(), literals: Vec::new() };
    let mut builder = Builder { places, checked, depth: 0 };
    builder.checked.root = builder.build(tree)?;
    Ok(builder.checked)
}

/// The place of `name` in `list`, where it is put if it is new.
pub(super) fn index_in(list: &mut Vec<String>, name: &str) -> usize {
    list.iter().position(|known| known == name).unwrap_or_else(|| {
        list.push(name.to_owned());
        list.len() - 1
    })
}

pub(super) fn boxed(typed: Typed) -> Box<Node> {
    Box::new(typed.node)
}

pub(super) fn condition_of(node: Node) -> Typed {
    Typed::new(node, Type::Bool)
}

impl Builder<'_> {
    pub(super) fn problem(&self, at: Place, what: impl Into<String>) -> ExprProblem {
        self.places.span(at, what)
    }

    pub(super) fn build(&mut self, tree: &ast::Expr) -> Built {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let what = format!("the expression is nested deeper than {DEPTH_MAX} levels");
            return Err(self.places.whole(what));
        }
        let built = self.build_node(tree);
        self.depth -= 1;
        built
    }

    fn build_node(&mut self, tree: &ast::Expr) -> Built {
        use ast::Expr;
        match tree {
            Expr::Nested(inner) => self.build(inner),
            Expr::Identifier(name) => {
                let column = index_in(&mut self.checked.columns, &name.value);
                Ok(Typed::new(Node::Column(column), Type::Text))
            }
            Expr::Value(value) => self.literal(&value.value, value.span),
            Expr::TypedString(typed) => {
                let to = self.type_of(&typed.data_type, place_of(tree))?;
                let literal = self.literal(&typed.value.value, typed.value.span)?;
                self.cast_literal(literal, to, place_of(tree))
            }
            Expr::BinaryOp { left, op, right } => self.binary(tree, left, op, right),
            Expr::UnaryOp { op, expr } => self.unary(op, expr, place_of(tree)),
            Expr::IsNull(of) => Ok(condition_of(Node::IsNull { of: boxed(self.build(of)?), negated: false })),
            Expr::IsNotNull(of) => Ok(condition_of(Node::IsNull { of: boxed(self.build(of)?), negated: true })),
            Expr::IsTrue(of) => self.is_bool(of, true, false),
            Expr::IsNotTrue(of) => self.is_bool(of, true, true),
            Expr::IsFalse(of) => self.is_bool(of, false, false),
            Expr::IsNotFalse(of) => self.is_bool(of, false, true),
            Expr::In { expr, target: InTarget::List(list), negated, .. } => self.in_list(expr, list, *negated),
            Expr::Between { expr, negated, low, high } => self.between(expr, low, high, *negated),
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char.as_deref(), *negated)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Cast { kind, expr, data_type, format: None } => self.cast(kind, expr, data_type, place_of(tree)),
            Expr::Function(function) => self.function(function),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![expr.as_ref()];
                arguments.extend(substring_from.as_deref());
                arguments.extend(substring_for.as_deref());
                self.call("substring", &arguments, place_of(tree))
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                self.trim(trim_where.as_ref(), trim_what.as_deref(), expr, trim_characters.as_deref(), place_of(tree))
            }
            other => Err(self.unsupported(other)),
        }
    }

    fn unsupported(&self, tree: &ast::Expr) -> ExprProblem {
        use ast::Expr;
        let (what, hint) = match tree {
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::In { .. } => {
                ("a subquery cannot be used", Some("an expression sees one row"))
            }
            Expr::CompoundIdentifier(_) => (
                "a name with a dot cannot be used",
                Some("columns have no table; a name that contains a dot stands in double quotes"),
            ),
            Expr::ILike { .. } => ("`ilike` cannot be used", Some("write lower(x) like '…'")),
            Expr::SimilarTo { .. } | Expr::RLike { .. } => ("patterns of this kind cannot be used", Some("use `like`")),
            Expr::AtTimeZone { .. } => ("`at time zone` cannot be used", Some("use format_time(value, format, zone)")),
            Expr::Extract { .. } => ("`extract` cannot be used", Some("use format_time(value, '%Y', zone)")),
            Expr::Interval(_) => ("intervals cannot be used", None),
            Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => ("`*` is no value", None),
            Expr::Tuple(_) => ("a list of values stands only after `in`", None),
            Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => ("`is distinct from` cannot be used", None),
            _ => ("this SQL cannot be used in an expression", None),
        };
        let mut problem = self.problem(place_of(tree), what);
        problem.hint = hint.map(str::to_owned);
        problem
    }

    /// Built, and where it stands. The place is asked for last: only a tree that is not too deep can be walked for it.
    pub(super) fn placed(&mut self, tree: &ast::Expr) -> Built<(Typed, Place)> {
        Ok((self.build(tree)?, place_of(tree)))
    }

    pub(super) fn text_literal(&mut self, text: &str) -> Typed {
        let start = self.checked.literals.len() as u32;
        self.checked.literals.extend_from_slice(text.as_bytes());
        let end = self.checked.literals.len() as u32;
        Typed::new(Node::Literal(Value::Text(Span::Literal { start, end })), Type::Text)
    }

    fn literal(&mut self, value: &ast::Value, at: Place) -> Built {
        let (value, kind) = match value {
            ast::Value::Null => (Value::Null, Type::Null),
            ast::Value::Boolean(truth) => (Value::Bool(*truth), Type::Bool),
            ast::Value::SingleQuotedString(text) => return Ok(self.text_literal(text)),
            ast::Value::Number(digits, false) => match decimal::read_number(digits.as_bytes()) {
                Some(Number::Int(int)) => (Value::Int(int), Type::Int),
                Some(Number::Decimal(decimal)) => {
                    (Value::Decimal(decimal), Type::Decimal { precision: 38, scale: decimal.scale })
                }
                Some(Number::Double(double)) => (Value::Double(double), Type::Double),
                None => return Err(self.problem(at, format!("{digits} is no number that can be used"))),
            },
            ast::Value::Placeholder(_) => return Err(self.problem(at, "placeholders cannot be used")),
            _ => {
                let mut problem = self.problem(at, "this kind of literal cannot be used");
                problem.hint = Some("a text stands in single quotes".to_owned());
                return Err(problem);
            }
        };
        Ok(Typed::new(Node::Literal(value), kind))
    }

    /// The text of a literal; `None` if the node is something else.
    pub(super) fn literal_text(&self, typed: &Typed) -> Option<&str> {
        let Node::Literal(Value::Text(Span::Literal { start, end })) = &typed.node else { return None };
        std::str::from_utf8(&self.checked.literals[*start as usize..*end as usize]).ok()
    }

    /// A cast that is done now if it is of a literal, so that a bad literal is found before there are rows.
    pub(super) fn cast_literal(&mut self, typed: Typed, to: Type, at: Place) -> Built {
        let Some(text) = self.literal_text(&typed).filter(|_| to != Type::Text) else { return Ok(typed.cast(to)) };
        match convert::read(text.as_bytes(), to) {
            Some(value) => Ok(Typed::new(Node::Literal(value), to)),
            None => Err(self.problem(at, format!("{text:?} is no {}", convert::describe(to)))),
        }
    }

    fn binary(&mut self, tree: &ast::Expr, left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Built {
        let how = match op {
            BinaryOperator::And | BinaryOperator::Or | BinaryOperator::StringConcat => return self.chain(tree, op),
            BinaryOperator::Eq => Comparison::Equal,
            BinaryOperator::NotEq => Comparison::NotEqual,
            BinaryOperator::Lt => Comparison::Less,
            BinaryOperator::LtEq => Comparison::LessOrEqual,
            BinaryOperator::Gt => Comparison::Greater,
            BinaryOperator::GtEq => Comparison::GreaterOrEqual,
            BinaryOperator::Plus => return self.arithmetic(Arithmetic::Add, left, right),
            BinaryOperator::Minus => return self.arithmetic(Arithmetic::Subtract, left, right),
            BinaryOperator::Multiply => return self.arithmetic(Arithmetic::Multiply, left, right),
            BinaryOperator::Divide => return self.arithmetic(Arithmetic::Divide, left, right),
            BinaryOperator::Modulo => return self.arithmetic(Arithmetic::Remainder, left, right),
            other => {
                let mut problem = self.problem(place_of(tree), format!("the operator {other} cannot be used"));
                problem.hint = match other.to_string().as_str() {
                    "&&" => Some("write `and`".to_owned()),
                    "|" => Some("write `or` between conditions, `||` between texts".to_owned()),
                    "XOR" => Some("write `<>` between conditions".to_owned()),
                    _ => None,
                };
                return Err(problem);
            }
        };
        let built = (self.build(left)?, self.build(right)?);
        self.compare(how, built.0, built.1, (place_of(left), place_of(right)))
    }

    /// `a and b and c …` as one node, whatever its length; likewise `or` and `||`.
    fn chain(&mut self, tree: &ast::Expr, op: &BinaryOperator) -> Built {
        let mut links = Vec::new();
        let mut rest = tree;
        while let ast::Expr::BinaryOp { left, op: other, right } = rest {
            if other != op {
                break;
            }
            links.push(right.as_ref());
            rest = left;
        }
        links.push(rest);
        links.reverse();
        if *op == BinaryOperator::StringConcat {
            let parts = links.into_iter().map(|link| Ok(self.build(link)?.node)).collect::<Built<_>>()?;
            return Ok(Typed::new(Node::Join(parts), Type::Text));
        }
        let parts = links.into_iter().map(|link| Ok(self.condition(link)?.node)).collect::<Built<_>>()?;
        Ok(condition_of(if *op == BinaryOperator::And { Node::And(parts) } else { Node::Or(parts) }))
    }

    pub(super) fn number(&mut self, tree: &ast::Expr) -> Built {
        let typed = self.build(tree)?;
        match typed.kind {
            Type::Text => self.cast_literal(typed, Type::Number, place_of(tree)),
            Type::Null => Ok(typed),
            kind if kind.is_number() => Ok(typed),
            kind => Err(self.problem(place_of(tree), format!("{} is no number", with_article(kind.word())))),
        }
    }

    fn arithmetic(&mut self, how: Arithmetic, left: &ast::Expr, right: &ast::Expr) -> Built {
        let (left, right) = (self.number(left)?, self.number(right)?);
        let kind = match (left.kind, right.kind) {
            _ if how == Arithmetic::Divide => Type::Double,
            (Type::Null, _) | (_, Type::Null) => Type::Null,
            (Type::Double, _) | (_, Type::Double) => Type::Double,
            (Type::Int, Type::Int) => Type::Int,
            (Type::Number, _) | (_, Type::Number) => Type::Number,
            (a, b) => {
                let (a, b) = (scale_of(a), scale_of(b));
                let scale = if how == Arithmetic::Multiply { a + b } else { a.max(b) };
                Type::Decimal { precision: 38, scale }
            }
        };
        Ok(Typed::new(Node::Arithmetic { how, left: boxed(left), right: boxed(right) }, kind))
    }

    fn unary(&mut self, op: &UnaryOperator, of: &ast::Expr, at: Place) -> Built {
        match op {
            UnaryOperator::Not => Ok(condition_of(Node::Not(boxed(self.condition(of)?)))),
            UnaryOperator::Plus => self.number(of),
            UnaryOperator::Minus => {
                let number = self.number(of)?;
                Ok(match number.node {
                    Node::Literal(Value::Int(int)) => {
                        let negative = int.checked_neg().ok_or_else(|| self.problem(at, "out of range"))?;
                        Typed::new(Node::Literal(Value::Int(negative)), Type::Int)
                    }
                    _ => Typed::new(Node::Negate(Box::new(number.node)), number.kind),
                })
            }
            other => Err(self.problem(at, format!("the operator {other} cannot be used"))),
        }
    }

    fn case(&mut self, operand: Option<&ast::Expr>, whens: &[ast::CaseWhen], otherwise: Option<&ast::Expr>) -> Built {
        let mut conditions = Vec::new();
        let mut results = Vec::new();
        for when in whens {
            conditions.push(match operand {
                None => self.condition(&when.condition)?,
                Some(operand) => {
                    let built = (self.build(operand)?, self.build(&when.condition)?);
                    self.compare(Comparison::Equal, built.0, built.1, (place_of(operand), place_of(&when.condition)))?
                }
            });
            results.push(self.placed(&when.result)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.placed(otherwise)?,
            None => (Typed::new(Node::Literal(Value::Null), Type::Null), Place::empty()),
        });
        let (mut results, kind) = self.unite(results)?;
        let otherwise = Box::new(results.pop().map_or(Node::Literal(Value::Null), |typed| typed.node));
        let whens = conditions.into_iter().map(|typed| typed.node).zip(results.into_iter().map(|typed| typed.node));
        Ok(Typed::new(Node::Case { whens: whens.collect(), otherwise }, kind))
    }

    /// All branches in the one type that holds them.
    pub(super) fn unite(&mut self, branches: Vec<(Typed, Place)>) -> Built<(Vec<Typed>, Type)> {
        let mut kind = Type::Null;
        for (branch, at) in &branches {
            kind = kind.united_with(branch.kind).ok_or_else(|| {
                let (one, other) = (with_article(kind.word()), with_article(branch.kind.word()));
                self.problem(*at, format!("one result is {one}, this one {other}"))
            })?;
        }
        let branches = branches.into_iter().map(|(branch, _)| branch.cast(kind)).collect();
        Ok((branches, kind))
    }

    fn cast(&mut self, how: &CastKind, of: &ast::Expr, to: &DataType, at: Place) -> Built {
        let on_failure = match how {
            CastKind::Cast | CastKind::DoubleColon => OnFailure::Fault,
            CastKind::TryCast => OnFailure::Null,
            CastKind::SafeCast => return Err(self.problem(at, "`safe_cast` cannot be used; write `try_cast`")),
        };
        let typed = self.build(of)?;
        let to = self.type_of(to, at)?;
        let (number, time) = (typed.kind.is_number() || typed.kind == Type::Bool, typed.kind.is_time());
        if (number && to.is_time()) || (time && (to.is_number() || to == Type::Bool)) {
            let what = format!("{} cannot become {}", with_article(typed.kind.word()), with_article(to.word()));
            return Err(self.problem(at, what));
        }
        if on_failure == OnFailure::Fault && matches!(typed.node, Node::Literal(_)) {
            return self.cast_literal(typed, to, at);
        }
        Ok(Typed::new(Node::Cast { of: boxed(typed), to, on_failure }, to))
    }

    fn type_of(&self, written: &DataType, at: Place) -> Built<Type> {
        let decimal = |info: &ExactNumberInfo| match *info {
            // As in DuckDB.
            ExactNumberInfo::None => Some((18, 3)),
            ExactNumberInfo::Precision(precision) => Some((precision, 0)),
            ExactNumberInfo::PrecisionAndScale(precision, scale) => {
                u64::try_from(scale).ok().map(|scale| (precision, scale))
            }
        };
        match written {
            DataType::Int(None)
            | DataType::Integer(None)
            | DataType::BigInt(None)
            | DataType::SmallInt(None)
            | DataType::TinyInt(None) => Ok(Type::Int),
            DataType::Double(_) | DataType::DoublePrecision | DataType::Real | DataType::Float(_) => Ok(Type::Double),
            DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => match decimal(info) {
                Some((precision @ 1..=38, scale)) if scale <= precision => {
                    Ok(Type::Decimal { precision: precision as u8, scale: scale as u8 })
                }
                _ => Err(self.problem(at, "a decimal has 1 to 38 digits, and no more of them after the point")),
            },
            DataType::Text | DataType::Varchar(_) | DataType::String(_) => Ok(Type::Text),
            DataType::Boolean | DataType::Bool => Ok(Type::Bool),
            DataType::Date => Ok(Type::Date),
            DataType::Timestamp(None, _) => Ok(Type::Timestamp),
            other => {
                let mut problem = self.problem(at, format!("{other} is no type that can be used"));
                problem.hint = Some("integer, double, decimal(p,s), text, boolean, date, timestamp".to_owned());
                Err(problem)
            }
        }
    }
}

fn scale_of(kind: Type) -> u8 {
    match kind {
        Type::Decimal { scale, .. } => scale,
        _ => 0,
    }
}

pub(super) fn with_article(word: &str) -> String {
    match word {
        "null" | "text" => word.to_owned(),
        "integer" => format!("an {word}"),
        _ => format!("a {word}"),
    }
}
