//! `json_object` and `json_array`: numbers and booleans by their static type, everything else as a text.

use sqlparser::ast::Expr as Tree;

use super::build::{Builder, Built};
use super::node::{JsonMember, Node, Typed};
use super::place::place_of;
use super::value::Type;
use crate::expr::shorten;

/// Appends a text's characters as JSON writes them inside of quotes.
pub(crate) fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
}

impl Builder<'_> {
    fn json_value(&mut self, tree: &Tree) -> Built<(Node, bool)> {
        let typed = self.build(tree)?;
        let is_json = matches!(typed.node, Node::Json { .. });
        Ok((typed.node, is_json))
    }

    pub(super) fn json_array(&mut self, items: &[&Tree]) -> Built {
        let mut values = Vec::new();
        let mut members = Vec::new();
        for item in items {
            let (node, is_json) = self.json_value(item)?;
            values.push(node);
            members.push(JsonMember { head: Box::default(), is_json });
        }
        Ok(Typed::new(Node::Json { is_object: false, members, values }, Type::Text))
    }

    pub(super) fn json_object(&mut self, arguments: &[&Tree]) -> Built {
        let (pairs, rest) = arguments.as_chunks::<2>();
        if let [last] = rest {
            return Err(self
                .problem(place_of(last), "json_object takes keys and values in turn; the last key has no value")
                .hint("as in json_object('id', id, 'name', name)"));
        }
        let mut keys = Vec::new();
        let mut values = Vec::new();
        let mut members = Vec::new();
        for [key_tree, value] in pairs {
            let key = self.required_text("json_object", "key", key_tree)?;
            if keys.contains(&key) {
                let what = format!("the key {:?} is there twice", shorten(&key));
                return Err(self.problem(place_of(key_tree), what));
            }
            let mut head = vec![b'"'];
            escape(key.as_bytes(), &mut head);
            head.extend_from_slice(b"\":");
            keys.push(key);
            let (node, is_json) = self.json_value(value)?;
            values.push(node);
            members.push(JsonMember { head: head.into(), is_json });
        }
        Ok(Typed::new(Node::Json { is_object: true, members, values }, Type::Text))
    }
}
