//! `twg auth exec-credential`: kubectl's `ExecCredential`.
//! <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>

use std::process::ExitCode;

use serde_json::{Value, json};
use twg_core::json;
use twg_core::secret::Secret;
use twg_core::text::displayable;

use super::{answer, or_tell};
use crate::context::Context;
use crate::credentials::connection::Connection;
use crate::credentials::source::live_token;
use crate::environment::{self, KUBERNETES_EXEC_INFO as QUESTION};
use crate::failure::Failure;
use crate::output::rfc3339;

/// The known versions of the answer. The first is the default.
const VERSIONS: [&str; 2] =
    ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// Below the help of the command.
pub(crate) const EXAMPLES: &str = "\
In a kubeconfig, the user's exec names the command `twg` and these arguments.

Examples:
  twg auth exec-credential
  twg auth exec-credential acme --connection work";

/// Runs the command.
pub(crate) async fn run(
    context: &mut Context,
    arguments: &Connection,
) -> Result<ExitCode, Failure> {
    let done = get(context, arguments).await;
    or_tell(context, done)
}

async fn get(context: &mut Context, arguments: &Connection) -> Result<ExitCode, Failure> {
    // First, so that no token is refreshed for a version that is unknown.
    let version = version(environment::text(QUESTION).as_deref())?;
    let live = live_token(context, &arguments.chosen(context)?).await?;
    let mut status = json!({ "token": live.token.expose() });
    if let Some(end) = live.expires_at {
        // kubectl caches the token until then.
        status["expirationTimestamp"] = rfc3339(end).into();
    }
    let credential = json!({ "apiVersion": version, "kind": "ExecCredential", "status": status });
    answer(&Secret::new(format!("{credential}\n")))
}

/// "the API version is the one that the executing client asked for": kubectl refuses any other.
fn version(question: Option<&str>) -> Result<&'static str, Failure> {
    let Some(question) = question else { return Ok(VERSIONS[0]) };
    let asked = json::value(question).ok();
    let asked = asked.as_ref().and_then(|asked| asked.get("apiVersion")).and_then(Value::as_str);
    VERSIONS.into_iter().find(|known| Some(*known) == asked).ok_or_else(|| {
        let asked = asked.map_or("none".to_owned(), displayable);
        Failure::configuration(format!("{QUESTION} asks for an unknown apiVersion: {asked}"))
            .or_hint(format!(
                "Set apiVersion of the user's exec in your kubeconfig to {}.",
                VERSIONS[0]
            ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_gets_the_version_that_it_asks_for() {
        for known in VERSIONS {
            let asked = json!({ "apiVersion": known, "kind": "ExecCredential", "spec": {} });
            assert_eq!(version(Some(&asked.to_string())).unwrap(), known);
        }
        assert_eq!(version(None).unwrap(), VERSIONS[0]);
        for bad in ["", "{}", "[]", r#"{"apiVersion":"client.authentication.k8s.io/v1alpha1"}"#] {
            assert!(version(Some(bad)).is_err(), "{bad}");
        }
    }
}
