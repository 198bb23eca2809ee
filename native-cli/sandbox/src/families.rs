//! Refresh-token families: every rule of refresh-token rotation is in this file.
//!
//! A sign-in starts a family with one refresh token. Each exchange spends a token and issues a child.
//! A spent token that comes again within the leeway gets another child ("this interval helps avoid
//! network concurrency issues", Atlassian). After the leeway it ends the whole family, because either
//! the client or a thief holds a stale copy, and the server cannot tell which (RFC 9700 section
//! 4.14.2).

use serde::{Deserialize, Serialize};

use crate::values::{Children, Replay};

/// A time or a duration in milliseconds.
pub(crate) type Millis = u64;

/// A family keeps this many tokens, so that a storm of refreshes cannot grow the state without end.
/// An older token is unknown.
const REMEMBERED: usize = 500;

/// This many families are kept. The oldest one that has ended goes first.
const FAMILIES: usize = 2000;

/// What the switches say about refresh tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Whether each exchange issues a new refresh token.
    pub(crate) rotate: bool,
    /// How long a spent token may be used again.
    pub(crate) leeway: Millis,
    /// Which spent tokens may be used again.
    pub(crate) replay: Replay,
    /// Which of their children then work.
    pub(crate) children: Children,
    /// Whether a spent token that comes after the leeway ends the family.
    pub(crate) reuse_ends: bool,
    /// "A rotating refresh token expires if the user is inactive for this period."
    pub(crate) idle: Millis,
    /// "The absolute expiry is associated with the whole token family."
    pub(crate) absolute: Millis,
}

/// Why a family ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ending {
    /// The client revoked one of its tokens.
    Revoked,
    /// A spent token came again after the leeway.
    Reused,
    /// The authorization code that started it was used twice.
    CodeReused,
    /// The user gave a new consent.
    Replaced,
    /// An administrator revoked all sessions.
    SessionsRevoked,
}

/// Why a refresh token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No family has it.
    Unknown,
    /// It belongs to another client.
    OtherClient,
    /// Its family has ended.
    Ended,
    /// It was unused for too long.
    Idle,
    /// Its family is too old.
    TooOld,
    /// It was spent before, and the leeway is over. The rules decide whether the family ends now.
    Reused,
}

/// A refresh token. Only its hash is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Member {
    /// SHA-256 of the token.
    hash: String,
    /// The token that was spent for it.
    parent: Option<String>,
    /// When it was issued or, without rotation, last used.
    touched: Millis,
    /// When it was first spent.
    spent: Option<Millis>,
    /// Whether a newer child of the same parent took its place.
    superseded: bool,
}

/// All refresh tokens that come from one sign-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Family {
    /// A random name.
    pub(crate) id: String,
    /// The client id.
    pub(crate) client: String,
    /// The account id.
    pub(crate) account: String,
    /// When the user signed in.
    pub(crate) born: Millis,
    /// Why it ended; `None` while it lives.
    pub(crate) ended: Option<Ending>,
    /// Exchanges that spent an unspent token.
    pub(crate) rotations: u64,
    /// Exchanges of a spent token within the leeway.
    pub(crate) replays: u64,
    /// Exchanges of a spent token after the leeway, all refused.
    pub(crate) reuses: u64,
    members: Vec<Member>,
}

impl Family {
    /// The hashes of the unspent tokens, the newest last.
    pub(crate) fn unspent(&self) -> impl Iterator<Item = &str> {
        self.members
            .iter()
            .filter(|member| member.spent.is_none() && !member.superseded)
            .map(|member| member.hash.as_str())
    }
}

/// A successful exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// The family it happened in.
    pub(crate) family: String,
    /// The account of the family.
    pub(crate) account: String,
    /// Whether the family took on the next token; without rotation it keeps the old one.
    pub(crate) rotated: bool,
}

/// Every family.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Families(Vec<Family>);

impl Families {
    /// A sign-in: a new family with its first token.
    pub(crate) fn begin(
        &mut self,
        id: String,
        client: &str,
        account: &str,
        first: String,
        now: Millis,
    ) {
        if self.0.len() >= FAMILIES {
            let over = self.0.iter().position(|family| family.ended.is_some());
            self.0.remove(over.unwrap_or_default());
        }
        self.0.push(Family {
            id,
            client: client.into(),
            account: account.into(),
            born: now,
            ended: None,
            rotations: 0,
            replays: 0,
            reuses: 0,
            members: vec![Member {
                hash: first,
                parent: None,
                touched: now,
                spent: None,
                superseded: false,
            }],
        });
    }

