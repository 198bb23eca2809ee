//! What every case ends with: a plain `twg auth refresh` repairs what is there, and then the server is asked
//! whether the grant lives.

use std::fmt;
use std::path::PathBuf;

use twg_tests::TwgOutput;

use crate::parallel::busy;
use crate::place::Place;
use crate::protocol::Phase;
use crate::server::Counted;

/// What a harness does wrong on purpose before the recovery, to show that it can see a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// The stage is removed, as by a program that had none.
    RemoveStage,
    /// The intent is taken out of the record, as by a program that wrote none.
    ForgetIntent,
    /// After an injected error a request is sent, as by a program that takes no notice of it. Done by
    /// [`crate::faults`], before it asks the server.
    SendAnyway,
}

impl Sabotage {
    fn commit(self, place: &Place<'_>) {
        match self {
            Self::None | Self::SendAnyway => {}
            Self::RemoveStage => {
                // It need not be there.
                let _ = std::fs::remove_file(place.layout.stage_path());
            }
            Self::ForgetIntent => {
                let mut record = place.record().members().clone();
                record.as_object_mut().expect("a record is an object").remove("pending");
                std::fs::write(place.record_path(), record.to_string()).expect("it can be written");
            }
        }
    }
}

/// What became of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Nothing had happened: the recovery was a first refresh.
    Untouched,
    /// The first request had never been sent, or was refused: it was sent after the quarantine.
    SentLater,
    /// The reply was found on the disk and committed, without a request.
    Kept,
    /// The new record was there already.
    Saved,
    /// The spent token was sent again within the leeway, and the server gave out new ones.
    Replayed,
    /// The server ended the grant: the user must sign in again.
    Lost,
    /// The grant lives at the server, but the token for it is gone and nobody dares to send the spent one.
    Stuck,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untouched => "refreshed as if nothing had been",
            Self::SentLater => "sent after the quarantine",
            Self::Kept => "reply found on disk",
            Self::Saved => "already saved",
            Self::Replayed => "token replayed in the leeway",
            Self::Lost => "LOST",
            Self::Stuck => "LOST (reply damaged)",
        })
    }
}

/// The end of a case.
#[derive(Clone, Debug)]
pub struct Aftermath {
    /// What became of the grant.
    pub fate: Fate,
    /// The refresh requests of the whole case, the final check excepted.
    pub requests: Option<Counted>,
    /// What is wrong, whatever the server is like.
    pub problems: Vec<String>,
}

/// What a case was like before its recovery.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// Where it was interrupted.
    pub phase: Phase,
    /// What the server had counted when it began.
    pub counted: Option<Counted>,
    /// Whether the reply may have died, so that a server without leeway cannot be recovered from.
    pub may_be_lost: bool,
    /// Whether a part of a reply is in the stage, which has to be set aside then: for people to look at. Nothing
    /// else may be.
    pub is_torn: bool,
}

/// Recovers, and finds out.
#[must_use]
pub fn recover(place: &Place<'_>, before: Before, sabotage: Sabotage) -> Aftermath {
    let mut problems = Vec::new();
    sabotage.commit(place);
    let recovery = place.refresh(&["--json"]).run();
    // It may have armed one before it waited.
    place.stop_recoveries();
    let requests = before.counted.and_then(|counted| Some(place.counted()?.since(counted)));
    let fate = fate_of(place, &recovery, before.phase, requests);
    match fate {
        Fate::Lost | Fate::Stuck if !before.may_be_lost => {
            problems.push(format!("the grant was lost ({fate}): {recovery}"));
        }
        Fate::Lost if recovery.code() != Some(77) => {
            problems.push(format!("a lost login must be exit code 77: {recovery}"));
        }
        Fate::Lost | Fate::Stuck => {}
        Fate::Untouched | Fate::SentLater | Fate::Kept | Fate::Saved | Fate::Replayed => {
            if requests.is_some_and(|requests| requests.reuses > 0) {
                problems.push(format!("a token was reused: {requests:?}"));
            }
            check_rest(place, before.is_torn, &mut problems);
        }
    }
    Aftermath { fate, requests, problems }
}

fn fate_of(
    place: &Place<'_>,
    recovery: &TwgOutput,
    phase: Phase,
    requests: Option<Counted>,
) -> Fate {
    if recovery.code() != Some(0) {
        // A strict server ends a grant when it sees a spent token; until then it lives, but its only
        // living token is the one that was lost.
        let is_over = recovery.code() == Some(77) || !place.is_alive();
        return if is_over { Fate::Lost } else { Fate::Stuck };
    }
    match recovery.json()["result"].as_str() {
        Some("fresh") => Fate::Saved,
        Some("recovered") if requests.is_some_and(|requests| requests.replays > 0) => {
            Fate::Replayed
        }
        Some("recovered") if phase >= Phase::Staging => Fate::Kept,
        // Also where it was sent and its sender died at once: the server need not have read it.
        Some("recovered") => Fate::SentLater,
        _ => Fate::Untouched,
    }
}

/// "At rest the store holds the server's current token": it can be used, and nothing is left over.
fn check_rest(place: &Place<'_>, is_torn: bool, problems: &mut Vec<String>) {
    if !place.is_alive() {
        problems.push("the program is content, but the grant is over".to_owned());
    }
    if place.is_pending() {
        problems.push("an intent is left".to_owned());
    }
    let check = busy(|| place.refresh(&["--force"]).run());
    if check.code() != Some(0) {
        problems.push(format!("the stored refresh token does not work: {check}"));
    }
    let prefix = format!("{}.damaged-", place.layout.stage_path().display());
    let is_aside = |path: &PathBuf| path.to_string_lossy().starts_with(&prefix);
    let (aside, litter): (Vec<_>, Vec<_>) = place.litter().into_iter().partition(is_aside);
    if aside.len() != usize::from(is_torn) {
        problems.push(format!("set aside, and the stage was torn ({is_torn}): {aside:?}"));
    }
    if !litter.is_empty() {
        problems.push(format!("left over: {litter:?}"));
    }
}
