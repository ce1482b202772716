//! The checked form of an expression: every name, type, format and pattern is resolved; columns are indexes into the
//! expression's own list, bound to a header later.

use super::calendar::{DatePart, Interval};
use super::like::LikePattern;
use super::unit::Unit;
use super::value::{Type, Value};
use crate::expr::time::TimeFormat;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// The result of a cast whose value is not valid in the new type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Fault,
    Null,
}

/// Functions of texts and numbers that return a text or a number. Null in, null out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextFunction {
    Lower,
    Upper,
    Trim,
    TrimLeft,
    TrimRight,
    Substring,
    Replace,
    Length,
    Left,
    Right,
    PadLeft,
    PadRight,
    Sha256,
    Position,
    Md5,
    Reverse,
    StartsWith,
    EndsWith,
    Contains,
    SplitPart,
    Repeat,
    StripAccents,
    Translate,
    /// Of a number.
    Chr,
    Ascii,
}

/// The ways to round a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Abs,
    Floor,
    Ceil,
    /// To this many digits after the point, half away from zero.
    Round {
        digits: u8,
    },
}

/// The functions of regular expressions, with nothing left to decide.
#[derive(Clone, Debug)]
pub(crate) enum RegexFunction {
    Matches,
    /// The text of this group in the first match; empty if there is none.
    Extract {
        group: usize,
    },
    Replace {
        by: Vec<Piece>,
        /// Every match, instead of the first.
        all: bool,
    },
}

/// A piece of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Group(usize),
}

/// One value of a JSON object or array.
#[derive(Clone, Debug)]
pub(crate) struct JsonMember {
    /// `"key":`, or nothing in an array.
    pub(crate) head: Box<[u8]>,
    /// True if the value is an object or array itself.
    pub(crate) is_json: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Column(usize),
    Literal(Value),
    Cast {
        of: Box<Node>,
        to: Type,
        on_failure: OnFailure,
    },
    /// Both sides have types that [`Type::compared_with`] allows.
    Compare {
        how: Comparison,
        left: Box<Node>,
        right: Box<Node>,
    },
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    In {
        of: Box<Node>,
        list: Vec<Node>,
        negated: bool,
    },
    /// A long list of literal texts, sorted.
    InTexts {
        of: Box<Node>,
        sorted: Vec<Box<[u8]>>,
        has_null: bool,
        negated: bool,
    },
    Between {
        of: Box<Node>,
        low: Box<Node>,
        high: Box<Node>,
        negated: bool,
    },
    Like {
        of: Box<Node>,
        pattern: LikePattern,
        negated: bool,
    },
    IsNull {
        of: Box<Node>,
        negated: bool,
    },
    IsBool {
        of: Box<Node>,
        wanted: bool,
        negated: bool,
    },
    Case {
        whens: Vec<(Node, Node)>,
        otherwise: Box<Node>,
    },
    Arithmetic {
        how: Arithmetic,
        left: Box<Node>,
        right: Box<Node>,
    },
    Negate(Box<Node>),
    Round {
        how: Rounding,
        of: Box<Node>,
    },
    /// `||`: null if any part is null.
    Join(Vec<Node>),
    /// `concat`: nulls are skipped.
    Concat(Vec<Node>),
    Coalesce(Vec<Node>),
    NullIf {
        of: Box<Node>,
        compared: Box<Node>,
        with: Box<Node>,
    },
    Text {
        function: TextFunction,
        arguments: Vec<Node>,
    },
    HmacSha256 {
        of: Box<Node>,
        secret: usize,
    },
    FormatTime {
        of: Box<Node>,
        format: Box<TimeFormat>,
        zone: usize,
    },
    ParseTime {
        of: Box<Node>,
        format: Box<TimeFormat>,
        zone: usize,
    },
    /// `is distinct from`: null is a value like any other.
    Distinct {
        left: Box<Node>,
        right: Box<Node>,
        negated: bool,
    },
    /// The greatest or least of values of one type; nulls are skipped.
    Extreme {
        parts: Vec<Node>,
        is_greatest: bool,
    },
    /// `concat_ws`: nulls are skipped.
    ConcatWith {
        separator: Box<Node>,
        parts: Vec<Node>,
    },
    /// `time + interval`.
    Shift {
        of: Box<Node>,
        interval: Interval,
    },
    /// `date + integer`, or `date - integer`.
    PlusDays {
        of: Box<Node>,
        days: Box<Node>,
        negated: bool,
    },
    /// `date - date`.
    DaysBetween {
        left: Box<Node>,
        right: Box<Node>,
    },
    DatePart {
        part: DatePart,
        of: Box<Node>,
    },
    DateTrunc {
        unit: Unit,
        of: Box<Node>,
    },
    DateDiff {
        unit: Unit,
        from: Box<Node>,
        until: Box<Node>,
    },
    LastDay(Box<Node>),
    Regex {
        function: RegexFunction,
        of: Box<Node>,
        /// Index into the expression's patterns.
        pattern: usize,
    },
    Uuid5 {
        namespace: [u8; 16],
        of: Box<Node>,
    },
    Json {
        is_object: bool,
        members: Vec<JsonMember>,
        values: Vec<Node>,
    },
}

/// A node and the type that it yields.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) node: Node,
    pub(crate) kind: Type,
}

impl Typed {
    pub(crate) fn new(node: Node, kind: Type) -> Self {
        Self { node, kind }
    }

    /// Casts the node to type `to`; a value that is not valid there is a fault of its row.
    pub(crate) fn cast(self, to: Type) -> Self {
        if self.kind == to || self.kind == Type::Null || (to == Type::Number && self.kind.is_number()) {
            return Self { node: self.node, kind: to };
        }
        Self::new(Node::Cast { of: Box::new(self.node), to, on_failure: OnFailure::Fault }, to)
    }
}
