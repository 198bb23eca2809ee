//! A user's browser: keeps cookies, follows redirects, fills in forms and presses buttons. Plain
//! HTTP only, no scripts.

use std::collections::BTreeMap;
use std::fmt;

use scraper::{ElementRef, Html, Selector};
use ureq::http;
use url::Url;
use url::form_urlencoded;

use crate::PATIENCE;

/// The user agent. Clones share their cookies.
#[derive(Clone, Debug)]
pub struct Browser {
    agent: ureq::Agent,
    stop_before: Option<String>,
}

/// The result of a request. Forms of an HTML page can be filled in.
#[derive(Clone)]
pub struct Page {
    browser: Browser,
    /// The URL after all redirects.
    pub url: Url,
    /// The URLs that redirected here, first to last.
    pub redirects: Vec<Url>,
    /// The response's status.
    pub status: u16,
    /// The response's header fields.
    pub headers: http::HeaderMap,
    /// The response's body.
    pub body: String,
    filled: BTreeMap<String, String>,
}

const MAX_REDIRECTS: usize = 20;

impl Browser {
    /// A browser without cookies.
    #[must_use]
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .build();
        Self { agent: config.new_agent(), stop_before: None }
    }

    /// The same browser, but it does not go to URLs that start with `prefix`: a redirect to one
    /// ends in a [`Page`] with that URL and status 0, so that a test can play the client or change
    /// what the client gets.
    #[must_use]
    pub fn stop_before(&self, prefix: &str) -> Self {
        Self { stop_before: Some(prefix.to_owned()), ..self.clone() }
    }

    /// Goes to a URL and follows its redirects.
    #[must_use]
    pub fn open(&self, url: &str) -> Page {
        let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        self.follow("GET", url, String::new())
    }

    /// Sends one request without following a redirect, for URLs that are not meant for browsers.
    #[must_use]
    pub fn request(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Page {
        let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let mut request = http::Request::builder().method(method).uri(url.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body: Vec<u8> = body.into();
        let response = if body.is_empty() {
            self.agent.run(request.body(()).expect("a request"))
        } else {
            self.agent.run(request.body(body).expect("a request"))
        };
        let mut response = response.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
        Page {
            browser: self.clone(),
            redirects: Vec::new(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.body_mut().read_to_string().unwrap_or_else(|e| panic!("{url}: {e}")),
            url,
            filled: BTreeMap::new(),
        }
    }

    /// Posts a form as a client does, with HTTP Basic authentication if `basic` is given.
    #[must_use]
    pub fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Page {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut headers = vec![("content-type", FORM)];
        let authorization = basic.map(|(id, secret)| basic_authorization(id, secret));
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        self.request("POST", url, &headers, body)
    }

    fn follow(&self, method: &str, url: Url, body: String) -> Page {
        // A browser posts to a page's own origin; servers may require the header.
        let origin = url.origin().ascii_serialization();
        let posted = [("content-type", FORM), ("origin", origin.as_str())];
        let headers: &[_] = if method == "POST" { &posted } else { &[] };
        let mut page = self.request(method, url.as_str(), headers, body);
        let mut redirects = Vec::new();
        while let Some(target) = page.redirect_target() {
            redirects.push(page.url.clone());
            assert!(redirects.len() <= MAX_REDIRECTS, "redirected in circles: {redirects:?}");
            if self.stop_before.as_ref().is_some_and(|stop| target.as_str().starts_with(stop)) {
                page.url = target;
                page.status = 0;
                page.headers.clear();
                page.body.clear();
                break;
            }
            page = self.request("GET", target.as_str(), &[], "");
        }
        page.redirects = redirects;
        page
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

/// The redirect for an authorization request: its redirect URI with its `state`, if the request has
/// one, and these parameters.
#[must_use]
pub fn answer_to(authorization_url: &str, parameters: &[(&str, &str)]) -> String {
    let url = Url::parse(authorization_url).unwrap_or_else(|e| panic!("{authorization_url}: {e}"));
    let asked = |name| url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value);
    let mut answer = Url::parse(&asked("redirect_uri").expect("a redirect URI")).expect("a URL");
    answer.query_pairs_mut().extend_pairs(asked("state").map(|state| ("state", state)));
    answer.query_pairs_mut().extend_pairs(parameters);
    answer.into()
}

const FORM: &str = "application/x-www-form-urlencoded";

/// RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
fn basic_authorization(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(id), encode(secret));
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

impl Page {
    /// Writes into the field of this name.
    #[track_caller]
    #[must_use]
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        let document = self.document();
        let known = elements(&document, FIELDS).any(|field| field.attr("name") == Some(name));
        assert!(known, "there is no field {name:?} on {self:?}");
        self.filled.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Whether there is a button with this label, name or value.
    #[must_use]
    pub fn has_button(&self, label: &str) -> bool {
        elements(&self.document(), BUTTONS).any(|button| is_called(button, label))
    }

    /// Whether there is a field of this name.
    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        elements(&self.document(), FIELDS).any(|field| field.attr("name") == Some(name))
    }

    /// Presses the button with this label, name or value, which submits its form.
    #[track_caller]
    #[must_use]
    pub fn press(&self, label: &str) -> Self {
        let document = self.document();
        let Some(button) = elements(&document, BUTTONS).find(|button| is_called(*button, label))
        else {
            panic!("there is no button {label:?} on {self:?}");
        };
        let Some(form) = form_of(&document, button) else {
            panic!("the button {label:?} belongs to no form: {self:?}");
        };
        let own = button.attr("name").map(|name| (name, button.attr("value").unwrap_or("")));
        self.send(&document, form, own)
    }

    /// Submits the only form of the page, as a script of that page would.
    #[track_caller]
    #[must_use]
    pub fn submit(&self) -> Self {
        let document = self.document();
        let forms: Vec<_> = elements(&document, "form").collect();
        let [form] = forms[..] else { panic!("{} forms on {self:?}", forms.len()) };
        self.send(&document, form, None)
    }

    /// Follows the link with this text.
    #[track_caller]
    #[must_use]
    pub fn click(&self, text: &str) -> Self {
        let document = self.document();
        let link = elements(&document, "a[href]").find(|link| is_called(*link, text));
        let Some(target) = link.and_then(|link| link.attr("href")) else {
            panic!("there is no link {text:?} on {self:?}");
        };
        self.browser.open(self.resolve(target).as_str())
    }

    /// The text that a user sees.
    #[must_use]
    pub fn text(&self) -> String {
        elements(&self.document(), "body").map(text_of).collect()
    }

    /// The body as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header field, if it exists and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the URL's query.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let found = self.url.query_pairs().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned())
    }

    fn send(&self, document: &Html, form: ElementRef<'_>, button: Option<(&str, &str)>) -> Self {
        let fields = elements(document, FIELDS)
            .filter(|field| form_of(document, *field) == Some(form))
            .filter_map(|field| self.value_of(field));
        let own = button.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fields = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields.chain(own))
            .finish();
        let mut target = self.resolve(form.attr("action").unwrap_or(""));
        if form.attr("method").is_some_and(|method| method.eq_ignore_ascii_case("post")) {
            return self.browser.follow("POST", target, fields);
        }
        target.set_query(Some(&fields));
        self.browser.follow("GET", target, String::new())
    }

    /// The name and value that a field adds to its form, if any.
    fn value_of(&self, field: ElementRef<'_>) -> Option<(String, String)> {
        let name = field.attr("name").filter(|name| !name.is_empty())?;
        let kind = field.attr("type").unwrap_or("text");
        let given = self.filled.get(name);
        let value = match (field.value().name(), kind) {
            ("input", "submit" | "button" | "image" | "reset" | "file") => return None,
            ("input", "checkbox" | "radio") => {
                let value = field.attr("value").unwrap_or("on");
                let chosen = given.map_or(field.attr("checked").is_some(), |given| given == value);
                chosen.then_some(value)?.to_owned()
            }
            ("select", _) if given.is_none() => {
                let options = || elements_of(field, "option");
                let chosen = options().find(|option| option.attr("selected").is_some());
                let chosen = chosen.or_else(|| options().next())?;
                chosen.attr("value").map_or_else(|| text_of(chosen), ToOwned::to_owned)
            }
            ("textarea", _) if given.is_none() => field.text().collect(),
            _ => given.map_or_else(|| field.attr("value").unwrap_or("").to_owned(), Clone::clone),
        };
        Some((name.to_owned(), value))
    }

    fn redirect_target(&self) -> Option<Url> {
        let redirects = matches!(self.status, 301..=303);
        // 307 and 308 would repeat a POST; no server in the tests sends them.
        assert!(!matches!(self.status, 307 | 308), "not supported by this browser: {self:?}");
        redirects.then(|| self.resolve(self.header("location").expect("a redirect has a target")))
    }

    #[track_caller]
    fn resolve(&self, target: &str) -> Url {
        self.url.join(target).unwrap_or_else(|error| panic!("{target}: {error} on {self:?}"))
    }

    fn document(&self) -> Html {
        Html::parse_document(&self.body)
    }
}

