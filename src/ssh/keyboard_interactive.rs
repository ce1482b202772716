//! Responds to the questions of a keyboard-interactive sign-in (RFC 4256).

use ssh2::{KeyboardInteractivePrompt, Prompt};

use crate::secret::Secret;
use crate::wire::printable;

/// Maximum questions kept for the message.
const QUESTIONS_MAX: usize = 8;

/// Parts of a question for a new password, in lower case.
const NEW_PASSWORD: [&str; 3] = ["new password", "neues passwort", "neues kennwort"];
/// Parts of what servers write after the first questions when a password must be changed.
const EXPIRED: [&str; 5] = ["expired", "change your password", "password change", "must be changed", "abgelaufen"];

/// Gives each question its configured answer, one other hidden question the password, and all others nothing. Never gives a
/// new password.
pub(super) struct Responder<'a> {
    password: Option<&'a str>,
    keyboard_interactive: &'a [(String, Secret)],
    /// Number of rounds.
    rounds: usize,
    pub unanswered: Vec<String>,
    /// The server's text when it required a new password.
    pub expired: Option<String>,
}

impl<'a> Responder<'a> {
    pub(super) fn new(password: Option<&'a str>, answers: &'a [(String, Secret)]) -> Self {
        Responder { password, keyboard_interactive: answers, rounds: 0, unanswered: Vec::new(), expired: None }
    }

    fn answer(&mut self, question: &str, echo: bool) -> String {
        self.note_expiry(question);
        if self.expired.is_some() {
            return String::new();
        }
        let asked = question.to_lowercase();
        if let Some((_, answer)) = self.keyboard_interactive.iter().find(|(part, _)| asked.contains(part.as_str())) {
            return answer.expose().to_owned();
        }
        // A question with an echoed answer does not ask for a password.
        if !echo && let Some(password) = self.password.take() {
            return password.to_owned();
        }
        if self.unanswered.len() < QUESTIONS_MAX {
            self.unanswered.push(format!("{:?}", printable(question.as_bytes())));
        }
        String::new()
    }

    fn note_expiry(&mut self, text: &str) {
        let lower = text.to_lowercase();
        // The first questions may come with a notice for all users.
        let later = if self.rounds > 1 { &EXPIRED[..] } else { &[] };
        if self.expired.is_none() && NEW_PASSWORD.iter().chain(later).any(|part| lower.contains(part)) {
            self.expired = Some(format!("\"{}\"", printable(text.as_bytes())));
        }
    }
}

impl KeyboardInteractivePrompt for Responder<'_> {
    fn prompt<'p>(&mut self, _username: &str, instructions: &str, prompts: &[Prompt<'p>]) -> Vec<String> {
        // Without a question, an instruction is only a notice.
        if !prompts.is_empty() {
            self.rounds += 1;
            self.note_expiry(instructions);
        }
        prompts.iter().map(|prompt| self.answer(&prompt.text, prompt.echo)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_find_their_answers_and_the_password_is_given_once() {
        let answers = vec![("verification code".to_owned(), Secret::new("123"))];
        let mut responder = Responder::new(Some("pw"), &answers);
        assert_eq!(responder.answer("Your name: ", true), "");
        assert_eq!(responder.answer("Verification Code: ", true), "123");
        assert_eq!(responder.answer("Password: ", false), "pw");
        assert_eq!(responder.answer("Again: ", false), "");
        assert_eq!(responder.unanswered, [r#""Your name:""#, r#""Again:""#]);
    }

    #[test]
    fn d13_a_new_password_is_never_given() {
        let answers = vec![("password".to_owned(), Secret::new("pw"))];
        let hint = "If your password has expired, call us. Password: ";
        assert_eq!(Responder::new(Some("pw"), &[]).answer(hint, false), "pw", "a notice for everybody");
        for asked in ["New password: ", "You must change your password now. Password: ", "Neues Passwort: "] {
            let mut responder = Responder::new(Some("pw"), &answers);
            responder.rounds = 2;
            assert_eq!(responder.answer(asked, false), "", "{asked}");
            assert!(responder.expired.is_some(), "{asked}");
            assert_eq!(responder.answer("Retype: ", false), "");
        }
        let mut responder = Responder::new(Some("pw"), &answers);
        assert_eq!(responder.answer("Password: ", false), "pw");
        assert_eq!(responder.expired, None);
    }
}
