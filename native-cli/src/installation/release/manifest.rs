//! The description of a release: `manifest.json`. It is read only after its signature was verified.

use serde_json::Value;
use twg_core::json::{self, BadJson, FromJson, Members, Mistakes};

use super::version::Version;

/// A larger archive cannot be one of ours.
const MAX_ARCHIVE_BYTES: u32 = 64 * 1024 * 1024;

/// A release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) version: Version,
    /// RFC 3339, for people.
    pub(crate) released_at: String,
    /// The archive for the requested system. `None` if the release has none.
    pub(crate) archive: Option<Archive>,
}

/// An archive in the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archive {
    /// A plain name: the file is beside the manifest of its version.
    pub(crate) file: String,
    pub(crate) size: u32,
    pub(crate) sha256: [u8; 32],
}

impl Manifest {
    /// Parses a manifest for the system named `target`.
    pub(crate) fn parse(text: &str, target: &str) -> Result<Self, BadJson> {
        let (manifest, archive) = json::parse::<Parsed>(text)?.for_target(target);
        let archive = archive.map(json::read::<Archive>).transpose()?;
        Ok(Self { archive, ..manifest })
    }
}

/// A manifest with the archives of all systems.
struct Parsed {
    manifest: Manifest,
    targets: Value,
}

impl Parsed {
    fn for_target(mut self, target: &str) -> (Manifest, Option<Value>) {
        let archive = self.targets.get_mut(target).map(Value::take);
        (self.manifest, archive)
    }
}

impl FromJson for Parsed {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        // Unknown members are allowed, so that this version can update itself. A new version number
        // is not.
        let SchemaVersion = members.required("schema_version");
        let manifest = Manifest {
            version: members.required("version"),
            released_at: twg_core::text::displayable(&members.required::<String>("released_at")),
            archive: None,
        };
        Self { manifest, targets: members.required("targets") }
    }
}

struct SchemaVersion;

impl FromJson for SchemaVersion {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        if u32::from_json(value, mistakes) != 1 {
            mistakes.note("this twg supports version 1 only; install the new twg by hand once");
        }
        Self
    }
}

impl FromJson for Version {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        value.as_str().and_then(Self::parse).unwrap_or_else(|| {
            mistakes.note("it is not a version like 1.2.3");
            Self::this()
        })
    }
}

impl FromJson for Archive {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let FileName(file) = members.required("file");
        let Size(size) = members.required("size");
        let Sha256(sha256) = members.required("sha256");
        Self { file, size, sha256 }
    }
}

struct FileName(String);

impl FromJson for FileName {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let name = String::from_json(value, mistakes);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.bytes().all(plain)
        {
            mistakes.note("it is not a plain file name");
        }
        Self(name)
    }
}

struct Size(u32);

impl FromJson for Size {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let size = u32::from_json(value, mistakes);
        if size == 0 || size > MAX_ARCHIVE_BYTES {
            mistakes.note("it must be between 1 byte and 64 MiB");
        }
        Self(size)
    }
}

struct Sha256([u8; 32]);

impl FromJson for Sha256 {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let read = |text: &str| {
            let mut hash = [0; 32];
            let digits = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
            for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
                *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
            }
            digits.then_some(hash)
        };
        Self(value.as_str().and_then(read).unwrap_or_else(|| {
            mistakes.note("it is not 64 hexadecimal digits");
            [0; 32]
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Value {
        json!({
            "schema_version": 1,
            "version": "1.2.3",
            "released_at": "2026-11-25T00:00:00Z",
            "new": true,
            "targets": {
                "a": { "file": "twg-1.2.3-a.tar.gz", "size": 5, "sha256": "00ff".repeat(16) },
                "b": "not for this one",
            },
        })
    }

    fn parse(value: &Value) -> Result<Manifest, String> {
        Manifest::parse(&value.to_string(), "a").map_err(|error| error.to_string())
    }

    #[test]
    fn the_archive_of_this_system_is_found() {
        let read = parse(&manifest()).unwrap();
        assert_eq!(read.version.to_string(), "1.2.3");
        let archive = read.archive.unwrap();
        assert_eq!((archive.file.as_str(), archive.size), ("twg-1.2.3-a.tar.gz", 5));
        assert_eq!(archive.sha256[..3], [0, 0xff, 0]);
        assert_eq!(Manifest::parse(&manifest().to_string(), "c").unwrap().archive, None);
    }

    /// Incident tar RUSTSEC-2026-0067 and similar ones: a name must not be a path.
    #[test]
    fn ambiguous_values_are_refused() {
        let cases = [
            ("/schema_version", json!(2), "schema_version"),
            ("/version", json!("1.2.3/../../x"), "version"),
            ("/version", json!("1.2.3-rc1"), "version"),
            ("/released_at", json!(null), "released_at"),
            ("/targets/a/file", json!("../twg.tar.gz"), "file"),
            ("/targets/a/file", json!("/etc/x"), "file"),
            ("/targets/a/file", json!("a\\b"), "file"),
            ("/targets/a/file", json!(".."), "file"),
            ("/targets/a/file", json!("x?y"), "file"),
            ("/targets/a/file", json!(""), "file"),
            ("/targets/a/size", json!(0), "size"),
            ("/targets/a/size", json!(-1), "size"),
            ("/targets/a/size", json!(64 * 1024 * 1024 + 1), "size"),
            ("/targets/a/sha256", json!("00ff".repeat(15)), "sha256"),
            ("/targets/a/sha256", json!("+1ff".repeat(16)), "sha256"),
            ("/targets/a", json!([]), "object"),
        ];
        for (pointer, value, named) in cases {
            let mut changed = manifest();
            *changed.pointer_mut(pointer).unwrap() = value;
            let error = parse(&changed).unwrap_err();
            assert!(error.contains(named), "{pointer}: {error}");
        }
        assert!(Manifest::parse("{", "a").is_err());
    }
}
