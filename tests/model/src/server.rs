//! The authorization server: one login, whose refresh token rotates.

/// A refresh token; `r0` is the one from the login.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Token {
    /// The token that it was issued for.
    parent: Option<usize>,
    /// The time of its first use, in seconds.
    spent_at: Option<u32>,
    /// A newer child of the same parent replaced it.
    superseded: bool,
}

/// How a server treats a token that it gets twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// For so many seconds after its first use it is accepted again; 0 means never.
    pub leeway: u32,
    /// Of the tokens that were issued for it, only the newest keeps working.
    pub newest_only: bool,
}

/// All tokens of the login.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    tokens: Vec<Token>,
    /// A spent token came outside the leeway.
    pub revoked: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self { tokens: vec![Token::default()], revoked: false }
    }
}

impl Server {
    /// A refresh: the number of the new token, or `None` for `invalid_grant`.
    pub fn exchange(&mut self, presented: usize, rules: Rules, now: u32) -> Option<usize> {
        if self.revoked {
            return None;
        }
        let token = self.tokens.get(presented)?;
        match token.spent_at {
            None if !token.superseded => {
                self.tokens.get_mut(presented)?.spent_at = Some(now);
            }
            // Only the immediately previous token may come again (Auth0, on which Atlassian's
            // server runs).
            Some(_) if !self.is_gamble(presented, rules, now) => {
                if rules.newest_only {
                    for sibling in &mut self.tokens {
                        sibling.superseded |= sibling.parent == Some(presented);
                    }
                }
            }
            _ => {
                self.revoked = true;
                return None;
            }
        }
        self.tokens.push(Token { parent: Some(presented), ..Token::default() });
        Some(self.tokens.len() - 1)
    }

    /// Whether this token was used.
    #[must_use]
    pub fn is_spent(&self, presented: usize) -> bool {
        self.tokens.get(presented).is_some_and(|token| token.spent_at.is_some())
    }

    /// Whether this token would end the login if it came now.
    #[must_use]
    pub fn is_gamble(&self, presented: usize, rules: Rules, now: u32) -> bool {
        let Some(token) = self.tokens.get(presented) else { return true };
        let Some(spent_at) = token.spent_at else { return token.superseded };
        let child_spent =
            self.tokens.iter().any(|t| t.parent == Some(presented) && t.spent_at.is_some());
        now >= spent_at + rules.leeway || child_spent
    }

    /// Whether a process with this token can continue.
    #[must_use]
    pub fn accepts(&self, token: usize) -> bool {
        let token = self.tokens.get(token);
        !self.revoked && token.is_some_and(|t| t.spent_at.is_none() && !t.superseded)
    }

    /// The issued tokens that can still be used.
    pub fn current(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.tokens.len()).filter(|token| self.accepts(*token))
    }
}
