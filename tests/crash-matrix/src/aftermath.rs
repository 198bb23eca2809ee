//! The end of every case: a plain `twg auth refresh` repairs the login, and the server says whether
//! the grant lives.

use std::fmt;
use std::path::PathBuf;

use twg_tests::TwgOutput;

use crate::parallel::busy;
use crate::place::Place;
use crate::protocol::Phase;
use crate::server::Counted;

/// A deliberate fault of the harness before the recovery. It shows that the harness notices a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// No fault.
    #[default]
    None,
    /// The stage is removed, as by a program without a stage.
    RemoveStage,
    /// The intent is removed from the record, as by a program that writes none.
    ForgetIntent,
    /// After an injected error a request is sent, as by a program that ignores the error. Done by
    /// [`crate::faults`], before it asks the server.
    SendAnyway,
}

impl Sabotage {
    fn commit(self, place: &Place<'_>) {
        match self {
            Self::None | Self::SendAnyway => {}
            Self::RemoveStage => {
                // The stage may not exist.
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

/// The result of a case for its grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Nothing had happened: the recovery was an ordinary refresh.
    Untouched,
    /// The first request was never sent, or was refused: it was sent after the quarantine.
    SentLater,
    /// The response was found on the disk and committed, without a request.
    Kept,
    /// The new record was already there.
    Saved,
    /// The spent token was sent again within the leeway, and the server issued new ones.
    Replayed,
    /// The server ended the grant: the user must sign in again.
    Lost,
    /// The grant lives at the server, but its token is lost, and no refresh risks sending the spent
    /// one.
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
    /// The result for the grant.
    pub fate: Fate,
    /// The refresh requests of the whole case, except those of the final check.
    pub requests: Option<Counted>,
    /// Problems that are wrong with every server.
    pub problems: Vec<String>,
}

/// The state before the recovery.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// The phase of the interruption.
    pub phase: Phase,
    /// The server's counts at the beginning.
    pub counted: Option<Counted>,
    /// Whether the response may be lost, so that a server without leeway may end the login.
    pub may_be_lost: bool,
    /// Whether a part of a response is in the stage. Then the stage must be set aside, for a person
    /// to look at. In all other cases it must not be.
    pub is_torn: bool,
}

/// Runs the recovery and determines the result.
#[must_use]
pub fn recover(place: &Place<'_>, before: Before, sabotage: Sabotage) -> Aftermath {
    let mut problems = Vec::new();
    sabotage.commit(place);
    let recovery = place.refresh(&["--json"]).run();
    // The run may have scheduled a recovery before it waited.
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
        // A strict server ends a grant when it sees a spent token. Until then the grant lives, but
        // its only living token is the lost one.
        let is_over = recovery.code() == Some(77) || !place.is_alive();
        return if is_over { Fate::Lost } else { Fate::Stuck };
    }
    match recovery.json()["result"].as_str() {
        Some("fresh") => Fate::Saved,
        Some("recovered") if requests.is_some_and(|requests| requests.replays > 0) => {
            Fate::Replayed
        }
        Some("recovered") if phase >= Phase::Staging => Fate::Kept,
        // The same result if the process died at once after sending: the server may not have read
        // the request.
        Some("recovered") => Fate::SentLater,
        _ => Fate::Untouched,
    }
}

/// "At rest the store holds the server's current token": the token works, and no temporary file is
/// left.
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
