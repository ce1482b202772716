//! Compression and encryption of a pipeline file → the plan's.

use super::{Check, unknown_name};
use crate::encrypt::{KeyError, age, openpgp};
use crate::feature::{self, NotBuilt};
use crate::name::NameTemplate;
use crate::pipeline::pack_file::{AgeFile, CompressFile, CompressWord, EncryptFile, OpenPgpFile};
use crate::pipeline::plan::{Compression, Encryption, OpenPgpRecipient, SignWith};
use crate::yaml::read::At;
use crate::yaml::tree::Origin;

/// The largest file with keys, in bytes.
const KEY_BYTES_MAX: u64 = 1 << 20;

impl Check<'_> {
    pub(super) fn compression(&mut self, written: CompressFile, is_split: bool) -> Compression {
        match written {
            CompressFile::Word(CompressWord::Gzip) => Compression::Gzip,
            CompressFile::Word(CompressWord::Zstd) => Compression::Zstd,
            CompressFile::Word(CompressWord::Zip) => Compression::Zip(None),
            CompressFile::Zip(table) => Compression::Zip(table.zip.entry.map(|entry| self.entry(entry, is_split))),
        }
    }

    /// Returns the proof that a feature was built.
    pub(super) fn built<T>(&mut self, feature: Result<T, NotBuilt>, origin: &Origin) -> Option<T> {
        let NotBuilt(name) = match feature {
            Ok(feature) => return Some(feature),
            Err(missing) => missing,
        };
        let problem = origin.error(format!("this needs the feature `{name}`, which this program was built without"));
        self.problems.push(problem.hint(format!("build it with `--features {name}`, or run the image, which has it")));
        None
    }

    fn entry(&mut self, written: At<NameTemplate>, is_split: bool) -> NameTemplate {
        let At { value: entry, origin } = self.name_with_vars(written);
        if entry.uses_number() && !is_split {
            let problem = origin.error("`{part}` numbers the files of a split artifact, and this one is one file");
            self.problems.push(problem.hint("remove `{part}`"));
        }
        if entry.uses_name() {
            let problem = origin.error("`{name}` belongs in the names of companion files");
            self.problems
                .push(problem.hint("an entry's name is made of `{slot:%Y%m%d}`, `{pipeline}`, `{run}` and text"));
        }
        if entry.uses_content() {
            let problem =
                origin.error("an entry's name comes before its content, whose rows and digest are not known yet");
            self.problems.push(problem.hint("remove `{count}` and `{sha256}`: they belong in the artifact's `name`"));
        }
        entry
    }

    pub(super) fn encryption(&mut self, At { value: written, origin }: At<EncryptFile>) -> Option<Encryption> {
        match written {
            EncryptFile::OpenPgp(OpenPgpFile { to, sign }) => {
                let feature = self.built(feature::OpenPgp::built(), &origin)?;
                self.check_any(&to.origin, to.value.0.is_empty());
                let to: Vec<_> = to.value.0.iter().map(|written| self.openpgp_recipient(written)).collect();
                let sign = match sign {
                    Some(sign) => self.sign_with(sign)?,
                    None => None,
                };
                Some(Encryption::OpenPgp { feature, to: to.into_iter().collect::<Option<_>>()?, sign })
            }
            EncryptFile::Age(AgeFile { to }) => {
                let feature = self.built(feature::Age::built(), &origin)?;
                self.check_any(&to.origin, to.value.0.is_empty());
                let to: Vec<_> = to.value.0.iter().map(|written| self.age_recipients(written)).collect();
                let to = to.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
                Some(Encryption::Age { feature, to })
            }
        }
    }

    fn check_any(&mut self, origin: &Origin, is_empty: bool) {
        if is_empty {
            let problem = origin.error("there is no recipient here, so nobody could decrypt the artifact");
            self.problems.push(problem.hint("name at least one"));
        }
    }

    fn openpgp_recipient(&mut self, written: &At<String>) -> Option<OpenPgpRecipient> {
        let bytes = self.key_file(written)?;
        match openpgp::Recipient::read(&bytes) {
            Ok(key) => Some(OpenPgpRecipient { at: self.place(&written.origin), file: written.value.clone(), key }),
            Err(error) => self.wrong_key(written, &error, "`gpg --export --armor ADDRESS` writes such a file"),
        }
    }

    fn age_recipients(&mut self, written: &At<String>) -> Option<Vec<age::Recipient>> {
        let is_key = written.value.starts_with("age1") && !written.value.contains(['/', '.']);
        let hint = "`age-keygen -y` prints the recipient of a private key";
        if is_key {
            return match age::recipients(&written.value) {
                Ok(recipients) => Some(recipients),
                Err(KeyError::NotAge { cause, .. }) => {
                    let problem = written.origin.error(format!("this is not an age recipient: {cause}"));
                    self.problems.push(problem.hint(hint));
                    None
                }
                Err(error) => self.wrong_key(written, &error, hint),
            };
        }
        let bytes = self.key_file(written)?;
        match age::recipients(&String::from_utf8_lossy(&bytes)) {
            Ok(recipients) => Some(recipients),
            Err(error) => self.wrong_key(written, &error, hint),
        }
    }

    /// Reads a file with keys beside the pipeline file.
    fn key_file(&mut self, written: &At<String>) -> Option<Vec<u8>> {
        match self.table(written)?.read(KEY_BYTES_MAX) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.problems.push(written.origin.error(format!("cannot read {}: {error}", written.value)));
                None
            }
        }
    }

    fn wrong_key<T>(&mut self, written: &At<String>, error: &KeyError, hint: &str) -> Option<T> {
        let problem = written.origin.error(format!("{} cannot be used: {error}", written.value));
        self.problems.push(problem.hint(hint));
        None
    }

    /// Returns the signing key; the outer `None` if the settings do not have it.
    #[allow(clippy::option_option)] // without settings, there is no key to find
    fn sign_with(&mut self, written: At<String>) -> Option<Option<SignWith>> {
        let Some(settings) = self.settings else { return Some(None) };
        let At { value: name, origin } = written;
        let Some(key) = settings.openpgp_keys.get(&name) else {
            self.problems.push(unknown_name("openpgp_key", &name, &origin, settings.openpgp_keys.keys()));
            return None;
        };
        Some(Some(SignWith { at: self.place(&origin), name, key: key.clone() }))
    }
}
