//! Comparisons and the conditions made of them, checked so that both sides have comparable types.

use sqlparser::ast;
use sqlparser::tokenizer::Span as Place;

use super::build::{Builder, Built, boxed, condition_of, with_article};
use super::like::LikePattern;
use super::node::{Comparison, Node, Typed};
use super::place::place_of;
use super::value::Type;

/// Literal lists of `in` that are longer are searched by bisection.
const SCANNED_LIST_MAX: usize = 8;

impl Builder<'_> {
    pub(super) fn condition(&mut self, tree: &ast::Expr) -> Built {
        let typed = self.build(tree)?;
        if matches!(typed.kind, Type::Bool | Type::Null) {
            return Ok(typed);
        }
        let what = format!("this is {}, not a condition", with_article(typed.kind.word()));
        Err(self.problem(place_of(tree), what).hint("compare it with something, or write `… is true`"))
    }

    pub(super) fn compare(
        &mut self,
        how: Comparison,
        (left_tree, left): (&ast::Expr, Typed),
        (right_tree, right): (&ast::Expr, Typed),
        tree: &ast::Expr,
    ) -> Built {
        self.refuse_empty(tree, how, (left_tree, &left), &right)?;
        if how == Comparison::Equal {
            self.refuse_empty(tree, how, (right_tree, &right), &left)?;
        }
        let (left, right) = self.comparable(left, right, (place_of(left_tree), place_of(right_tree)))?;
        Ok(condition_of(Node::Compare { how, left: boxed(left), right: boxed(right) }))
    }

    /// Builds `x is distinct from y`.
    pub(super) fn distinct(&mut self, left_tree: &ast::Expr, right_tree: &ast::Expr, negated: bool) -> Built {
        let (left, right) = (self.build(left_tree)?, self.build(right_tree)?);
        let (left, right) = self.comparable(left, right, (place_of(left_tree), place_of(right_tree)))?;
        Ok(condition_of(Node::Distinct { left: boxed(left), right: boxed(right), negated }))
    }

    /// Builds `greatest(x, …)` and `least(x, …)`. A text among numbers or times is read as one, as in a comparison.
    pub(super) fn extreme(&mut self, trees: &[&ast::Expr], is_greatest: bool) -> Built {
        let parts = trees.iter().map(|part| self.placed(part)).collect::<Built<Vec<_>>>()?;
        let has_text = parts.iter().any(|(part, _)| part.kind == Type::Text);
        let mut kind = Type::Null;
        for (part, at) in &parts {
            let both = if has_text { kind.compared_with(part.kind) } else { kind.united_with(part.kind) };
            kind = both.ok_or_else(|| {
                let (one, other) = (with_article(kind.word()), with_article(part.kind.word()));
                self.problem(*at, format!("{one} cannot be compared with {other}"))
            })?;
        }
        let cast = |(part, at)| Ok(self.cast_literal(part, kind, at)?.node);
        let parts = parts.into_iter().map(cast).collect::<Built<_>>()?;
        Ok(Typed::new(Node::Extreme { parts, is_greatest }, kind))
    }

    /// Casts both sides to the type in which they are compared.
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

    pub(super) fn in_list(&mut self, tree: &ast::Expr, of: &ast::Expr, list: &[ast::Expr], negated: bool) -> Built {
        let of_tree = of;
        let (of, of_place) = self.placed(of)?;
        let items = list.iter().map(|item| self.placed(item)).collect::<Built<Vec<_>>>()?;
        let sides: Vec<_> = list.iter().zip(&items).map(|(tree, (typed, _))| (tree, typed)).collect();
        self.refuse_null_in_list(tree, (of_tree, &of), &sides, negated)?;
        let mut kind = of.kind;
        for (item, at) in &items {
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

    pub(super) fn between(
        &mut self,
        tree: &ast::Expr,
        (of_tree, low_tree, high_tree): (&ast::Expr, &ast::Expr, &ast::Expr),
        negated: bool,
    ) -> Built {
        let ((of, of_place), (low, low_place), (high, high_place)) =
            (self.placed(of_tree)?, self.placed(low_tree)?, self.placed(high_tree)?);
        self.refuse_chained(tree)?;
        let sides = [(of_tree, &of), (low_tree, &low), (high_tree, &high)];
        self.refuse_null_between(tree, sides, negated)?;
        self.warn_of_text_between(tree, sides, negated);
        let kind = of.kind.compared_with(low.kind).and_then(|kind| kind.compared_with(high.kind));
        let Some(kind) = kind else {
            return Err(self.problem(low_place, "the three values of `between` cannot be compared with one another"));
        };
        let between = condition_of(Node::Between {
            of: boxed(self.cast_literal(of, kind, of_place)?),
            low: boxed(self.cast_literal(low, kind, low_place)?),
            high: boxed(self.cast_literal(high, kind, high_place)?),
            negated,
        });
        self.refuse_constant(tree, between)
    }

    pub(super) fn like(
        &mut self,
        tree: &ast::Expr,
        (of_tree, pattern): (&ast::Expr, &ast::Expr),
        escape: Option<&ast::Expr>,
        negated: bool,
    ) -> Built {
        let of = self.build(of_tree)?;
        let typed = self.build(pattern)?;
        self.refuse_null_like(tree, (of_tree, &of), &typed, negated)?;
        let of = of.cast(Type::Text);
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