    /// A refresh: `client` presents a token, and `next` is the token to issue for it.
    pub(crate) fn exchange(
        &mut self,
        presented: &str,
        client: &str,
        next: String,
        rules: &Rules,
        now: Millis,
    ) -> Result<Exchange, Refusal> {
        let (family, at) = self.find_mut(presented).ok_or(Refusal::Unknown)?;
        if family.client != client {
            return Err(Refusal::OtherClient);
        }
        if family.ended.is_some() {
            return Err(Refusal::Ended);
        }
        if now >= family.born.saturating_add(rules.absolute) {
            return Err(Refusal::TooOld);
        }
        let member = &family.members[at];
        let (spent, superseded) = (member.spent, member.superseded);
        if spent.is_none() && !superseded {
            if now >= member.touched.saturating_add(rules.idle) {
                return Err(Refusal::Idle);
            }
            family.rotations += 1;
            if rules.rotate {
                family.members[at].spent = Some(now);
                family.take_on(presented, next, now);
            } else {
                family.members[at].touched = now;
            }
        } else if family.may_replay(at, rules, now) {
            family.replays += 1;
            if rules.children == Children::Newest {
                for sibling in &mut family.members {
                    if sibling.parent.as_deref() == Some(presented) {
                        sibling.superseded = true;
                    }
                }
            }
            family.take_on(presented, next, now);
            return Ok(Exchange {
                family: family.id.clone(),
                account: family.account.clone(),
                rotated: true,
            });
        } else {
            family.reuses += 1;
            if rules.reuse_ends {
                family.ended = Some(Ending::Reused);
            }
            return Err(Refusal::Reused);
        }
        Ok(Exchange {
            family: family.id.clone(),
            account: family.account.clone(),
            rotated: rules.rotate,
        })
    }

    /// The family that a token, spent or not, belongs to.
    pub(crate) fn find(&self, hash: &str) -> Option<&Family> {
        self.0.iter().find(|family| family.members.iter().any(|member| member.hash == hash))
    }

    /// The family with this name.
    pub(crate) fn get(&self, id: &str) -> Option<&Family> {
        self.0.iter().find(|family| family.id == id)
    }

    /// Ends the families that `which` picks, unless they ended before.
    pub(crate) fn end(&mut self, ending: Ending, which: impl Fn(&Family) -> bool) {
        for family in self.0.iter_mut().filter(|family| family.ended.is_none() && which(family)) {
            family.ended = Some(ending);
        }
    }

    /// All of them, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Family> {
        self.0.iter()
    }

    fn find_mut(&mut self, hash: &str) -> Option<(&mut Family, usize)> {
        self.0.iter_mut().find_map(|family| {
            let at = family.members.iter().position(|member| member.hash == hash)?;
            Some((family, at))
        })
    }
}

impl Family {
    /// Whether the spent token at `at` may be used again.
    fn may_replay(&self, at: usize, rules: &Rules, now: Millis) -> bool {
        let member = &self.members[at];
        let Some(spent) = member.spent else {
            return false;
        };
        let in_leeway = now < spent.saturating_add(rules.leeway);
        let is_previous = !self
            .members
            .iter()
            .any(|child| child.parent.as_ref() == Some(&member.hash) && child.spent.is_some());
        in_leeway && (rules.replay == Replay::Any || is_previous)
    }

