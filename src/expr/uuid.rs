//! `uuid5`: a UUID made of a name (RFC 9562, version 5), the same for the same name everywhere.

use sha1::{Digest, Sha1};
use sqlparser::ast::Expr as Tree;

use super::build::{Builder, Built, boxed};
use super::node::{Node, Typed};
use super::place::place_of;
use super::value::Type;
use crate::expr::shorten;

/// The namespaces that RFC 9562 names; they differ in one byte.
const NAMED: [(&str, u8); 4] = [("dns", 0x10), ("url", 0x11), ("oid", 0x12), ("x500", 0x14)];

/// The 16 bytes of a namespace's UUID.
type Namespace = [u8; 16];

/// Parses the name of a namespace or a UUID with hyphens.
fn namespace(text: &str) -> Option<Namespace> {
    if let Some((_, byte)) = NAMED.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
        return Some([0x6b, 0xa7, 0xb8, *byte, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8]);
    }
    let lengths = text.split('-').map(str::len);
    let digits = text.replace('-', "");
    if !lengths.eq([8, 4, 4, 4, 12]) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

/// Returns the text of the UUID of a name.
pub(super) fn text_of(namespace: &Namespace, name: &[u8]) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut digest = Sha1::new();
    digest.update(namespace);
    digest.update(name);
    let mut digest = digest.finalize();
    digest[6] = digest[6] & 0x0F | 0x50;
    digest[8] = digest[8] & 0x3F | 0x80;
    let mut text = [b'-'; 36];
    for (index, byte) in digest[..16].iter().enumerate() {
        // Hyphens follow the bytes 4, 6, 8 and 10.
        let at = 2 * index + (index / 2).saturating_sub(1).min(4);
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
    }
    text
}

impl Builder<'_> {
    pub(super) fn uuid5(&mut self, written: &Tree, name: &Tree) -> Built {
        let text = self.required_text("uuid5", "namespace", written)?;
        let Some(namespace) = namespace(&text) else {
            let what = format!("{:?} is not a namespace", shorten(&text));
            return Err(self
                .problem(place_of(written), what)
                .hint("dns, url, oid, x500, or a UUID of your own, as in '6ba7b810-9dad-11d1-80b4-00c04fd430c8'"));
        };
        let of = boxed(self.build(name)?.cast(Type::Text));
        Ok(Typed::new(Node::Uuid5 { namespace, of }, Type::Text))
    }
}
