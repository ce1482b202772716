//! The client against a scripted server.

use std::time::Duration;

use super::scripted::{Quirks, Scripted, packet};
use super::{Client, Error, Options, Sequential, code, kind};
use crate::progress::Meter;

const OPTIONS: Options = Options {
    write_bytes: 10,
    in_flight: 4,
    fsync_every_bytes: None,
    timeout: Duration::from_secs(1),
    slow_timeout: Duration::from_secs(1),
};

fn content() -> Vec<u8> {
    (0..95u8).collect()
}

fn quirks(change: impl FnOnce(&mut Quirks)) -> Quirks {
    let mut quirks = Quirks::default();
    change(&mut quirks);
    quirks
}

#[test]
fn what_comes_in_place_of_version_is_described() {
    let longest = |name: &[u8]| packet(kind::VERSION, 3, |p| _ = p.string(name).string(b"1"));
    for (greeting, why) in [
        (b"Welcome to the server!\r\n".to_vec(), "the server printed text before SFTP: \"Welcome to the server!\""),
        (packet(kind::VERSION, 2, |_| {}), "speaks SFTP version 2"),
        (packet(kind::STATUS, 3, |_| {}), "the server's greeting is not SFTP"),
        ((256 * 1024 + 1u32).to_be_bytes().to_vec(), "an answer of 262145 bytes"),
        (Vec::new(), "no acknowledgement for 1 s"),
    ] {
        let server = Scripted::new(quirks(|o| o.greeting = Some(greeting)));
        match Client::start(server, OPTIONS) {
            Err(Error::Lost(text)) => assert!(text.contains(why), "{text:?} is not {why:?}"),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    // The longest packet that is read; and an extension that ends in the middle is not offered.
    let max = longest(&vec![b'x'; 256 * 1024 - 14]);
    assert_eq!(max.len(), 4 + 256 * 1024);
    assert!(Client::start(Scripted::new(quirks(|o| o.greeting = Some(max))), OPTIONS).is_ok());
    let mut cut = longest(b"fsync@openssh.com");
    cut.truncate(cut.len() - 1);
    let length = (cut.len() as u32 - 4).to_be_bytes();
    cut[..4].copy_from_slice(&length);
    let client = Client::start(Scripted::new(quirks(|o| o.greeting = Some(cut))), OPTIONS);
    assert!(client.is_ok_and(|client| !client.extensions.fsync));
}

#[test]
fn no_more_requests_are_in_flight_than_allowed() {
    let options = Options { write_bytes: 1, in_flight: 1, ..OPTIONS };
    let mut client = Client::start(Scripted::new(quirks(|o| o.swaps_answers = true)), options).unwrap();
    let handle = client.open("/f", 0x1a).unwrap();
    let mut chunks = Sequential::new(std::io::Cursor::new(content()), 95);
    client.upload(&handle, &mut chunks, &Meter::default()).unwrap();
    assert_eq!((chunks.digest().bytes, client.transport.times_asked(kind::WRITE)), (95, 95));
    assert_eq!(client.transport.files["/f"], content());
}

#[test]
fn the_server_syncs_along_the_way() {
    let upload = |quirks| {
        let options = Options { fsync_every_bytes: Some(30), ..OPTIONS };
        let mut client = Client::start(Scripted::new(quirks), options).unwrap();
        let handle = client.open("/f", 0x1a).unwrap();
        let mut chunks = Sequential::new(std::io::Cursor::new(content()), 95);
        let sent = client.upload(&handle, &mut chunks, &Meter::default());
        (sent, client)
    };
    let (sent, client) = upload(quirks(|o| o.fsync = true));
    assert!(sent.is_ok() && client.transport.files["/f"] == content());
    assert_eq!(client.transport.times_asked(kind::EXTENDED), 2, "one at a time");
    // A refusal does not stop the upload and is judged at the end; a full disk stops it. The session stays usable either
    // way.
    for (status, goes_on) in [(code::PERMISSION_DENIED, true), (code::FAILURE, true), (code::NO_SPACE, false)] {
        let (sent, mut client) = upload(quirks(|o| {
            o.fsync = true;
            o.refuse = vec![(kind::EXTENDED, 2, status)];
        }));
        assert_eq!(sent.is_ok(), goes_on, "{sent:?}");
        assert_eq!(client.refused_fsync.as_ref().map(|refused| refused.code), goes_on.then_some(status));
        assert!(client.lstat("/f").is_ok());
    }
}
