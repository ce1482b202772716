//! A platform behind a gateway that answers in its own way: waits that it asks for, headers that are slightly wrong.

use std::time::Duration;

use super::stage::{Case, ms, on_threads};
use crate::stage::raw_receiver::{RawReceiver, Reply, status};

fn at(platform: &RawReceiver, change: impl FnOnce(&mut Case)) -> Case {
    let port = platform.port;
    Case::new("").with(|case| case.tenant.base = format!("http://127.0.0.1:{port}")).with(change)
}

#[test]
fn d01_retry_after_zero_does_not_cause_a_storm_at_the_platform() {
    for (code, headers) in [
        (429, "Retry-After: 0\r\n"),
        (503, "Retry-After: Sunday, 06-Nov-94 08:49:37 GMT\r\n"),
        (429, "Retry-After: Sun Nov  6 08:49:37 1994\r\n"),
        (503, "Retry-After: soon\r\n"),
    ] {
        let platform = RawReceiver::start(move |_| Reply::Answer(status(code, headers)));
        let case = at(&platform, |case| {
            (case.tenant.retry.initial, case.tenant.retry.max) = (ms(200), ms(200));
            case.tenant.retry.give_up_after = ms(60_000);
        });
        let error =
            on_threads(async { case.stage().await.source().await.identify().await }).err().map(|e| e.to_string());
        assert!(error.is_some_and(|error| error.contains(&code.to_string())));
        let came = platform.came();
        assert!(came.len() <= 6, "{} requests", came.len());
        for pair in came.windows(2) {
            let pause = pair[1].at.saturating_sub(pair[0].at);
            assert!(pause >= Duration::from_millis(95), "{headers:?}: again after {pause:?}");
        }
    }
}

#[test]
fn d18_answers_of_the_platform_that_are_slightly_wrong_are_taken() {
    let platform = RawReceiver::start(|n| {
        let body = match n {
            1 => r#"{"access_token": "t0ken", "expires_in": 3600}"#,
            _ => r#"{"data": {"id": 7, "username": "svc", "user_level": "power_user"}}"#,
        };
        let length = body.len();
        let head = "HTTP/1.1 200\r\nX-Bad : 1\r\nX-Folded: a\r\n b\r\nno colon\r\nContent-Type: application/json\r\n";
        Reply::Answer(format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes())
    });
    let identity = on_threads(async { at(&platform, |_| {}).stage().await.source().await.identify().await });
    assert_eq!(identity.expect("an identity").expect("an account").username, "svc");
}
