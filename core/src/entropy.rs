//! Random octets, which the core cannot make: every shell brings its own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroize as _;

use crate::secret::Secret;

/// 32 octets from the shell's cryptographic random number generator. Used once.
#[derive(Debug)]
pub struct Entropy(Hidden);

struct Hidden([u8; 32]);

impl core::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("..")
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Entropy {
    /// Takes fresh random octets; the same ones must never be used twice.
    #[must_use]
    pub const fn new(octets: [u8; 32]) -> Self {
        Self(Hidden(octets))
    }

    /// 43 characters of the base64url alphabet: 256 bits.
    pub(crate) fn into_text(self) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(self.0.0))
    }
}
