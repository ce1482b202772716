//! The line is reset at every 64 KiB of a file on its way up, and at every KiB of the answers to it.

use reportferry::deliver::{Intent, Verdict};
use reportferry::pipeline::plan::Existing;
use reportferry::secret::Secret;
use reportferry::settings::SecretRef;

use super::plan;
use super::sshd;
use super::stand::{Spooled, attempt, check_tree, delivered, noise, spool, tree, with_done};
use crate::stage::account::Account;
use crate::stage::proftpd::{PASSWORD, Proftpd};
use crate::stage::resets::{From, Resets};

const FILE_BYTES: usize = 1024 * 1024 + 1;

/// A drop at a server, and the file that goes there.
struct Line<'a> {
    account: Account,
    /// Signs in by this, and not by the account's key.
    password: Option<&'static str>,
    root: &'a std::path::Path,
    existing: Existing,
    spooled: Spooled,
    content: Vec<u8>,
}

impl Line<'_> {
    fn plan(&self, port: u16) -> reportferry::pipeline::plan::DeliveryPlan {
        let mut sftp = Account { port, ..self.account.clone() }.settings(self.root);
        if let Some(password) = self.password {
            (sftp.key, sftp.password) = (None, Some(SecretRef::Literal(Secret::new(password))));
        }
        with_done(plan(sftp, self.existing))
    }

    /// One attempt whose line is reset: its verdict, which may not be better or worse than what lies there, and its intent.
    fn cut(&self, from: From, limit: u64) -> (Verdict, Option<Intent>) {
        for (name, _) in tree(self.root) {
            std::fs::remove_file(self.root.join(name)).unwrap();
        }
        if self.existing == Existing::Replace {
            std::fs::write(self.root.join("a.csv"), "old").unwrap();
        }
        let proxy = Resets::start(self.account.port, from, limit);
        let mut intent = None;
        let verdict = attempt(&self.spooled, &self.plan(proxy.port), &mut intent);
        let story = format!("{from:?}, {limit} bytes: {verdict:?}");
        let there = std::fs::read(self.root.join("a.csv")).ok();
        let is_whole = there.as_ref() == Some(&self.content);
        let untouched = there.as_deref() == (self.existing == Existing::Replace).then_some(&b"old"[..]);
        assert!(is_whole || untouched, "part of a file at its final name: {story}");
        match &verdict {
            Verdict::Delivered(_) => assert!(is_whole, "{story}"),
            Verdict::Retryable { .. } => assert!(untouched, "published, and said not to be: {story}"),
            Verdict::Unknown { .. } => {}
            // A line that ends is no refusal, whatever was being asked.
            _ => panic!("{story}"),
        }
        (verdict, intent)
    }

    /// The next attempt, on a good line.
    fn mend(&self, mut intent: Option<Intent>) {
        delivered(attempt(&self.spooled, &self.plan(self.account.port), &mut intent));
        check_tree(self.root, &[("a.csv", &self.content), ("a.csv.done", b"")]);
    }

    /// At every multiple of `step`, until a whole delivery goes through; each is mended.
    fn check(&self, from: From, step: u64, cuts_at_least: u64) {
        for cuts in 0.. {
            let (verdict, intent) = self.cut(from, step * (cuts + 1));
            self.mend(intent);
            if matches!(verdict, Verdict::Delivered(_)) {
                assert!(cuts >= cuts_at_least, "{from:?}: only {cuts} attempts were cut");
                return;
            }
        }
    }

    /// The same, in steps so small that each message on the way is cut; only the last is mended.
    fn check_closely(&self, from: From, step: u64) {
        let cuts = (1..).map(|cut| self.cut(from, step * cut));
        let (cuts, last) = cuts.enumerate().find(|(_, (verdict, _))| matches!(verdict, Verdict::Delivered(_))).unwrap();
        assert!(cuts > 20, "{from:?}: only {cuts} attempts were cut");
        self.mend(last.1);
    }
}

fn check(account: Account, password: Option<&'static str>, root: &std::path::Path) {
    let content = noise(FILE_BYTES);
    for existing in [Existing::Fail, Existing::Replace] {
        let (account, spooled, content) = (account.clone(), spool("a.csv", &content), content.clone());
        let line = Line { account, password: None, root, existing, spooled, content };
        line.check(From::Client, 64 * 1024, FILE_BYTES as u64 / (64 * 1024));
        line.check(From::Server, 1024, 4);
    }
    // Signing in and beginning, step by step: a line that is cut is not a refusal.
    let content = b"small".to_vec();
    let (existing, spooled) = (Existing::Fail, spool("a.csv", &content));
    let mut line = Line { account, password: None, root, existing, spooled, content };
    line.check_closely(From::Server, 64);
    line.check_closely(From::Client, 128);
    if password.is_some() {
        line.password = password;
        line.check_closely(From::Server, 64);
    }
}

#[test]
fn a_line_that_is_reset_anywhere_leaves_one_whole_file_in_the_end() {
    let server = sshd("", &[]);
    check(server.account(), None, &server.root());
}

#[test]
fn a_line_to_proftpd_that_is_reset_anywhere_leaves_one_whole_file_in_the_end() {
    let server = Proftpd::start(&[]);
    check(server.account(), Some(PASSWORD), &server.root());
}
