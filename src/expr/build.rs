//! The parser's tree → checked nodes. Finds every problem that can be found without a header.

use sqlparser::ast::{self, BinaryOperator, InTarget, UnaryOperator};
use sqlparser::tokenizer::Span as Place;

use super::decimal::{self, Number};
use super::node::{Arithmetic, Comparison, Node, Rounding, Typed};
use super::place::{Places, place_of};
use super::value::{Span, Type, Value};
use super::{Checked, ExprProblem, convert};
use crate::expr::shorten;

pub(super) type Built<T = Typed> = Result<T, ExprProblem>;

/// The deepest nesting; chains of `and`, `or` and `||` count once.
const DEPTH_MAX: usize = 64;

pub(super) struct Builder<'a> {
    pub(super) places: &'a Places<'a>,
    pub(super) checked: Checked,
    depth: usize,
    /// The argument of a keyed hash is being built.
    pub(super) in_keyed_hash: bool,
    /// Returns the value of a name of `var`, if it is known.
    pub(super) var: &'a dyn Fn(&str) -> Option<String>,
}

pub(super) fn build(tree: &ast::Expr, places: &Places<'_>, var: &dyn Fn(&str) -> Option<String>) -> Built<Checked> {
    let root = Typed::new(Node::Literal(Value::Null), Type::Null);
    let checked = Checked {
        text: String::new(),
        root,
        columns: Vec::new(),
        hashed: Vec::new(),
        unhashed: Vec::new(),
        quoted: Vec::new(),
        hyphenated: Vec::new(),
        secrets: Vec::new(),
        unset_vars: Vec::new(),
        zones: Vec::new(),
        patterns: Vec::new(),
        literals: Vec::new(),
        warnings: Vec::new(),
    };
    let mut builder = Builder { places, checked, depth: 0, in_keyed_hash: false, var };
    builder.checked.root = builder.build(tree)?;
    Ok(builder.checked)
}

