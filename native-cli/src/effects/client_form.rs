//! Asks for the client ID where there is no terminal: with a form in the browser, served by this
//! machine.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::{Method, StatusCode};
use twg_core::flow::UserAgentError;
use twg_core::secret::Secret;
use twg_core::time::UnixTime;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::local_server::{LocalRequest, LocalServer, Page, Reply};
use crate::system::entropy;

const FORM: &str = include_str!("pages/client_form.html");
const SAVED: &str = include_str!("pages/client_saved.html");

/// Whether a client secret is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretField {
    /// The provider gives one to every app.
    Required,
    /// Some apps have one.
    Optional,
    /// The provider has no secrets.
    None,
}

/// The content of the form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientForm<'a> {
    /// The provider's name, for people.
    pub(crate) provider: &'a str,
    /// Where apps are registered. It is a link only if it is `https`.
    pub(crate) console_url: &'a str,
    /// The redirect URI to register there.
    pub(crate) redirect_uri: &'a str,
    /// Whether to ask for a secret.
    pub(crate) secret: SecretField,
}

/// Shows the form until it is filled in. `open` gets its URL, which contains a random token and
/// works only once.
///
/// # Errors
/// [`UserAgentError::TimedOut`], or [`UserAgentError::Unavailable`] if nothing can be
/// shown.
pub(crate) async fn collect(
    form: ClientForm<'_>,
    deadline: UnixTime,
    open: impl AsyncFnOnce(&str),
) -> Result<(String, Option<Secret>), UserAgentError> {
    let mut server = LocalServer::bind(None)?;
    let token = entropy::fresh()
        .map_err(|e| UserAgentError::Unavailable(format!("no random numbers available: {e}")))?;
    let path = Secret::new(format!("/{}", URL_SAFE_NO_PAD.encode(token)));
    let url = format!("{}{}", server.origin(), path.expose());
    let pages = Pages::new(&form);
    let serving = server.serve(deadline, move |request| pages.reply(request, &path, form.secret));
    // The browser is opened while the form is served, because some launchers return only after the
    // page has loaded.
    let (result, ()) = tokio::join!(serving, open(&url));
    result
}

struct Pages {
    form: Page,
    again: Page,
    saved: Page,
}

impl Pages {
    fn new(form: &ClientForm<'_>) -> Self {
        let notice = "<p class=\"bad\" role=\"alert\">One of these values is not valid. Copy each as the \
                      provider shows it, without spaces or line breaks.</p>";
        Self {
            form: Page::html(render(form, "")).with_form(),
            again: Page::html(render(form, notice)).with_form(),
            saved: Page::html(SAVED),
        }
    }

    fn reply(
        &self,
        request: &LocalRequest<'_>,
        path: &Secret,
        secret: SecretField,
    ) -> Reply<(String, Option<Secret>)> {
        let show = |page: Page| Reply { page, outcome: None };
        if !path.matches(request.path) || request.has_query {
            return show(Page::status(StatusCode::NOT_FOUND));
        }
        match *request.method {
            Method::GET => show(self.form.clone()),
            // `refusal` checked that an origin, if there is one, is this server.
            Method::POST if !request.has_origin => show(Page::status(StatusCode::FORBIDDEN)),
            Method::POST => match filled_in(request.body, secret) {
                Some(client) => Reply { page: self.saved.clone(), outcome: Some(client) },
                None => show(self.again.clone()),
            },
            _ => show(Page::status(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }
}

/// What was typed, if it can be a client ID and a secret. RFC 6749 appendix A: both are `*VSCHAR`,
/// printable ASCII. A space is refused as a copying mistake.
fn filled_in(body: &[u8], field: SecretField) -> Option<(String, Option<Secret>)> {
    let (mut id, mut secret) = (None, None);
    for (name, value) in form_urlencoded::parse(body) {
        let value = Zeroizing::new(value.into_owned());
        let text = value.trim();
        if !text.bytes().all(|b| matches!(b, 0x21..=0x7e)) || text.len() > 4096 {
            return None;
        }
        let place = match &*name {
            "client_id" => &mut id,
            "client_secret" => &mut secret,
            _ => continue,
        };
        if place.replace(Secret::new(text)).is_some() {
            return None;
        }
    }
    let id = id.filter(|id| !id.is_empty())?;
    let secret = secret.filter(|secret| !secret.is_empty());
    let secret = match field {
        SecretField::Required => Some(secret?),
        SecretField::Optional => secret,
        SecretField::None => None,
    };
    Some((id.expose().to_owned(), secret))
}

fn render(form: &ClientForm<'_>, notice: &str) -> String {
    let console = html(form.console_url);
    let console = if form.console_url.starts_with("https://") {
        format!(
            "Open <a href=\"{console}\" target=\"_blank\" rel=\"noopener noreferrer\">{console}</a> \
             and create an app, or choose the one you have."
        )
    } else {
        "Create an app at the provider, or choose the one you have.".to_owned()
    };
    let secret = match form.secret {
        SecretField::Required => secret_field("", " required"),
        SecretField::Optional => secret_field(" <span>(if the app has one)</span>", ""),
        SecretField::None => String::new(),
    };
    let credentials = match form.secret {
        SecretField::Required | SecretField::Optional => "client ID and secret",
        SecretField::None => "client ID",
    };
    // One pass, so that no value is taken for a placeholder.
    let mut page = String::with_capacity(FORM.len() + 1024);
    let mut rest = FORM;
    while let Some((before, after)) = rest.split_once('{') {
        page.push_str(before);
        let filled = [
            ("provider}", html(form.provider)),
            ("console}", console.clone()),
            ("redirect_uri}", html(form.redirect_uri)),
            ("credentials}", credentials.to_owned()),
            ("notice}", notice.to_owned()),
            ("secret}", secret.clone()),
        ];
        match filled.iter().find_map(|(name, value)| Some((value, after.strip_prefix(name)?))) {
            Some((value, after)) => {
                page.push_str(value);
                rest = after;
            }
            None => {
                page.push('{');
                rest = after;
            }
        }
    }
    page.push_str(rest);
    page
}

fn secret_field(hint: &str, attributes: &str) -> String {
    format!(
        "<label for=\"secret\">Client secret{hint}</label>\n\
         <input id=\"secret\" name=\"client_secret\" type=\"password\"{attributes} maxlength=\"4096\" \
         autocomplete=\"new-password\">"
    )
}

/// Text as HTML, in an element or in a quoted attribute.
fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
#[cfg(unix)]
#[path = "client_form/tests.rs"]
mod tests;
