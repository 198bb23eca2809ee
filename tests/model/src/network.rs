//! Requests under way.

/// What the server, or somebody in its place, answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// New tokens, the refresh token with this number.
    Tokens(usize),
    /// `invalid_grant`.
    Refused,
    /// 429: it was not carried out.
    TooMany,
    /// A gateway's 502, whatever the server behind it did.
    Gateway,
}

/// One refresh request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    /// Who waits for the answer; `None` if nobody does any more.
    pub sender: Option<usize>,
    /// The number of the refresh token in it.
    pub token: usize,
    /// When it was sent, in seconds.
    pub sent_at: u32,
    /// The answer, once the request arrived.
    pub reply: Option<Reply>,
}
