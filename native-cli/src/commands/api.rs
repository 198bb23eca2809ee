//! `twg api`: any request to the provider's API.

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use twg_core::api::{ApiAnswer, ApiFlow, ApiRequest};
use twg_core::atlassian::address::{Product, api_url, needs_site};
use twg_core::credential::ConnectionKey;
use twg_core::credential::Site;
use twg_core::error::{Endpoint, Error};
use twg_core::http::{Method, TransportError};
use twg_core::provider::ProviderProfile;
use twg_core::refresh::Need;
use twg_core::resource::TokenAudience;
use twg_core::secret::Secret;
use twg_core::text::{displayable, printable};
use url::form_urlencoded;

use super::sites;
use crate::completion::candidates;
use crate::context::{Context, entropy, login_command};
use crate::credentials::connection::ConnectionName;
use crate::credentials::source::{self, Source};
use crate::credentials::{providers, refresh};
use crate::driver::drive;
use crate::effects::terminal::print_data;
use crate::environment::{self, SITE};
use crate::failure::{ApiTrouble, Cause, Failure};
use crate::output::print_json;

/// `twg api`
#[derive(Debug, Args)]
#[command(
    allow_missing_positional = true,
    after_help = "\
The path decides the product: /rest/api/3/myself is in Jira, /wiki/api/v2/spaces
in Confluence. twg sends the token to the provider's hosts only, also where a
response redirects to another host.

Examples:
  twg api /rest/api/3/myself
  twg api /rest/api/3/search/jql -f jql='project = A' -f fields=summary
  twg api /wiki/api/v2/spaces --site acme
  twg api POST /rest/api/3/issue --input issue.json
  twg api /me"
)]
pub(crate) struct Api {
    /// GET, POST, PUT, PATCH, DELETE or HEAD [default: POST with --input or -f, else GET]
    #[arg(value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// A path in Jira or Confluence, or a full URL on a host of the provider
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// Send this in the query of GET, HEAD and DELETE, else in a JSON object
    #[arg(short = 'f', long = "field", value_name = "KEY=VALUE")]
    pub(crate) fields: Vec<String>,
    /// Send this JSON file; - for standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "fields")]
    pub(crate) input: Option<std::path::PathBuf>,
    /// Site to use: its name, URL or ID
    #[arg(long, add = candidates::sites())]
    pub(crate) site: Option<String>,
    /// Product of the path, if the path does not show it
    #[arg(long, value_enum)]
    pub(crate) product: Option<ApiProduct>,
    /// Provider to use; for other providers, PATH is a full URL
    #[arg(long, default_value = providers::DEFAULT, hide_default_value = true, add = candidates::providers())]
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) name: ConnectionName,
}

/// `--product`
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ApiProduct {
    Jira,
    Confluence,
}

/// Runs the command. Prints the response, also that of a failure; its status decides the exit code.
pub(crate) async fn run(context: &mut Context, arguments: &Api) -> Result<ExitCode, Failure> {
    let chosen = arguments.name.chosen(context, &arguments.provider)?;
    let key = chosen.key.clone();
    let profile = providers::load(context, key.provider())?;
    let source = source::find(context, &chosen)?;
    let (request, method) = request(context, &key, &profile, &source, arguments).await?;
    let flow = match &source {
        Source::Given(given) => ApiFlow::ask_with(request, given.authorization()),
        Source::Stored => {
            ApiFlow::ask(request, refresh::request(context, &key, Need::Live), entropy()?)
        }
    };
    let doing = "The request failed";
    let answer = drive(context, flow).await?;
    let answer = answer.map_err(|error| {
        let failure = match &source {
            Source::Given(given) => given.failure(doing, &error),
            Source::Stored => refresh::failure(context, &key, doing, &error),
        };
        if may_be_done(method, &error) { not_to_be_repeated(failure, &error) } else { failure }
    })?;
    if let Some(login) = &answer.login {
        refresh::remark(context, &key, &login.credential, &login.how);
    }
    show(context, &key, &source, &answer, method == Method::Head)
}

/// Whether a request that changes something was sent, and its result is unknown.
const fn may_be_done(method: Method, error: &Error) -> bool {
    let is_unknown = matches!(
        error,
        Error::Transport { endpoint: Endpoint::Api, error: TransportError::Unknown(_) }
    );
    is_unknown && !matches!(method, Method::Get | Method::Head)
}

