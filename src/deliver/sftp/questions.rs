//! The questions of a keyboard-interactive sign-in (RFC 4256) and their answers.

use ssh2::{KeyboardInteractivePrompt, Prompt};

use super::answer::printable;
use crate::secret::Secret;

/// Questions that are kept to be shown.
const QUESTIONS_MAX: usize = 8;

/// Parts of a question for a new password, in lower case.
const NEW_PASSWORD: [&str; 3] = ["new password", "neues passwort", "neues kennwort"];
/// Parts of what servers say, after the first questions, when a password must be changed first.
const EXPIRED: [&str; 5] = ["expired", "change your password", "password change", "must be changed", "abgelaufen"];

/// Answers each question with the answer that was written for it, one other hidden question with the password, and
/// everything else with nothing. A question for a new password gets no answer.
pub struct Answering<'a> {
    password: Option<&'a str>,
    answers: &'a [(String, Secret)],
    /// Times that the server asked.
    rounds: usize,
    pub unanswered: Vec<String>,
    /// What the server said where it wants a new password.
    pub expired: Option<String>,
}

impl<'a> Answering<'a> {
    pub fn new(password: Option<&'a str>, answers: &'a [(String, Secret)]) -> Self {
        Answering { password, answers, rounds: 0, unanswered: Vec::new(), expired: None }
    }

    fn answer(&mut self, question: &str, echo: bool) -> String {
        self.note_expiry(question);
        if self.expired.is_some() {
            return String::new();
        }
        let asked = question.to_lowercase();
        if let Some((_, answer)) = self.answers.iter().find(|(part, _)| asked.contains(part.as_str())) {
            return answer.expose().to_owned();
        }
        // A question whose answer would be echoed does not ask for a password.
        if !echo && let Some(password) = self.password.take() {
            return password.to_owned();
        }
        if self.unanswered.len() < QUESTIONS_MAX {
            self.unanswered.push(format!("{:?}", printable(question.as_bytes())));
        }
        String::new()
    }

    fn note_expiry(&mut self, said: &str) {
        let lower = said.to_lowercase();
        // What is said along with the first questions may be a notice for everybody.
        let later = if self.rounds > 1 { &EXPIRED[..] } else { &[] };
        if self.expired.is_none() && NEW_PASSWORD.iter().chain(later).any(|part| lower.contains(part)) {
            self.expired = Some(format!("\"{}\"", printable(said.as_bytes())));
        }
    }
}

impl KeyboardInteractivePrompt for Answering<'_> {
    fn prompt<'p>(&mut self, _username: &str, instructions: &str, prompts: &[Prompt<'p>]) -> Vec<String> {
        // Where nothing is asked, an instruction is only a notice.
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
        let mut answering = Answering::new(Some("pw"), &answers);
        assert_eq!(answering.answer("Your name: ", true), "");
        assert_eq!(answering.answer("Verification Code: ", true), "123");
        assert_eq!(answering.answer("Password: ", false), "pw");
        assert_eq!(answering.answer("Again: ", false), "");
        assert_eq!(answering.unanswered, [r#""Your name:""#, r#""Again:""#]);
    }

    #[test]
    fn d13_a_new_password_is_never_given() {
        let answers = vec![("password".to_owned(), Secret::new("pw"))];
        let hint = "If your password has expired, call us. Password: ";
        assert_eq!(Answering::new(Some("pw"), &[]).answer(hint, false), "pw", "a notice for everybody");
        for asked in ["New password: ", "You must change your password now. Password: ", "Neues Passwort: "] {
            let mut answering = Answering::new(Some("pw"), &answers);
            answering.rounds = 2;
            assert_eq!(answering.answer(asked, false), "", "{asked}");
            assert!(answering.expired.is_some(), "{asked}");
            assert_eq!(answering.answer("Retype: ", false), "");
        }
        let mut answering = Answering::new(Some("pw"), &answers);
        assert_eq!(answering.answer("Password: ", false), "pw");
        assert_eq!(answering.expired, None);
    }
}
