//! Requests on their way.

/// The response of the server, or of a gateway in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// New tokens, the refresh token with this number.
    Tokens(usize),
    /// `invalid_grant`.
    Refused,
    /// 429: the server did not carry the request out.
    TooMany,
    /// A gateway's 502. The server behind it may have carried the request out.
    Gateway,
}

/// One refresh request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    /// The process that waits for the response; `None` if it no longer waits.
    pub sender: Option<usize>,
    /// The number of its refresh token.
    pub token: usize,
    /// When it was sent, in seconds.
    pub sent_at: u32,
    /// The response, after the request arrived.
    pub reply: Option<Reply>,
}
