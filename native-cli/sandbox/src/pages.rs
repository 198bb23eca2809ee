//! The HTML pages. They have no script and no images, and load nothing. Every value is escaped.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::http::Response;
use crate::people::MIA;

/// The style of every page. The content security policy contains its hash.
const STYLE: &str = include_str!("pages.css");

/// A text in a page, escaped for elements and for quoted attributes.
pub(crate) struct Esc<'a>(pub(crate) &'a str);

impl fmt::Display for Esc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// One option of a page.
pub(crate) struct Choice<'a> {
    /// What the form sends.
    pub(crate) value: &'a str,
    /// The first line.
    pub(crate) name: &'a str,
    /// The second line.
    pub(crate) detail: &'a str,
}

/// The form of a page that waits for a click.
pub(crate) struct Form {
    /// The hidden value that another web page cannot know.
    pub(crate) ticket: String,
    /// The origin that the browser goes to after the last page; `None` if it stays here.
    pub(crate) leads_to: Option<String>,
}

/// The start of a form, with its ticket.
fn form_start(action: &str, form: &Form) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\">\n<input type=\"hidden\" name=\"ticket\" \
         value=\"{}\">\n",
        Esc(&form.ticket)
    )
}

/// The user that is signed in.
fn signed_in() -> String {
    let initials: String = MIA.name.split(' ').filter_map(|word| word.chars().next()).collect();
    format!(
        "<p class=\"who\"><span class=\"face\" aria-hidden=\"true\">{}</span><span>Signed in as \
         <strong>{}</strong><br><small>{}</small></span></p>\n",
        Esc(&initials),
        Esc(MIA.name),
        Esc(MIA.email)
    )
}

