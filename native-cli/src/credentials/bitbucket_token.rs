//! The Bitbucket token: where it comes from, and whether it works. It is not part of a connection.

use serde::Serialize;
use serde_json::{Value, json};
use twg_core::atlassian::bitbucket;
use twg_core::credential::Account;
use twg_core::credential::ConnectionKey;
use twg_core::error::Error;
use twg_core::identity::is_email;
use twg_core::json::{FromJson, Members, Mistakes};
use twg_core::provider::ProviderProfile;
use twg_core::secret::{Secret, serialize_exposed};
use twg_core::time::UnixTime;

use crate::context::Context;
use crate::credentials::private_file::{PrivateFile, Unusable, VERSION};
use crate::credentials::providers;
use crate::driver::send;
use crate::effects::clock;
use crate::environment;
use crate::environment::USER;
use crate::failure::{Cause, Failure};
use crate::output::rfc3339;

/// The provider whose profile has the URLs of Bitbucket.
pub(crate) const PROVIDER: &str = "bitbucket";

/// The variable that takes precedence over the stored token.
pub(crate) use crate::environment::BITBUCKET_TOKEN as VARIABLE;

/// The command that asks for the token.
pub(crate) const SETUP: &str = "twg setup bitbucket";

/// The file `bitbucket.conf`. Everything in it was checked before it was written.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stored {
    schema_version: u32,
    #[serde(serialize_with = "serialize_exposed")]
    pub(crate) token: Secret,
    /// The email address of its Atlassian account. An access token of a repository has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// The name of that account at Bitbucket, if the token's scopes include it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// When Bitbucket accepted it, before it was stored. Later checks are not noted, because a
    /// command that only reads must not write: it could overwrite a newer token.
    pub(crate) checked_at: UnixTime,
}

impl FromJson for Stored {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let stored = Self {
            schema_version: members.required("schema_version"),
            token: members.required("token"),
            email: members.optional("email"),
            name: members.optional("name"),
            checked_at: members.required("checked_at"),
        };
        if !stored.token.is_one_word()
            || stored.email.as_deref().is_some_and(|email| !is_email(email))
        {
            mistakes.note("its token or email is invalid");
        }
        stored
    }
}

impl Stored {
    /// A token that Bitbucket accepted just now.
    pub(crate) fn new(token: Secret, email: Option<String>, account: Option<&Account>) -> Self {
        Self {
            schema_version: VERSION,
            token,
            email,
            name: account.map(|account| account.shown().to_owned()),
            checked_at: clock::now(),
        }
    }
}

/// The file.
pub(crate) fn file(context: &Context) -> PrivateFile {
    PrivateFile {
        path: context.config.bitbucket_path(),
        what: "Bitbucket token",
        enter_again: format!("{SETUP} --force"),
    }
}

/// The stored token.
pub(crate) fn stored(context: &Context) -> Result<Option<Stored>, Failure> {
    let file = file(context);
    file.load(context).map_err(|why| file.unusable(context, &why))
}

/// The token of the environment. In the sandbox it does not apply.
pub(crate) fn from_environment(context: &Context) -> Result<Option<Secret>, Failure> {
    let Some(text) = environment::text(VARIABLE).filter(|_| !context.in_sandbox) else {
        return Ok(None);
    };
    let token = Secret::new(text);
    if token.is_one_word() {
        return Ok(Some(token));
    }
    Err(Failure::configuration(format!(
        "{VARIABLE} is not a token: it must be one word without spaces"
    ))
    .or_hint(format!("Set {VARIABLE} to the token alone, without spaces or line breaks.")))
}

/// A token to use, and the email address for it.
pub(crate) struct Token {
    pub(crate) secret: Secret,
    /// Unknown if the environment has the token but no email address.
    pub(crate) email: Option<String>,
}

/// The token to use: that of the environment, else the stored one.
pub(crate) fn find(context: &Context) -> Result<Option<Token>, Failure> {
    if let Some(secret) = from_environment(context)? {
        return Ok(Some(Token { secret, email: known_email(context) }));
    }
    let stored = stored(context)?;
    Ok(stored.map(|stored| Token { secret: stored.token, email: stored.email }))
}