const FIELDS: &str = "input, select, textarea";
const BUTTONS: &str = "button, input[type=submit]";

fn elements<'a>(document: &'a Html, selector: &str) -> impl Iterator<Item = ElementRef<'a>> {
    elements_of(document.root_element(), selector)
}

fn elements_of<'a>(
    element: ElementRef<'a>,
    selector: &str,
) -> impl Iterator<Item = ElementRef<'a>> + use<'a> {
    let selector = Selector::parse(selector).expect("our selectors are valid");
    // An iterator that owns the selector as well cannot be written, so the elements are collected.
    element.select(&selector).collect::<Vec<_>>().into_iter()
}

/// The form of a field or button: the one around it, or the one that it names.
fn form_of<'a>(document: &'a Html, element: ElementRef<'a>) -> Option<ElementRef<'a>> {
    if let Some(id) = element.attr("form") {
        return elements(document, "form").find(|form| form.attr("id") == Some(id));
    }
    element.ancestors().filter_map(ElementRef::wrap).find(|form| form.value().name() == "form")
}

fn is_called(element: ElementRef<'_>, label: &str) -> bool {
    let text = text_of(element);
    let attributes = [element.attr("name"), element.attr("value"), element.attr("id")];
    // "[ Abort ]" has the label "Abort".
    text == label
        || text.trim_matches(['[', ']', ' ']) == label
        || attributes.contains(&Some(label))
}

/// An element's text with folded white space, as a browser shows it.
fn text_of(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, status, redirects, body, .. } = self;
        let via = redirects.iter().map(Url::as_str).collect::<Vec<_>>();
        write!(f, "{url} (status {status}, redirected by {via:?}):\n{body}")
    }
}
