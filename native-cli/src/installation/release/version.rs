//! The version of a release.

use std::fmt;

/// `1.2.3`, and nothing else. It cannot be a path, and any two versions have an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// The version of this program.
    pub(crate) fn this() -> Self {
        // Cargo takes it from `workspace.package.version`; a test compares them.
        Self::parse(env!("CARGO_PKG_VERSION")).unwrap_or(Self { major: 0, minor: 0, patch: 0 })
    }

    /// Three numbers without leading zeros.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|part| {
            let plain = part == "0" || !part.starts_with('0');
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<u32>().ok().filter(|_| plain && digits)
        });
        let version =
            Self { major: numbers.next()??, minor: numbers.next()??, patch: numbers.next()?? };
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_in_order() {
        let version = |text| Version::parse(text).unwrap();
        assert_eq!(Version::this().to_string(), env!("CARGO_PKG_VERSION"));
        assert_eq!(version("0.10.4294967295").to_string(), "0.10.4294967295");
        assert!(version("0.9.9") < version("0.10.0") && version("2.0.0") > version("1.99.99"));
    }

    #[test]
    fn nothing_else_is_a_version() {
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "01.2.3",
            "1.2.3-rc.1",
            "1.2.3+x",
            " 1.2.3",
            "v1.2.3",
            "+1.2.3",
            "1..3",
            "1.2.4294967296",
            "../1.2.3",
            "1.2.3/..",
            "1/2.3.4",
            "１.2.3",
            "1.2.3\0",
        ] {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
    }
}