/// The likely email address for an entered token: from `TWG_USER`, the stored token, or the
/// connection.
pub(crate) fn known_email(context: &Context) -> Option<String> {
    let named = environment::text(USER).filter(|_| !context.in_sandbox);
    let of_token = || stored(context).ok().flatten()?.email;
    let of_login = || {
        let key = ConnectionKey::new(providers::DEFAULT, ConnectionKey::DEFAULT).ok()?;
        context.credential(&key).ok()??.account?.email
    };
    named.or_else(of_token).or_else(of_login).filter(|email| is_email(email))
}

/// The profile with the URLs of Bitbucket.
pub(crate) fn profile(context: &Context) -> Result<ProviderProfile, Failure> {
    providers::load(context, PROVIDER)
}

/// Asks Bitbucket for the token's account. `None` if the token works, but its scopes do not include
/// that.
pub(crate) async fn check(
    context: &mut Context,
    profile: &ProviderProfile,
    email: Option<&str>,
    token: &Secret,
) -> Result<Option<Account>, Failure> {
    let failed = |error: Error| {
        let mut failure = Failure::from_core("Could not check the Bitbucket token", &error, SETUP);
        if error == Error::TokenRejected {
            failure = Failure::new(
                Cause::TokenRejected,
                match email {
                    Some(email) => format!("Bitbucket does not accept this token for {email}"),
                    None => "Bitbucket does not accept this token".to_owned(),
                },
            );
        }
        failure
    };
    let request = bitbucket::check(profile, email, token).map_err(failed)?;
    let response = send(context, request).await?;
    bitbucket::checked(profile, response).map_err(failed)
}

/// The state for `doctor` and `auth status`, without the token and without a request.
pub(crate) struct Status {
    /// The variable or the file that it comes from.
    pub(crate) source: String,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    /// When Bitbucket accepted it; `None` for a token of the environment.
    pub(crate) checked_at: Option<UnixTime>,
    /// Why it cannot be used.
    pub(crate) problem: Option<String>,
}

/// The state of the token that counts. `None` without a token.
pub(crate) fn status(context: &Context) -> Option<Status> {
    let nothing = |source: String| Status {
        source,
        email: None,
        name: None,
        checked_at: None,
        problem: None,
    };
    match from_environment(context) {
        Ok(None) => {}
        Ok(Some(_)) => {
            return Some(Status { email: known_email(context), ..nothing(VARIABLE.to_owned()) });
        }
        Err(failure) => {
            return Some(Status { problem: Some(failure.message), ..nothing(VARIABLE.to_owned()) });
        }
    }
    let file = file(context);
    let source = context.config.display(&file.path);
    match file.load::<Stored>(context) {
        Ok(None) => None,
        Ok(Some(stored)) => Some(Status {
            email: stored.email,
            name: stored.name,
            checked_at: Some(stored.checked_at),
            ..nothing(source)
        }),
        Err(why @ (Unusable::Newer | Unusable::Damaged(_) | Unusable::Unreadable(_))) => {
            let problem = Some(file.unusable(context, &why).message);
            Some(Status { problem, ..nothing(source) })
        }
    }
}

impl Status {
    /// Whether it has no problem that is visible without a request.
    pub(crate) const fn is_usable(&self) -> bool {
        self.problem.is_none()
    }

    /// For people, in one line.
    pub(crate) fn line(&self) -> String {
        if let Some(problem) = &self.problem {
            return problem.clone();
        }
        let of = match (&self.name, &self.email) {
            (Some(name), Some(email)) => format!("of {name} ({email}), "),
            (None, Some(email)) => format!("of {email}, "),
            (_, None) => String::new(),
        };
        let checked = self.checked_at.map(|at| clock::now().since(at));
        let checked = checked.map_or("not checked".to_owned(), |age| format!("checked {age} ago"));
        format!("token {of}{checked}, from {}", self.source)
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "source": self.source,
            "email": self.email,
            "name": self.name,
            "checkedAt": self.checked_at.map(rfc3339),
            "problem": self.problem,
        })
    }
}
