//! Random numbers from the operating system.

use std::fmt;

/// 32 random octets.
///
/// # Errors
/// [`NoEntropy`] if the operating system provides none. There is no other source.
pub(crate) fn fresh() -> Result<[u8; 32], NoEntropy> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).map_err(|error| NoEntropy(error.to_string()))?;
    Ok(octets)
}

/// The operating system provided no random numbers. Holds its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoEntropy(String);

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoEntropy {}

#[cfg(test)]
mod tests {
    /// A3: every attempt has its own octets.
    #[test]
    fn is_different_each_time() {
        assert_ne!(super::fresh().unwrap(), super::fresh().unwrap());
    }
}