fn not_to_be_repeated(mut failure: Failure, error: &Error) -> Failure {
    failure.cause = Cause::MaybeDone(Box::new(error.clone()));
    failure.hint = Some("Check whether it was carried out before you send it again.".into());
    failure.keeping(
        "The request was sent, and may have been carried out. The connection is unchanged.",
    )
}

/// The request that the command line describes.
async fn request(
    context: &mut Context,
    key: &ConnectionKey,
    profile: &ProviderProfile,
    source: &Source,
    arguments: &Api,
) -> Result<(ApiRequest, Method), Failure> {
    let method = method(arguments)?;
    let fields = fields(arguments)?;
    let mut path = arguments.path.clone();
    let has_body = matches!(method, Method::Post | Method::Put | Method::Patch);
    let mut body = None;
    if let Some(file) = &arguments.input {
        body = Some(input(file)?);
    } else if !fields.is_empty() && has_body {
        let members: Map<_, _> = fields.into_iter().map(|(k, v)| (k, Value::String(v))).collect();
        body = Some(Secret::new(Value::Object(members).to_string()));
    } else if !fields.is_empty() {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        path = format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' });
    }
    let product = match arguments.product {
        Some(ApiProduct::Jira) => Product::Jira,
        Some(ApiProduct::Confluence) => Product::Confluence,
        None => Product::of_path(&path),
    };
    let examples = |failure: Failure| failure.or_hint("Run `twg api --help` to see examples.");
    let (url, audience) = match source {
        Source::Given(given) if given.is_api_token() => {
            let site = source::named_site(context, profile, arguments.site.as_deref())?;
            let address = given.api_address(context, profile, &site, (product, &path)).await;
            address.map_err(examples)?
        }
        Source::Given(_) | Source::Stored => {
            let site = if needs_site(&path) {
                Some(site(context, key, profile, source, arguments.site.as_deref()).await?)
            } else {
                None
            };
            let cloud_id = site.as_ref().map(|site| site.id.as_str());
            let url = api_url(profile, product, cloud_id, &path)
                .map_err(|error| examples(Failure::usage(error.to_string())))?;
            (url, TokenAudience::new(profile, None))
        }
    };
    Ok((ApiRequest::new(audience, method, url, body), method))
}

/// As in `gh api`: `POST` with fields or a body, else `GET`.
fn method(arguments: &Api) -> Result<Method, Failure> {
    let name = match &arguments.method {
        Some(name) => name.to_ascii_uppercase(),
        None if arguments.fields.is_empty() && arguments.input.is_none() => "GET".to_owned(),
        None => "POST".to_owned(),
    };
    let all = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Head];
    let known = all.into_iter().find(|method| method.as_str() == name);
    known.ok_or_else(|| {
        Failure::usage(format!("'{}' is not an HTTP method", printable(&name)))
            .or_hint("Use one of GET, POST, PUT, PATCH, DELETE and HEAD, then the path.")
    })
}

fn fields(arguments: &Api) -> Result<Vec<(String, String)>, Failure> {
    let field = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Failure::usage(format!("'{}' is not KEY=VALUE", displayable(text)))),
    };
    arguments.fields.iter().map(field).collect()
}

/// The body from a file, or from standard input.
fn input(file: &std::path::Path) -> Result<Secret, Failure> {
    let read = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map(Secret::new).map_err(|error| {
        let shown = twg_core::text::inert(&file.display().to_string());
        Failure::usage(format!("Cannot read the body from {shown}: {error}"))
    })
}

/// The site of the request: the named one, else the default one, else the only one.
async fn site(
    context: &mut Context,
    key: &ConnectionKey,
    profile: &ProviderProfile,
    source: &Source,
    named: Option<&str>,
) -> Result<Site, Failure> {
    if profile.sites.is_none() {
        return Err(Failure::usage(format!("{} has no sites", profile.display_name))
            .or_hint("Use a full URL: `twg api --provider NAME https://...`."));
    }
    let chosen = source::chosen_site(context).filter(|_| named.is_none());
    let named = named.or(chosen.as_deref());
    let stored = match source {
        Source::Given(_) => None,
        Source::Stored => context.credential(key)?,
    };
    let known = stored.as_ref().map(|record| record.sites.as_slice()).unwrap_or_default();
    let default = stored.as_ref().and_then(|record| record.default_site.as_deref());
    if let Some(site) = choose(known, default, named) {
        return Ok(site.clone());
    }
    // The stored list may be old.
    let now = match source {
        Source::Given(given) => sites::of_given(context, given).await?,
        Source::Stored => sites::ask(context, key).await?.0,
    };
    if let Some(site) = choose(&now, default, named) {
        return Ok(site.clone());
    }
    match named {
        Some(name) => sites::find(&now, name).cloned().map_err(|mut failure| {
            // The user did not type it.
            if chosen.is_some() {
                let by = if environment::text(SITE).is_some() { SITE } else { "the .twg file" };
                failure.message = format!("{} (named by {by})", failure.message);
            }
            failure
        }),
        None if now.is_empty() => sites::find(&now, "").cloned(),
        None => {
            let list: Vec<_> = sites::distinct(&now).iter().map(|site| site.url.as_str()).collect();
            Err(Failure::usage("This connection has several sites, and none is chosen")
                .or_hint(format!("Run `twg sites use SITE`, or add --site: {}.", list.join(", "))))
        }
    }
}