    fn take_on(&mut self, parent: &str, hash: String, now: Millis) {
        if self.members.len() >= REMEMBERED {
            self.members.remove(0);
        }
        self.members.push(Member {
            hash,
            parent: Some(parent.into()),
            touched: now,
            spent: None,
            superseded: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = 60_000;
    const DAY: Millis = 86_400_000;

    const ATLASSIAN: Rules = Rules {
        rotate: true,
        leeway: 10 * MINUTE,
        replay: Replay::Previous,
        children: Children::All,
        reuse_ends: true,
        idle: 90 * DAY,
        absolute: 365 * DAY,
    };

    fn signed_in() -> Families {
        let mut families = Families::default();
        families.begin("f".into(), "client", "mia", "r0".into(), 0);
        families
    }

    fn spend(
        families: &mut Families,
        token: &str,
        next: &str,
        rules: &Rules,
        now: Millis,
    ) -> Result<(), Refusal> {
        families.exchange(token, "client", next.into(), rules, now).map(|_| ())
    }

    fn ended(families: &Families) -> Option<Ending> {
        families.get("f").unwrap().ended
    }

    #[test]
    fn a_chain_of_rotations() {
        let mut families = signed_in();
        for n in 0..1000_u64 {
            let (old, new) = (format!("r{n}"), format!("r{}", n + 1));
            spend(&mut families, &old, &new, &ATLASSIAN, n).unwrap();
        }
        let family = families.get("f").unwrap();
        assert_eq!((family.rotations, family.replays, family.reuses), (1000, 0, 0));
        assert_eq!(family.unspent().collect::<Vec<_>>(), ["r1000"]);
        assert!(family.members.len() <= REMEMBERED);
    }

    #[test]
    fn within_the_leeway_the_previous_token_works_again_and_so_do_all_children() {
        let mut families = signed_in();
        spend(&mut families, "r0", "a", &ATLASSIAN, 0).unwrap();
        spend(&mut families, "r0", "b", &ATLASSIAN, 10 * MINUTE - 1).unwrap();
        spend(&mut families, "a", "c", &ATLASSIAN, 10 * MINUTE).unwrap();
        spend(&mut families, "b", "d", &ATLASSIAN, 10 * MINUTE).unwrap();
        let family = families.get("f").unwrap();
        assert_eq!((family.rotations, family.replays, family.reuses), (3, 1, 0));
    }

    #[test]
    fn after_the_leeway_the_family_is_revoked() {
        let mut families = signed_in();
        spend(&mut families, "r0", "a", &ATLASSIAN, 0).unwrap();
        assert_eq!(spend(&mut families, "r0", "b", &ATLASSIAN, 10 * MINUTE), Err(Refusal::Reused));
        assert_eq!(ended(&families), Some(Ending::Reused));
        assert_eq!(spend(&mut families, "a", "c", &ATLASSIAN, 10 * MINUTE), Err(Refusal::Ended));
    }

    #[test]
    fn without_leeway_every_reuse_revokes() {
        let strict = Rules { leeway: 0, ..ATLASSIAN };
        let mut families = signed_in();
        spend(&mut families, "r0", "a", &strict, 5).unwrap();
        assert_eq!(spend(&mut families, "r0", "b", &strict, 5), Err(Refusal::Reused));
    }

    #[test]
    fn a_lenient_server_only_refuses_the_spent_token() {
        let lenient = Rules { leeway: 0, reuse_ends: false, ..ATLASSIAN };
        let mut families = signed_in();
        spend(&mut families, "r0", "a", &lenient, 0).unwrap();
        assert_eq!(spend(&mut families, "r0", "b", &lenient, 0), Err(Refusal::Reused));
        spend(&mut families, "a", "c", &lenient, 0).unwrap();
    }

    #[test]
    fn only_the_previous_token_or_any() {
        let mut families = signed_in();
        spend(&mut families, "r0", "a", &ATLASSIAN, 0).unwrap();
        spend(&mut families, "a", "b", &ATLASSIAN, 1).unwrap();
        let any = Rules { replay: Replay::Any, ..ATLASSIAN };
        spend(&mut families.clone(), "r0", "c", &any, 2).unwrap();
        assert_eq!(spend(&mut families, "r0", "c", &ATLASSIAN, 2), Err(Refusal::Reused));
    }

    #[test]
    fn only_the_newest_child() {
        let newest = Rules { children: Children::Newest, ..ATLASSIAN };
        let mut families = signed_in();
        spend(&mut families, "r0", "a", &newest, 0).unwrap();
        spend(&mut families, "r0", "b", &newest, 1).unwrap();
        spend(&mut families.clone(), "b", "c", &newest, 2).unwrap();
        assert_eq!(spend(&mut families, "a", "c", &newest, 2), Err(Refusal::Reused));
    }

    #[test]
    fn idle_and_absolute_expiry() {
        let mut families = signed_in();
        assert_eq!(spend(&mut families, "r0", "a", &ATLASSIAN, 90 * DAY), Err(Refusal::Idle));
        assert_eq!(ended(&families), None);

        let mut token = String::from("r0");
        for (n, day) in [80, 160, 240, 320].into_iter().enumerate() {
            let next = format!("x{n}");
            spend(&mut families, &token, &next, &ATLASSIAN, day * DAY).unwrap();
            token = next;
        }
        spend(&mut families.clone(), &token, "y", &ATLASSIAN, 365 * DAY - 1).unwrap();
        assert_eq!(spend(&mut families, &token, "y", &ATLASSIAN, 365 * DAY), Err(Refusal::TooOld));
    }

    #[test]
    fn without_rotation_the_token_stays_and_use_resets_the_idle_time() {
        let fixed = Rules { rotate: false, ..ATLASSIAN };
        let mut families = signed_in();
        let exchange = families.exchange("r0", "client", "a".into(), &fixed, 80 * DAY).unwrap();
        assert!(!exchange.rotated);
        spend(&mut families, "r0", "a", &fixed, 160 * DAY).unwrap();
        assert_eq!(spend(&mut families, "a", "b", &fixed, 160 * DAY), Err(Refusal::Unknown));
    }

    #[test]
    fn another_client_changes_nothing() {
        let mut families = signed_in();
        let thief = families.exchange("r0", "thief", "a".into(), &ATLASSIAN, 0);
        assert_eq!(thief, Err(Refusal::OtherClient));
        spend(&mut families, "r0", "a", &ATLASSIAN, 0).unwrap();
    }

    #[test]
    fn ending_is_final_and_keeps_its_first_reason() {
        let mut families = signed_in();
        families.end(Ending::Revoked, |family| family.account == "mia");
        families.end(Ending::SessionsRevoked, |_| true);
        assert_eq!(ended(&families), Some(Ending::Revoked));
        assert_eq!(spend(&mut families, "r0", "a", &ATLASSIAN, 0), Err(Refusal::Ended));
    }
}
