use serde_json::json;

use super::super::stage::receiver::Receiver;
use super::super::stage::rig::{both, document};
use super::super::webhook::oauth2;
use super::{LOUD, assert_no_secret};

#[test]
fn a_token_of_a_webhook_is_shown_nowhere() {
    // One token is refused and renewed, a token request fails, and one delivery fails for good.
    for (answers, code) in [(json!([null, null, 401]), 0), (json!(vec![401; 40]), 3)] {
        let receiver = Receiver::api("any");
        receiver.token_answers(&json!([503]));
        receiver.answers(&answers);
        let rig = oauth2::rig(&receiver, "");
        let run = [LOUD, &["run", "line", "--slot", super::SLOT, "--json", "--wait", "30s"]].concat();
        let ran = rig.reportferry(&run);
        assert_eq!(ran.status.code(), Some(code), "{}", both(&ran));
        let id = document(&ran)["run"].as_str().unwrap().to_owned();
        let mut outputs = vec![ran];
        for arguments in
            [vec!["show", &id], vec!["show", &id, "--json"], vec!["status"], vec!["explain", "line"], vec!["plan"]]
        {
            outputs.push(rig.reportferry(&[LOUD, &arguments].concat()));
        }
        outputs.push(rig.reportferry(&[LOUD, &["doctor", "bi", "--json"]].concat()));
        let sent: Vec<String> = receiver
            .got()
            .iter()
            .filter_map(|request| {
                request["headers"]["authorization"].as_str()?.strip_prefix("Bearer ").map(str::to_owned)
            })
            .collect();
        assert!(sent.len() > 2, "{sent:?}");
        let secrets = sent.into_iter().chain([oauth2::CLIENT_SECRET, oauth2::ENCODED].map(str::to_owned));
        assert_no_secret(&rig, &secrets.collect::<Vec<_>>(), &outputs, &[]);
    }
}
