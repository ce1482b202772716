//! Comparisons and what is made of them: checked so that both sides are of one kind.

use sqlparser::ast;
use sqlparser::tokenizer::Span as Place;

use super::build::{Builder, Built, boxed, condition_of, with_article};
use super::like::LikePattern;
use super::node::{Comparison, Node, Typed};
use super::place::place_of;
use super::value::Type;

/// Literal lists of `in` that are longer are searched by halves.
const SCANNED_LIST_MAX: usize = 8;

impl Builder<'_> {
    pub(super) fn condition(&mut self, tree: &ast::Expr) -> Built {
        let typed = self.build(tree)?;
        if matches!(typed.kind, Type::Bool | Type::Null) {
            return Ok(typed);
        }
        let what = format!("this is {}, not a condition", with_article(typed.kind.word()));
        let mut problem = self.problem(place_of(tree), what);
        problem.hint = Some("compare it with something, or write `… is true`".to_owned());
        Err(problem)
    }

    pub(super) fn compare(&mut self, how: Comparison, left: Typed, right: Typed, at: (Place, Place)) -> Built {
        if how == Comparison::Equal {
            self.refuse_empty(&left, &right, at.1)?;
            self.refuse_empty(&right, &left, at.0)?;
        }
        let (left, right) = self.comparable(left, right, at)?;
        Ok(condition_of(Node::Compare { how, left: boxed(left), right: boxed(right) }))
    }

    /// `column = ''` is never true, since an empty cell is null: whoever wrote it meant `is null`.
    fn refuse_empty(&self, column: &Typed, literal: &Typed, at: Place) -> Built<()> {
        if matches!(column.node, Node::Column(_)) && self.literal_text(literal) == Some("") {
            let mut problem = self.problem(at, "an empty cell is null, and nothing equals ''");
            problem.hint = Some("write `is null`".to_owned());
            return Err(problem);
        }
        Ok(())
    }

    /// Both in the type in which they are compared.
    fn comparable(&mut self, left: Typed, right: Typed, at: (Place, Place)) -> Built<(Typed, Typed)> {
        let Some(kind) = left.kind.compared_with(right.kind) else {
            let what = format!(
                "{} cannot be compared with {}",
                with_article(left.kind.word()),
                with_article(right.kind.word())
            );
            return Err(self.problem(at.1, what));
        };
        Ok((self.cast_literal(left, kind, at.0)?, self.cast_literal(right, kind, at.1)?))
    }

    pub(super) fn is_bool(&mut self, of: &ast::Expr, wanted: bool, negated: bool) -> Built {
        let typed = self.build(of)?;
        let typed = self.cast_literal(typed, Type::Bool, place_of(of))?;
        Ok(condition_of(Node::IsBool { of: boxed(typed), wanted, negated }))
    }

    pub(super) fn in_list(&mut self, of: &ast::Expr, list: &[ast::Expr], negated: bool) -> Built {
        let (of, of_place) = self.placed(of)?;
        let items = list.iter().map(|item| self.placed(item)).collect::<Built<Vec<_>>>()?;
        let mut kind = of.kind;
        for (item, at) in &items {
            self.refuse_empty(&of, item, *at)?;
            kind = kind.compared_with(item.kind).ok_or_else(|| {
                let what = format!("{} is compared with {}", with_article(kind.word()), with_article(item.kind.word()));
                self.problem(*at, what)
            })?;
        }
        let of = boxed(self.cast_literal(of, kind, of_place)?);
        let texts: Vec<_> = items.iter().filter_map(|(item, _)| self.literal_text(item)).collect();
        let nulls = items.iter().filter(|(item, _)| item.kind == Type::Null).count();
        if kind == Type::Text && texts.len() > SCANNED_LIST_MAX && texts.len() + nulls == items.len() {
            let mut sorted: Vec<Box<[u8]>> = texts.iter().map(|text| text.as_bytes().into()).collect();
            sorted.sort_unstable();
            return Ok(condition_of(Node::InTexts { of, sorted, has_null: nulls > 0, negated }));
        }
        let list =
            items.into_iter().map(|(item, at)| Ok(self.cast_literal(item, kind, at)?.node)).collect::<Built<_>>()?;
        Ok(condition_of(Node::In { of, list, negated }))
    }

    pub(super) fn between(&mut self, of: &ast::Expr, low: &ast::Expr, high: &ast::Expr, negated: bool) -> Built {
        let ((of, of_place), (low, low_place), (high, high_place)) =
            (self.placed(of)?, self.placed(low)?, self.placed(high)?);
        let kind = of.kind.compared_with(low.kind).and_then(|kind| kind.compared_with(high.kind));
        let Some(kind) = kind else {
            return Err(self.problem(low_place, "the three values of `between` cannot be compared with one another"));
        };
        Ok(condition_of(Node::Between {
            of: boxed(self.cast_literal(of, kind, of_place)?),
            low: boxed(self.cast_literal(low, kind, low_place)?),
            high: boxed(self.cast_literal(high, kind, high_place)?),
            negated,
        }))
    }

    pub(super) fn like(
        &mut self,
        of: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        negated: bool,
    ) -> Built {
        let of = self.build(of)?.cast(Type::Text);
        let typed = self.build(pattern)?;
        let Some(text) = self.literal_text(&typed).map(str::to_owned) else {
            return Err(self.problem(place_of(pattern), "the pattern of `like` must be a text in single quotes"));
        };
        let escape = match escape {
            None => None,
            Some(written) => {
                let typed = self.build(written)?;
                let text = self.literal_text(&typed).unwrap_or_default();
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => Some(c),
                    _ => return Err(self.problem(place_of(written), "`escape` takes one character in single quotes")),
                }
            }
        };
        let pattern = LikePattern::compile(&text, escape).map_err(|what| self.problem(place_of(pattern), what))?;
        Ok(condition_of(Node::Like { of: boxed(of), pattern, negated }))
    }
}
