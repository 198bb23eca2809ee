//! Plays the user: fetches the real pages, fills in the real forms, follows the redirects.

use url::{Url, form_urlencoded};

use crate::error::SandboxError;
use crate::plain_http::{self, PlainResponse};

/// More steps than any sign-in has.
const STEPS: usize = 20;

/// The paths where a person can begin.
const ENTRANCES: &[&str] = &["/authorize", "/oauth/activate", "/bitbucket/site/oauth2/authorize"];

/// The pages that [`approve`] saw.
#[derive(Debug)]
pub struct Approval {
    /// The headings of the pages, in order.
    pub pages: Vec<String>,
    /// The status of the client's response at its redirect URI; `None` if there was no redirect, as
    /// with a device code.
    pub client_status: Option<u16>,
}

/// Accepts everything that the page at `url` asks, as a person would in a browser: the first
/// organization, the first site, all permissions. Follows the redirect to the client at the end.
/// Blocks. Connects only to the sandbox at `base_url` and to loopback redirect URIs.
///
/// # Errors
/// A sentence for people: the URL is not a sign-in page of this sandbox, or a page shows an error.
pub fn approve(url: &str, base_url: &str) -> Result<Approval, SandboxError> {
    let foreign =
        || SandboxError(format!("This URL is not a sign-in page of the sandbox at {base_url}."));
    let base = Url::parse(base_url).map_err(|_| foreign())?;
    let mut at = Url::parse(url).map_err(|_| foreign())?;
    if !same_origin(&at, &base) || !ENTRANCES.contains(&at.path()) {
        return Err(foreign());
    }
    let mut pages = Vec::new();
    let mut response = plain_http::send("GET", &at, &[], None)?;
    for _ in 0..STEPS {
        if (300..400).contains(&response.status) {
            let location = response.location.as_deref().unwrap_or_default();
            let target = at.join(location).map_err(|_| {
                SandboxError("The sandbox redirects to something that is not a URL.".into())
            })?;
            if !same_origin(&target, &base) {
                // The URL contains the code, so the message shows only its origin.
                if plain_http::loopback(&target).is_none() {
                    return Err(SandboxError(format!(
                        "The sandbox redirects to {}, which is not on this computer.",
                        target.origin().ascii_serialization()
                    )));
                }
                let client = plain_http::send("GET", &target, &[], None)?;
                return Ok(Approval { pages, client_status: Some(client.status) });
            }
            response = plain_http::send("GET", &target, &[], None)?;
            at = target;
            continue;
        }
        let page = Page::read(&response)?;
        pages.push(page.heading.clone());
        let Some(form) = page.form else {
            return Ok(Approval { pages, client_status: None });
        };
        let target = at.join(&form.action).map_err(|_| foreign())?;
        if !same_origin(&target, &base) {
            return Err(foreign());
        }
        response = plain_http::send("POST", &target, &[], Some(&form.filled))?;
        at = target;
    }
    Err(SandboxError("The sandbox shows more pages than a sign-in has.".into()))
}

fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin() && plain_http::loopback(one).is_some()
}

/// The parts of a page that a person needs.
struct Page {
    heading: String,
    form: Option<Filled>,
}

/// A form, filled in.
struct Filled {
    action: String,
    filled: String,
}

impl Page {
    fn read(response: &PlainResponse) -> Result<Self, SandboxError> {
        let html = response.body.as_str();
        let heading = element_text(html, "h1").unwrap_or_else(|| "(no heading)".into());
        if response.status != 200 {
            let detail = element_text(html, "p class=\"wrong\" role=\"alert\"");
            let detail = detail.map(|detail| format!(" {detail}")).unwrap_or_default();
            return Err(SandboxError(format!(
                "The sandbox shows an error ({}): {heading}.{detail}",
                response.status
            )));
        }
        Ok(Self { heading, form: fill(html)? })
    }
}

/// The text of the first element with this start tag.
fn element_text(html: &str, tag: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!("<{tag}>"))?;
    Some(unescape(rest.split('<').next()?))
}

/// Fills in the first form: hidden and text fields as they are, the radio buttons that are checked,
/// and the first button.
fn fill(html: &str) -> Result<Option<Filled>, SandboxError> {
    let mut tags = tags(html).skip_while(|tag| tag.name != "form");
    let Some(form) = tags.next() else { return Ok(None) };
    let mut filled = form_urlencoded::Serializer::new(String::new());
    let mut pressed = false;
    for tag in tags.take_while(|tag| tag.name != "/form") {
        let value = tag.get("value").unwrap_or_default();
        let Some(name) = tag.get("name") else { continue };
        let takes_part = match (tag.name.as_str(), tag.get("type").as_deref()) {
            ("input", Some("radio" | "checkbox")) => tag.get("checked").is_some(),
            ("input", _) => {
                if value.is_empty() && tag.get("required").is_some() {
                    return Err(SandboxError(format!(
                        "The page asks for {name}, which the URL does not contain."
                    )));
                }
                true
            }
            ("button", _) => !std::mem::replace(&mut pressed, true),
            _ => false,
        };
        if takes_part {
            filled.append_pair(&name, &value);
        }
    }
    let action = form.get("action").unwrap_or_default();
    Ok(Some(Filled { action, filled: filled.finish() }))
}

/// A start or end tag.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<String> {
        self.attributes.iter().find(|(one, _)| one == name).map(|(_, value)| value.clone())
    }
}

/// The tags of a page whose attribute values are all in double quotes.
fn tags(html: &str) -> impl Iterator<Item = Tag> + '_ {
    html.split('<').skip(1).filter_map(|rest| {
        // A `>` within an attribute value is escaped in our pages.
        let inside = rest.split_once('>')?.0;
        let (name, mut rest) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start();
            let end = rest.find(|letter: char| letter == '=' || letter.is_whitespace());
            let (key, after) = rest.split_at(end.unwrap_or(rest.len()));
            if key.is_empty() {
                break;
            }
            let (value, after) = match after.strip_prefix("=\"") {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => ("", after),
            };
            attributes.push((key.to_owned(), unescape(value)));
            rest = after;
        }
        Some(Tag { name: name.to_ascii_lowercase(), attributes })
    })
}

/// Undoes [`crate::pages::Esc`].
fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_filled_in() {
        let html = "<h1>T</h1><form method=\"post\" action=\"/a\"><input type=\"hidden\" \
                    name=\"t\" value=\"1&amp;2\"><input type=\"radio\" name=\"c\" value=\"x\" \
                    required checked><input type=\"radio\" name=\"c\" value=\"y\" required>\
                    <button name=\"b\" value=\"yes\">Y</button><button name=\"b\" value=\"no\">\
                    </button></form>";
        let form = fill(html).unwrap().unwrap();
        assert_eq!((form.action.as_str(), form.filled.as_str()), ("/a", "t=1%262&c=x&b=yes"));
        assert!(fill("<p>nothing</p>").unwrap().is_none());
        assert!(fill("<form><input name=\"code\" value=\"\" required></form>").is_err());
    }

    #[test]
    fn strangers_are_refused() {
        let base = "http://127.0.0.1:9";
        for url in [
            "https://auth.atlassian.com/authorize?x",
            "http://127.0.0.1:10/authorize",
            "http://127.0.0.1:9/_sandbox/reset",
            "http://user@127.0.0.1:9/authorize",
            "http://localhost:9/authorize",
            "file:///etc/passwd",
            "",
        ] {
            let error = approve(url, base).unwrap_err().to_string();
            assert!(error.contains("not a sign-in page"), "{url}: {error}");
        }
    }
}