fn choose<'a>(sites: &'a [Site], default: Option<&str>, named: Option<&str>) -> Option<&'a Site> {
    match (named, default) {
        (Some(name), _) => sites::find(sites, name).ok(),
        (None, Some(id)) => sites.iter().find(|site| site.id == id),
        (None, None) => match sites::distinct(sites).as_slice() {
            [only] => Some(only),
            _ => None,
        },
    }
}

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u32,
    ok: bool,
    status: u16,
    /// Without its query.
    url: &'a str,
    body: Body<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    /// As the server wrote it, because a parser may round its numbers.
    Json(&'a RawValue),
    Text(String),
}

fn show(
    context: &mut Context,
    key: &ConnectionKey,
    source: &Source,
    answer: &ApiAnswer,
    only_headers: bool,
) -> Result<ExitCode, Failure> {
    let status = answer.response.status;
    let failure = failure(key, source, answer);
    if context.json {
        let body = &answer.response.body;
        print_json(&Document {
            schema_version: 1,
            ok: failure.is_none(),
            status,
            url: answer.url.without_query(),
            body: match serde_json::from_slice(body) {
                Ok(json) => Body::Json(json),
                Err(_) => Body::Text(String::from_utf8_lossy(body).into()),
            },
            error: failure.as_ref().map(|failure| context.failure_to_json(failure)),
        });
        let exit = failure.map(|failure| ExitCode::from(failure.exit() as u8));
        return Ok(exit.unwrap_or(ExitCode::SUCCESS));
    }
    let mut printed = Vec::new();
    if only_headers {
        printed.extend(format!("HTTP {status}\n").bytes());
        for (name, value) in &answer.response.headers {
            printed.extend(twg_core::text::inert(&format!("{name}: {value}")).bytes());
            printed.push(b'\n');
        }
    } else {
        printed.extend(&answer.response.body);
        if std::io::stdout().is_terminal() && !printed.is_empty() && !printed.ends_with(b"\n") {
            printed.push(b'\n');
        }
    }
    if print_data(&printed).is_err() {
        return Err(Failure::internal("Cannot write to standard output"));
    }
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// What the status means. `None` for a success.
fn failure(key: &ConnectionKey, source: &Source, answer: &ApiAnswer) -> Option<Failure> {
    let status = answer.response.status;
    let host = answer.url.host();
    let told = |what: &str| format!("{host} responded with HTTP {status}{what}");
    let login = login_command(key);
    Some(match status {
        200..=299 => return None,
        300..=399 => Failure::new(
            Cause::Api(ApiTrouble::Redirected),
            told(", a redirect; twg follows those of GET and HEAD only"),
        ),
        401 => {
            let lacking = |what| Failure::new(Cause::Api(ApiTrouble::NotPermitted), told(what));
            match source {
                Source::Given(_) => lacking(": the token lacks a scope for this"),
                Source::Stored => lacking(": the connection lacks a scope for this").or_hint(
                    format!("Run `{login} --force --scopes ...` with the scope that this needs."),
                ),
            }
        }
        403 => Failure::new(
            Cause::Api(ApiTrouble::NotPermitted),
            told(": this account or connection is not permitted to do this"),
        )
        .or_hint("`twg auth status` shows the scopes and sites of the connection."),
        404 => Failure::new(Cause::Api(ApiTrouble::NotFound), told("")),
        429 | 500.. => Failure::new(Cause::Api(ApiTrouble::Unavailable), told(""))
            .or_hint("Try the same command again later."),
        _ => Failure::new(Cause::Api(ApiTrouble::Other), told("")),
    })
}
