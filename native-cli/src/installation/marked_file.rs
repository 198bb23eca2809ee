//! Small files that `twg setup` writes for other programs: completions, and the skill of coding
//! agents. The last line names `twg` and holds a digest of the rest, so that a file that the user
//! changed is left alone.

use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::system::privacy;

/// The beginning of the last line, after the comment sign.
const MARK: &str =
    "Written by `twg setup`, removed by `twg uninstall`, left alone once it is changed: ";

/// The form of a comment in the language of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Comment {
    /// `# ...`
    Hash,
    /// `<!-- ... -->`
    Html,
}

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It was written.
    Now,
    /// It had this content already.
    Already,
    /// The user or another program wrote or changed it. It is unchanged.
    NotOurs,
}

/// Writes a file with this text, and the directories above it.
///
/// # Errors
/// Those of the operating system. The earlier file is unchanged.
pub(crate) fn write(path: &Path, text: &str, comment: Comment) -> io::Result<Written> {
    let whole = marked(text, comment);
    match std::fs::read_to_string(path) {
        Ok(found) if found == whole => return Ok(Written::Already),
        Ok(found) if !is_ours(&found) => return Ok(Written::NotOurs),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Written::NotOurs),
        Err(error) => return Err(error),
    }
    if let Some(directory) = path.parent() {
        privacy::make_dirs(directory)?;
    }
    // A reader sees the old file or the new one. It holds no secret, and need not survive a power
    // failure.
    let new = path.with_extension("twg-new");
    let written = std::fs::write(&new, whole)
        // Shells run it, so others must not write to it.
        .and_then(|()| privacy::let_only_the_owner_write(&new))
        .and_then(|()| std::fs::rename(&new, path));
    written.inspect_err(|_| {
        let _ = std::fs::remove_file(&new);
    })?;
    Ok(Written::Now)
}

/// Whether the file is as any version of `twg setup` wrote it.
pub(crate) fn is_written_by_us(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| is_ours(&text))
}

/// Deletes a file, and its directory if that is named `twg` and is empty now.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)?;
    if let Some(directory) = path.parent().filter(|parent| parent.ends_with("twg")) {
        // It stays if it contains other files.
        let _ = std::fs::remove_dir(directory);
    }
    Ok(())
}

fn marked(text: &str, comment: Comment) -> String {
    let mark = format!("{MARK}{}", digest(text));
    match comment {
        Comment::Hash => format!("{text}# {mark}\n"),
        Comment::Html => format!("{text}<!-- {mark} -->\n"),
    }
}

fn is_ours(text: &str) -> bool {
    let Some(last) = text.lines().last() else { return false };
    let Some((_, said)) = last.split_once(MARK) else { return false };
    let body = text.strip_suffix('\n').and_then(|text| text.strip_suffix(last));
    body.is_some_and(|body| said.split(' ').next() == Some(&digest(body)))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_user_changed_is_left_alone() {
        let root = crate::effects::file_store::tests::scratch_dir();
        let path = root.path().join("skills/twg/SKILL.md");
        for comment in [Comment::Hash, Comment::Html] {
            assert_eq!(write(&path, "one\n", comment).unwrap(), Written::Now);
            assert_eq!(write(&path, "one\n", comment).unwrap(), Written::Already);
            assert_eq!(write(&path, "two\n", comment).unwrap(), Written::Now, "another version");
            assert!(is_written_by_us(&path));
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("two\n"));
            for changed in
                [text.replace("two", "2"), format!("{text}\nmore\n"), "theirs".to_owned()]
            {
                std::fs::write(&path, &changed).unwrap();
                assert_eq!(write(&path, "three\n", comment).unwrap(), Written::NotOurs);
                assert!(!is_written_by_us(&path));
                assert_eq!(std::fs::read_to_string(&path).unwrap(), changed);
            }
            remove(&path).unwrap();
            assert!(
                !path.parent().unwrap().exists()
                    && path.parent().unwrap().parent().unwrap().exists()
            );
        }
    }
}