/// Returns the index of `name` in `list`, appending it if it is new.
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
        let built = self.build_node(tree)?;
        self.depth -= 1;
        // Checked last: a hint repeats the tree, which by then is known not to be too deep.
        self.refuse_chained(tree)?;
        Ok(built)
    }

    fn build_node(&mut self, tree: &ast::Expr) -> Built {
        use ast::Expr;
        match tree {
            Expr::Nested(inner) => self.build(inner),
            Expr::Identifier(name) => {
                let column = index_in(&mut self.checked.columns, &name.value);
                let list = if self.in_keyed_hash { &mut self.checked.hashed } else { &mut self.checked.unhashed };
                index_in(list, &name.value);
                if name.quote_style.is_some() {
                    index_in(&mut self.checked.quoted, &name.value);
                }
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
            Expr::IsUnknown(of) => Ok(condition_of(Node::IsNull { of: boxed(self.condition(of)?), negated: false })),
            Expr::IsNotUnknown(of) => Ok(condition_of(Node::IsNull { of: boxed(self.condition(of)?), negated: true })),
            Expr::IsTrue(of) => self.is_bool(of, true, false),
            Expr::IsNotTrue(of) => self.is_bool(of, true, true),
            Expr::IsFalse(of) => self.is_bool(of, false, false),
            Expr::IsNotFalse(of) => self.is_bool(of, false, true),
            Expr::In { expr, target: InTarget::List(list), negated, .. } => self.in_list(tree, expr, list, *negated),
            Expr::Between { expr, negated, low, high } => self.between(tree, (expr, low, high), *negated),
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(tree, (expr, pattern), escape_char.as_deref(), *negated)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(tree, operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Cast { kind, expr, data_type, format: None } => self.cast(kind, expr, data_type, place_of(tree)),
            Expr::Function(function) => self.function(function),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![expr.as_ref()];
                arguments.extend(substring_from.as_deref());
                arguments.extend(substring_for.as_deref());
                self.call("substring", &arguments, place_of(tree))
            }
            Expr::Position { expr, r#in } => self.call("strpos", &[r#in, expr], place_of(tree)),
            Expr::Floor { expr, field } => self.round(tree, Rounding::Floor, expr, field),
            Expr::Ceil { expr, field } => self.round(tree, Rounding::Ceil, expr, field),
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                self.trim(trim_where.as_ref(), trim_what.as_deref(), expr, trim_characters.as_deref(), place_of(tree))
            }
            Expr::Extract { field, expr, .. } => self.extract(field, expr),
            Expr::IsDistinctFrom(left, right) => self.distinct(left, right, false),
            Expr::IsNotDistinctFrom(left, right) => self.distinct(left, right, true),
            other => Err(self.unsupported(other)),
        }
    }

    /// Builds a node, then finds its place: only a tree that is not too deep can be walked for it.
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
                None => {
                    return Err(self.problem(at, format!("{} is not a usable number", shorten(digits))));
                }
            },
            ast::Value::Placeholder(_) => return Err(self.problem(at, "placeholders cannot be used")),
            _ => {
                return Err(self
                    .problem(at, "this kind of literal cannot be used")
                    .hint("a text is written in single quotes"));
            }
        };
        Ok(Typed::new(Node::Literal(value), kind))
    }

    /// Returns the text of a literal, or `None` for any other node.
    pub(super) fn literal_text(&self, typed: &Typed) -> Option<&str> {
        let Node::Literal(Value::Text(Span::Literal { start, end })) = &typed.node else { return None };
        std::str::from_utf8(&self.checked.literals[*start as usize..*end as usize]).ok()
    }

    /// Builds a cast. A cast of a literal is evaluated now, so that a bad literal is found before there are rows.
    pub(super) fn cast_literal(&mut self, typed: Typed, to: Type, at: Place) -> Built {
        let Some(text) = self.literal_text(&typed).filter(|_| to != Type::Text) else { return Ok(typed.cast(to)) };
        match convert::read(text.as_bytes(), to) {
            Some(value) => Ok(Typed::new(Node::Literal(value), to)),
            None => Err(self.problem(at, format!("{:?} is not a valid {}", shorten(text), convert::describe(to)))),
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
            other => return Err(self.unknown_operator(tree, other)),
        };
        let built = (self.build(left)?, self.build(right)?);
        self.refuse_chained(tree)?;
        self.refuse_null(tree, how, (left, &built.0), (right, &built.1))?;
        self.warn_of_text_order(tree, how, (left, &built.0), (right, &built.1));
        self.warn_of_time_order(tree, how, (left, &built.0), (right, &built.1));
        let compared = self.compare(how, (left, built.0), (right, built.1), tree)?;
        self.refuse_constant(tree, compared)
    }

    /// Builds `a and b and c …` as one node, whatever its length; likewise `or` and `||`.
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
        let parts = links.into_iter().map(|link| Ok(self.condition(link)?.node)).collect::<Built<Vec<_>>>()?;
        if *op == BinaryOperator::Or {
            return Ok(condition_of(Node::Or(parts)));
        }
        self.refuse_contradiction(tree, &parts)?;
        Ok(condition_of(Node::And(parts)))
    }

    pub(super) fn number(&mut self, tree: &ast::Expr) -> Built {
        let typed = self.build(tree)?;
        self.as_number(typed, tree)
    }

    fn as_number(&mut self, typed: Typed, tree: &ast::Expr) -> Built {
        match typed.kind {
            Type::Text => self.cast_literal(typed, Type::Number, place_of(tree)),
            Type::Null => Ok(typed),
            kind if kind.is_number() => Ok(typed),
            kind if kind.is_time() => Err(self
                .places
                .tree(tree, format!("{} is not a number", with_article(kind.word())))
                .hint("date_part and date_diff make numbers of dates, as in date_diff('day', hired, done)")),
            kind => Err(self.problem(place_of(tree), format!("{} is not a number", with_article(kind.word())))),
        }
    }

    pub(super) fn arithmetic(&mut self, how: Arithmetic, left_tree: &ast::Expr, right_tree: &ast::Expr) -> Built {
        if let Some(shifted) = self.interval_arithmetic(how, left_tree, right_tree)? {
            return Ok(shifted);
        }
        let (left, right) = (self.build(left_tree)?, self.build(right_tree)?);
        if left.kind.is_time() || right.kind.is_time() {
            return self.date_arithmetic(how, (left_tree, left), (right_tree, right));
        }
        let (left, right) = (self.as_number(left, left_tree)?, self.as_number(right, right_tree)?);
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

    fn case(
        &mut self,
        tree: &ast::Expr,
        operand: Option<&ast::Expr>,
        whens: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
    ) -> Built {
        let mut conditions = Vec::new();
        let mut results = Vec::new();
        for when in whens {
            conditions.push(match operand {
                None => self.condition(&when.condition)?,
                Some(operand) => {
                    let built = (self.build(operand)?, self.build(&when.condition)?);
                    self.refuse_null_in_case(tree, &built.1)?;
                    self.compare(Comparison::Equal, (operand, built.0), (&when.condition, built.1), &when.condition)?
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

    /// Casts all branches to the one type that holds them.
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