/// The page where the user selects an organization or a site.
pub(crate) fn choose(
    title: &str,
    client: &str,
    question: &str,
    hint: &str,
    options: &[Choice<'_>],
    form: &Form,
) -> Response {
    let mut body = signed_in();
    let _ = writeln!(
        body,
        "<h1>{}</h1>\n<p><strong>{}</strong> is requesting access to your Atlassian account.</p>",
        Esc(title),
        Esc(client)
    );
    body.push_str(&form_start("/consent", form));
    let _ = writeln!(body, "<fieldset>\n<legend>{}</legend>", Esc(question));
    for (at, option) in options.iter().enumerate() {
        let checked = if at == 0 { " checked" } else { "" };
        let _ = writeln!(
            body,
            "<label class=\"option\"><input type=\"radio\" name=\"choice\" value=\"{}\" \
             required{checked}><span><strong>{}</strong><br><small>{}</small></span></label>",
            Esc(option.value),
            Esc(option.name),
            Esc(option.detail)
        );
    }
    let _ = writeln!(body, "</fieldset>\n<p class=\"hint\">{}</p>", Esc(hint));
    body.push_str(
        "<p class=\"buttons\"><button name=\"action\" value=\"continue\" class=\"main\">Continue\
         </button><button name=\"action\" value=\"deny\" formnovalidate>Cancel</button></p>\n\
         </form>\n",
    );
    page(200, title, &body, form.leads_to.as_deref())
}

/// The page that lists the permissions.
pub(crate) fn permissions(
    client: &str,
    site: Option<&str>,
    scopes: &[(String, String)],
    leads_to_words: &str,
    form: &Form,
) -> Response {
    let title = "Review the permissions";
    let mut body = signed_in();
    let _ =
        writeln!(body, "<h1>{title}</h1>\n<p><strong>{}</strong> would like to:</p>", Esc(client));
    body.push_str("<ul class=\"scopes\">\n");
    for (scope, meaning) in scopes {
        let _ = writeln!(
            body,
            "<li>{}<br><small><code>{}</code></small></li>",
            Esc(meaning),
            Esc(scope)
        );
    }
    body.push_str("</ul>\n");
    if let Some(site) = site {
        let _ = writeln!(body, "<p>On the site <strong>{}</strong>.</p>", Esc(site));
    }
    let _ = writeln!(body, "<p class=\"hint\">{}</p>", Esc(leads_to_words));
    body.push_str(&form_start("/consent", form));
    body.push_str(
        "<p class=\"buttons\"><button name=\"action\" value=\"accept\" class=\"main\">Accept\
         </button><button name=\"action\" value=\"deny\">Deny</button></p>\n</form>\n",
    );
    page(200, title, &body, form.leads_to.as_deref())
}

/// The page where the user enters the user code or, when the URL contains it, compares it.
pub(crate) fn activate(user_code: &str, wrong: Option<&str>, form: &Form) -> Response {
    let title = "Connect a device";
    let mut body = signed_in();
    let _ = writeln!(body, "<h1>{title}</h1>");
    body.push_str(if user_code.is_empty() || wrong.is_some() {
        "<p>Enter the code that your device or terminal shows.</p>\n"
    } else {
        "<p>Is this the code that your device or terminal shows?</p>\n"
    });
    let wrong_id = match wrong {
        Some(wrong) => {
            let _ =
                writeln!(body, "<p class=\"wrong\" id=\"wrong\" role=\"alert\">{}</p>", Esc(wrong));
            " aria-describedby=\"wrong\" aria-invalid=\"true\""
        }
        None => "",
    };
    body.push_str(&form_start("/oauth/activate", form));
    let _ = writeln!(
        body,
        "<label class=\"field\" for=\"user_code\">Code</label>\n<input id=\"user_code\" \
         name=\"user_code\" type=\"text\" value=\"{}\" maxlength=\"16\" required autofocus \
         autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" \
         placeholder=\"XXXX-XXXX\"{wrong_id}>",
        Esc(user_code)
    );
    body.push_str(
        "<p class=\"hint\">Only continue if you started this sign-in yourself, just now. A code \
         from another person would give that person access to your account.</p>\n\
         <p class=\"buttons\"><button name=\"action\" value=\"continue\" class=\"main\">Continue\
         </button></p>\n</form>\n",
    );
    page(if wrong.is_some() { 400 } else { 200 }, title, &body, None)
}

/// A page with a message and without a form.
pub(crate) fn message(status: u16, title: &str, text: &str) -> Response {
    end(status, false, title, text)
}

/// The message for a form that belongs to a page of another step.
pub(crate) fn wrong_step() -> Response {
    message(400, "Wrong form", "This form belongs to another step.")
}

/// The last page of a sign-in that succeeded.
pub(crate) fn success(title: &str, text: &str) -> Response {
    end(200, true, title, text)
}

fn end(status: u16, success: bool, title: &str, text: &str) -> Response {
    let (mark, sign) = if success {
        ("<p class=\"mark\" aria-hidden=\"true\"></p>\n", "")
    } else if status < 400 {
        ("", "")
    } else {
        ("", " class=\"wrong\" role=\"alert\"")
    };
    let body = format!("{mark}<h1>{}</h1>\n<p{sign}>{}</p>\n", Esc(title), Esc(text));
    page(status, title, &body, None)
}

/// The front page: a list of names and values.
pub(crate) fn front(rows: &[(&str, String)]) -> Response {
    let title = "twg sandbox";
    let mut body = format!(
        "<h1>{title}</h1>\n<p>A local look-alike of Atlassian's authorization server and API, for \
         trying and testing clients.</p>\n<dl>\n"
    );
    for (name, value) in rows {
        let _ = writeln!(body, "<dt>{}</dt><dd><code>{}</code></dd>", Esc(name), Esc(value));
    }
    body.push_str("</dl>\n");
    page(200, title, &body, None)
}

fn page(status: u16, title: &str, body: &str, leads_to: Option<&str>) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta \
         name=\"color-scheme\" content=\"light dark\">\n<title>{} · twg sandbox</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header><strong>twg sandbox</strong> <span>a \
         local look-alike, not Atlassian</span></header>\n<main>\n{body}</main>\n<footer>No \
         data leaves this computer. Mia and her sites are fictional.</footer>\n</body>\n</html>\n",
        Esc(title)
    );
    // Chromium applies form-action to the redirect after a form too, so a page that leads to a client
    // names the client's origin.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self'{}{}; base-uri 'none'; \
         frame-ancestors 'none'",
        STANDARD.encode(Sha256::digest(STYLE.as_bytes())),
        if leads_to.is_some() { " " } else { "" },
        leads_to.unwrap_or_default(),
    );
    Response::html(status, &html)
        .header("Content-Security-Policy", &policy)
        .header("X-Content-Type-Options", "nosniff")
        .header("X-Frame-Options", "DENY")
        .header("Referrer-Policy", "no-referrer")
        .header("Cache-Control", "no-store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        let response = message(400, "<b>", "\"><script>alert('&')</script>");
        let html = String::from_utf8(response.body).unwrap();
        assert!(!html.contains("<script>") && !html.contains("<b>"));
        assert!(html.contains("&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"));
    }
}
