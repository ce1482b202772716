//! Several artifacts in one file of the spool.

use super::*;
use crate::encode::{ArtifactsFile, DataFile};
use crate::pipeline::plan::Compression;

/// Writes a constant, `rows` rows of two artifacts, and one artifact without rows.
fn written(folder: &Path, archive: Option<Packing>, rows: u64) -> Artifact {
    let mut group = ArtifactsFile::create(&folder.join("artifact"), "all", archive).unwrap();
    group.constant("m.csv", b"a,b\n").unwrap();
    for (name, rows) in [("one.csv", rows), ("two.csv", rows / 2), ("none.csv", 0)] {
        let layout = FileLayout { format: &Format::Csv(PLAIN), split: None, keeps_rows: false };
        let mut file = group.begin(name, layout, None, &["n".to_owned()]).unwrap();
        (1..=rows).for_each(|number| write(&mut file, &[number.to_string()]).unwrap());
        assert_eq!(group.end(name, file).unwrap().rows, rows);
    }
    group.finish().unwrap()
}

/// Returns the content of an artifact of so many rows.
fn content(rows: u64) -> String {
    (1..=rows).fold("n\n".to_owned(), |text, number| text + &number.to_string() + "\n")
}

#[test]
fn the_files_of_several_artifacts_are_one_after_the_other() {
    for rows in [3, 200_000] {
        let folder = tempfile::tempdir().unwrap();
        let artifact = written(folder.path(), None, rows);
        assert!(artifact.is_intact());
        let expected = ["a,b\n".to_owned(), content(rows), content(rows / 2), content(0)];
        let mut names = Vec::new();
        for (index, (DataFile { name, bytes, sha256, .. }, text)) in
            artifact.data_files().iter().zip(&expected).enumerate()
        {
            let (mut source, _, most) = artifact.open_data(index).unwrap();
            let mut found = String::new();
            io::Read::read_to_string(&mut io::Read::take(&mut source, most), &mut found).unwrap();
            assert!(found == *text, "{name}");
            assert_eq!((*bytes, *sha256), (text.len() as u64, crate::digest::of(text.as_bytes()).as_str()));
            names.push(*name);
        }
        assert_eq!(names, ["m.csv", "one.csv", "two.csv", "none.csv"]);
        assert_eq!(artifact.rows, rows + rows / 2);
    }
}

#[test]
fn an_archive_is_one_file_whose_entries_have_the_facts_of_what_they_hold() {
    let packing = || {
        let names = ["m.csv", "one.csv", "two.csv", "none.csv"];
        let entry = Box::new(move |number: usize| Ok(names[number - 1].to_owned()));
        Packing { compress: Some(Compression::Zip(None)), keys: None, entry }
    };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [artifact, again] = folders.each_ref().map(|folder| written(folder.path(), Some(packing()), 200_000));
    assert!(artifact.is_intact() && artifact.sha256 == again.sha256);
    assert_eq!(artifact.data_files().len(), 1);
    let entries = &artifact.set.as_ref().unwrap().files;
    for (entry, text) in entries.iter().zip(["a,b\n".to_owned(), content(200_000), content(100_000), content(0)]) {
        assert_eq!((entry.bytes, &entry.sha256), (text.len() as u64, &crate::digest::of(text.as_bytes())));
    }
}
