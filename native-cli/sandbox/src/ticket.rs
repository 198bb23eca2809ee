//! Open pages: what each page that waits for a click was shown for.
//!
//! Each page holds a ticket in a hidden field, which works once. Another web page cannot read it, so
//! it cannot send the form in the user's name (RFC 9700 section 4.7).

use url::Url;

use crate::clients::{Client, Realm};
use crate::families::Millis;
use crate::http::{Request, Response};
use crate::pages;
use crate::people::{self, Organization, Product, Site};
use crate::tokens;

/// How long a page waits for a click.
const PAGE_LIFETIME: Millis = 30 * 60 * 1000;

/// Open pages at most. Beyond that, the oldest one stops working.
const OPEN_PAGES: usize = 500;

/// What a page was shown for.
pub(crate) enum Ticket {
    /// The user enters a user code.
    Activation,
    /// The user agrees to something.
    Consent(Box<Consent>),
}

/// The pages that wait.
#[derive(Default)]
pub(crate) struct Tickets(Vec<(String, Millis, Ticket)>);

impl Tickets {
    /// A new page. Returns the value for the hidden field of its form.
    pub(crate) fn put(&mut self, ticket: Ticket, now: Millis) -> Result<String, Response> {
        if self.0.len() >= OPEN_PAGES {
            self.0.remove(0);
        }
        let name = tokens::name()?;
        self.0.push((name.clone(), now.saturating_add(PAGE_LIFETIME), ticket));
        Ok(name)
    }

    /// The page that a form came from. It works once.
    pub(crate) fn take(&mut self, request: &Request, now: Millis) -> Result<Ticket, Response> {
        let used_up = || {
            pages::message(
                400,
                "This page is no longer valid",
                "It was used before, or it is too old. Start again from your app or terminal.",
            )
            .outcome("stale_page")
        };
        let name = request.params.get("ticket").ok_or_else(used_up)?;
        let at = self.0.iter().position(|(one, _, _)| one == name).ok_or_else(used_up)?;
        let (_, expires, ticket) = self.0.remove(at);
        if now < expires { Ok(ticket) } else { Err(used_up()) }
    }
}

/// A question to the user on its way through the pages.
pub(crate) struct Consent {
    /// The client that asks.
    pub(crate) client: &'static Client,
    /// The scopes it asks for.
    pub(crate) scopes: Vec<String>,
    /// What happens with the user's decision.
    pub(crate) purpose: Purpose,
    /// The chosen organization.
    pub(crate) organization: Option<&'static Organization>,
    /// The chosen site.
    pub(crate) site: Option<&'static Site>,
}

/// What happens with the user's decision.
pub(crate) enum Purpose {
    /// The browser goes back to the client with a code.
    Code {
        /// Where to.
        redirect: Redirect,
        /// Whether the request named the redirect URI, so that the token request must too.
        named_redirect: bool,
        /// The PKCE challenge.
        challenge: Option<String>,
    },
    /// The device code with this hash is decided.
    Device(String),
}

/// The redirect URI of a request, and the state to send there.
pub(crate) struct Redirect {
    /// The redirect URI.
    pub(crate) uri: Url,
    /// The same as the client wrote it: the token request must repeat it exactly.
    pub(crate) written: String,
    /// The `state` parameter.
    pub(crate) state: Option<String>,
}

impl Consent {
    /// A question of which nothing is decided yet.
    pub(crate) const fn new(
        client: &'static Client,
        scopes: Vec<String>,
        purpose: Purpose,
    ) -> Self {
        Self { client, scopes, purpose, organization: None, site: None }
    }

    /// The organizations with a site that the scopes concern.
    pub(crate) fn organizations(&self) -> Vec<&'static Organization> {
        let concerned = |organization: &&Organization| {
            organization.sites.iter().any(|site| self.concerns(site))
        };
        people::ORGANIZATIONS.iter().filter(concerned).collect()
    }

    /// The sites of the chosen organization that the scopes concern.
    pub(crate) fn sites(&self) -> Vec<&'static Site> {
        let sites = self.organization.map(|organization| organization.sites).unwrap_or_default();
        sites.iter().filter(|site| self.concerns(site)).collect()
    }

    /// The origin that the browser goes to after the decision; `None` if it stays here.
    pub(crate) fn leads_to(&self) -> Option<String> {
        match &self.purpose {
            Purpose::Code { redirect, .. } => Some(redirect.origin()),
            Purpose::Device(_) => None,
        }
    }

    fn concerns(&self, site: &Site) -> bool {
        self.client.realm == Realm::Atlassian
            && self
                .scopes
                .iter()
                .filter_map(|scope| Product::of_scope(scope))
                .any(|product| product.is_on(site))
    }
}

impl Redirect {
    /// `None` if the redirect URI is not a URL.
    pub(crate) fn new(uri: &str, state: Option<&str>) -> Option<Self> {
        let written = uri.to_owned();
        Some(Self { uri: Url::parse(uri).ok()?, written, state: state.map(Into::into) })
    }

    /// Scheme, host and port, for the content security policy of the page before.
    fn origin(&self) -> String {
        match self.uri.host_str() {
            Some(_) => self.uri.origin().ascii_serialization(),
            None => format!("{}:", self.uri.scheme()),
        }
    }
}
