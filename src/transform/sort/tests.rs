use super::*;

/// Returns all items of a sorter, which is dropped before they are compared.
fn words_of(sorter: Sorter<Words>) -> Vec<u128> {
    let mut sorted = sorter.finish().unwrap();
    let mut found = Vec::new();
    while let Some(word) = sorted.next().unwrap() {
        found.push(*word);
    }
    found
}

fn records_of(sorter: Sorter<Records>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut sorted = sorter.finish().unwrap();
    let mut found = Vec::new();
    while let Some(RecordItem { key, payload, .. }) = sorted.next().unwrap() {
        found.push((key.clone(), payload.clone()));
    }
    found
}

#[test]
fn numbers_are_sorted_in_memory_and_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    // In memory, one full chunk, several runs, and more runs than are merged at once.
    for (count, budget) in
        [(0, 1024), (1, 1024), (31, 1024), (32, 1024), (33, 1024), (10_000, 64 << 10), (20_000, 1024)]
    {
        let mut sorter = Sorter::<Words>::new(folder.path(), budget);
        let mut expected: Vec<u128> = (0..count).map(|_| random.u128(..) % 5_000).collect();
        for word in &expected {
            sorter.push(*word).unwrap();
        }
        let spilled = sorter.spilling.is_some();
        assert_eq!(spilled, count * 16 >= budget as u64 as usize / 2 && count > 0, "{count} numbers");
        expected.sort_unstable();
        assert!(words_of(sorter) == expected, "{count} numbers, {budget} bytes");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the files have no names");
}

#[test]
fn records_keep_the_order_of_equal_keys() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, budget) in [(1, 1 << 20), (2, 4 << 10), (3, 40 << 10), (4, 64)] {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut sorter = Sorter::<Records>::new(folder.path(), budget);
        let mut expected = Vec::new();
        for number in 0..5_000_u32 {
            let key: Vec<u8> = (0..random.usize(..3)).map(|_| random.u8(b'a'..b'd')).collect();
            let payload = number.to_be_bytes()[4 - random.usize(..4)..].to_vec();
            sorter.push(&key, &payload).unwrap();
            expected.push((key, payload));
        }
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert!(records_of(sorter) == expected, "{budget} bytes");
    }
}

#[test]
fn a_record_may_be_larger_than_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::<Records>::new(folder.path(), 32 << 10);
    let large = vec![b'x'; 3 << 20];
    for key in [b"c".as_slice(), b"a", b"", b"b"] {
        sorter.push(key, if key == b"a" { &large } else { key }).unwrap();
    }
    let found = records_of(sorter);
    let keys: Vec<&[u8]> = found.iter().map(|(key, _)| key.as_slice()).collect();
    assert_eq!(keys, [b"".as_slice(), b"a", b"b", b"c"]);
    assert!(found[1].1 == large);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::<Words>::new(&folder.path().join("missing"), 64);
    let pushed = (0..100).try_for_each(|word| sorter.push(word));
    assert_eq!(pushed.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn prefixes_are_in_the_order_of_the_keys() {
    let keys: [&[u8]; 9] = [b"", b"\0", b"\0\0", b"a", b"a\0", b"ab", b"abcdefgh", b"abcdefghi", b"abcdefgi"];
    let folder = tempfile::tempdir().unwrap();
    for budget in [32, 1 << 20] {
        let mut sorter = Sorter::<Records>::new(folder.path(), budget);
        for key in keys.iter().rev() {
            sorter.push(key, key).unwrap();
        }
        let found: Vec<_> = records_of(sorter).into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, keys, "{budget} bytes");
    }
}

#[test]
fn stopping_ends_a_sort_while_it_spills_merges_and_passes_on() {
    let folder = tempfile::tempdir().unwrap();
    let is_stopped = |error: io::Error| error.get_ref().is_some_and(|inner| inner.is::<Stopped>());
    let filled = |stop: &CancellationToken| {
        let mut sorter = Sorter::<Words>::new(folder.path(), 1024).stopped_by(stop);
        (0..50_000).for_each(|word| sorter.push(word).unwrap());
        sorter
    };
    // While it spills: the next chunk is not written any more.
    let stop = CancellationToken::new();
    let mut sorter = filled(&stop);
    stop.cancel();
    assert!(is_stopped((0..1_000).try_for_each(|word| sorter.push(word)).unwrap_err()));
    // While it merges in stages.
    let stop = CancellationToken::new();
    let sorter = filled(&stop);
    stop.cancel();
    assert!(is_stopped(sorter.finish().err().unwrap()));
    // While it passes on.
    for budget in [1024, 1 << 20] {
        let stop = CancellationToken::new();
        let mut sorter = Sorter::<Words>::new(folder.path(), budget).stopped_by(&stop);
        (0..50_000).for_each(|word| sorter.push(word).unwrap());
        let mut sorted = sorter.finish().unwrap();
        sorted.next().unwrap();
        stop.cancel();
        let mut passed = 0;
        let error = loop {
            match sorted.next() {
                Ok(item) => passed += usize::from(item.is_some()),
                Err(error) => break error,
            }
        };
        assert!(is_stopped(error) && passed < 5_000, "{passed} more, {budget} bytes");
    }
}

#[test]
fn an_error_names_the_operation_and_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let mut sorter = Sorter::<Words>::new(&missing, 64);
    let error = (0..100).try_for_each(|word| sorter.push(word)).unwrap_err();
    assert_eq!(error.to_string(), format!("creating a temporary file in {}", missing.display()));
}
