//! Replays the committed corpus of a target; used by tests only.

use std::path::Path;

/// Run `target` on every file of its corpus. Of a failing test the last file printed is to blame.
pub fn corpus(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!files.is_empty(), "no corpus for {name}");
    files.sort();
    for file in files {
        println!("{}", file.display());
        target(&std::fs::read(&file).unwrap());
    }
}
