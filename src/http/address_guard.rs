//! Restricts requests to public addresses, and to others that the settings allow.
//!
//! The check is part of name resolution, so that a name that resolves differently between check and use gains nothing.
//! Addresses in the URL itself are checked before any connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Addresses that are allowed although they are refused by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllowAddresses {
    pub private: bool,
    pub loopback: bool,
    pub link_local: bool,
}

/// Kinds of addresses that are not public (RFC 6890 and its registries).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Loopback,
    Private,
    LinkLocal,
    /// Unspecified, broadcast, or for documentation: never a receiver.
    Never,
}

impl Special {
    fn is_allowed(self, allow: AllowAddresses) -> bool {
        match self {
            Self::Loopback => allow.loopback,
            Self::Private => allow.private,
            Self::LinkLocal => allow.link_local,
            Self::Never => false,
        }
    }

    fn describe(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Loopback => ("a loopback address", Some("loopback")),
            Self::Private => ("a private address", Some("private")),
            Self::LinkLocal => ("a link-local address, where clouds keep their credentials", Some("link_local")),
            Self::Never => ("an address that cannot be a receiver's", None),
        }
    }
}

/// An address that must not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    pub host: String,
    pub address: IpAddr,
    pub special: Special,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, word) = self.special.describe();
        write!(f, "{} is {}, {kind}", self.host, self.address)?;
        match word {
            Some(word) => write!(f, "; `allow: [{word}]` permits it"),
            None => Ok(()),
        }
    }
}

/// # Errors
/// The address is special, and its kind is not allowed.
fn admit(host: &str, address: IpAddr, allow: AllowAddresses) -> Result<(), Refused> {
    match special(address) {
        Some(special) if !special.is_allowed(allow) => Err(Refused { host: host.to_owned(), address, special }),
        _ => Ok(()),
    }
}

/// Checks an address in the URL itself, which bypasses name resolution.
///
/// # Errors
/// The address is special, and its kind is not allowed.
pub fn admit_url(url: &Url, allow: AllowAddresses) -> Result<(), Refused> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.parse().map_or(Ok(()), |address| admit(host, address, allow))
}

/// Returns the kind of an address; one that embeds an IPv4 address counts as that one.
pub fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (127, ..) => Some(Special::Loopback),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Some(Special::Private),
        (169, 254, _) => Some(Special::LinkLocal),
        (0, ..)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (198, 18 | 19, _)
        | (198, 51, 100)
        | (203, 0, 113)
        | (224.., ..) => Some(Special::Never),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    let segments = address.segments();
    let within = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        special_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Special::Loopback),
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Special::Never),
        // Mapped, translated and compatible addresses, NAT64 and 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => within(high, low),
        // Local NAT64, Teredo and ORCHID may lead anywhere.
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] | [0x2001, 0x10..=0x2f, ..] => Some(Special::Never),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x100, 0, 0, 0, ..] => Some(Special::Never),
        [first, ..] if first & 0xfe00 == 0xfc00 => Some(Special::Private),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some(Special::LinkLocal),
        [first, ..] if first & 0xffc0 == 0xfec0 => Some(Special::Private),
        [first, ..] if first & 0xff00 == 0xff00 => Some(Special::Never),
        _ => None,
    }
}

/// Returns the permitted addresses of a host.
///
/// # Errors
/// It has special addresses only, and their kind is not allowed.
pub fn admit_any(
    host: &str,
    addresses: impl IntoIterator<Item = SocketAddr>,
    allow: AllowAddresses,
) -> Result<Vec<SocketAddr>, Refused> {
    let mut refused = None;
    let mut admitted = Vec::new();
    for address in addresses {
        match admit(host, address.ip(), allow) {
            Ok(()) => admitted.push(address),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(refused) if admitted.is_empty() => Err(refused),
        _ => Ok(admitted),
    }
}

/// Resolves names to permitted addresses.
pub(super) struct GuardedResolver(pub AllowAddresses);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = self.0;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(Box::new(admit_any(&host, found, allow)?.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass_unasked() {
        use Special::{LinkLocal, Loopback, Never, Private};
        for (address, expected) in [
            ("93.184.216.34", None),
            ("2606:2800:220:1:248:1893:25c8:1946", None),
            ("127.0.0.1", Some(Loopback)),
            ("127.255.255.254", Some(Loopback)),
            ("::1", Some(Loopback)),
            ("::ffff:127.0.0.1", Some(Loopback)),
            ("::127.0.0.1", Some(Loopback)),
            ("64:ff9b::7f00:1", Some(Loopback)),
            ("2002:7f00:1::", Some(Loopback)),
            ("10.1.2.3", Some(Private)),
            ("172.16.0.1", Some(Private)),
            ("172.31.255.255", Some(Private)),
            ("172.32.0.1", None),
            ("192.168.1.1", Some(Private)),
            ("100.64.0.1", Some(Private)),
            ("100.128.0.1", None),
            ("::ffff:10.0.0.1", Some(Private)),
            ("fd00::1", Some(Private)),
            ("fec0::1", Some(Private)),
            ("169.254.169.254", Some(LinkLocal)),
            ("::ffff:169.254.169.254", Some(LinkLocal)),
            ("64:ff9b::a9fe:a9fe", Some(LinkLocal)),
            ("2002:a9fe:a9fe::1", Some(LinkLocal)),
            ("fe80::1", Some(LinkLocal)),
            ("0.0.0.0", Some(Never)),
            ("::", Some(Never)),
            ("255.255.255.255", Some(Never)),
            ("224.0.0.1", Some(Never)),
            ("ff02::1", Some(Never)),
            ("192.0.2.1", Some(Never)),
            ("2001:db8::1", Some(Never)),
            ("2001:0:53aa:64c::1", Some(Never)),
            ("64:ff9b:1::1", Some(Never)),
        ] {
            assert_eq!(special(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_destination_may_ask_for_more() {
        let allow = AllowAddresses { private: true, ..AllowAddresses::default() };
        assert!(admit("h", "10.0.0.1".parse().unwrap(), allow).is_ok());
        assert!(admit("h", "127.0.0.1".parse().unwrap(), allow).is_err());
        let all = AllowAddresses { private: true, loopback: true, link_local: true };
        assert!(admit("h", "0.0.0.0".parse().unwrap(), all).is_err());
        let refused = admit("h.example", "169.254.169.254".parse().unwrap(), allow).unwrap_err().to_string();
        assert!(
            refused.contains("h.example is 169.254.169.254") && refused.contains("allow: [link_local]"),
            "{refused}"
        );
    }
}
