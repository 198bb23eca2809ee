//! What git asks a credential helper, and what it gets: git-credential(1), gitcredentials(7).
//!
//! The protocol has no quoting, and attackers have tricked helpers into giving a token to another host: by a line break
//! in a value (git CVE-2020-5260, Git Credential Manager CVE-2024-50338), or by a host that looks like another. So an
//! unusual question gets no credential, and a host must equal the expected one.

use alloc::format;
use alloc::string::String;

use crate::client::user_and_password;
use crate::endpoint_url::EndpointUrl;
use crate::secret::Secret;
use crate::time::UnixTime;

/// A question for a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    protocol: String,
    host: String,
    username: Option<String>,
    /// Whether git accepts the header field as a whole (2.46 and later).
    knows_authtype: bool,
}

impl Question {
    /// Reads what git wrote to the helper's standard input, up to the blank line or the end. `None` if that is
    /// not what git writes.
    #[must_use]
    pub fn parse(input: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(input).ok()?;
        if text.contains(['\r', '\0']) {
            return None;
        }
        let (mut protocol, mut host, mut username) = (None, None, None);
        let mut knows_authtype = false;
        for line in text.lines().take_while(|line| !line.is_empty()) {
            let (key, value) = line.split_once('=')?;
            let place = match key {
                "protocol" => &mut protocol,
                "host" => &mut host,
                "username" => &mut username,
                "capability[]" => {
                    knows_authtype |= value == "authtype";
                    continue;
                }
                // git splits URLs before it asks a helper.
                "" | "url" => return None,
                // "Unrecognised attributes are silently discarded."
                _ => continue,
            };
            // A field that occurs twice is a trick.
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(Self {
            protocol: protocol?.into(),
            host: host?.into(),
            username: username.filter(|name| !name.is_empty()).map(Into::into),
            knows_authtype,
        })
    }

    /// Whether the credential is wanted for this server, and no other: its scheme, its host in upper or lower case, and
    /// its port, which may also be given if it is the scheme's own.
    #[must_use]
    pub fn is_for(&self, server: &EndpointUrl) -> bool {
        let Some(scheme) = server.as_str().split(':').next() else { return false };
        let usual_port = if scheme == "https" { ":443" } else { ":80" };
        let wanted = server.host();
        // The usual port is removed only once: a host with a second port is not equal.
        let host = match self.host.strip_suffix(usual_port) {
            Some(host) if !wanted.contains(':') => host,
            _ => &self.host,
        };
        self.protocol == scheme && !wanted.is_empty() && host.eq_ignore_ascii_case(&wanted)
    }

    /// The user name in the URL of the repository, if there is one.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The answer, line by line. `None` if the protocol cannot carry it.
    ///
    /// A git that knows `authtype` gets the header field as a whole, marked as ephemeral. Then other helpers, to which
    /// git offers every credential that worked, do not write the token into files of their own.
    #[must_use]
    pub fn answer(
        &self,
        user: &str,
        token: &Secret,
        expires_at: Option<UnixTime>,
    ) -> Option<Secret> {
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !is_word(user) || user.contains(':') || !is_word(token.expose()) {
            return None;
        }
        let expiry = expires_at
            .map(|end| format!("password_expiry_utc={}\n", end.as_secs()))
            .unwrap_or_default();
        Some(Secret::new(if self.knows_authtype {
            let credential = user_and_password(user, token);
            format!(
                "capability[]=authtype\nauthtype=Basic\ncredential={}\nephemeral=1\n{expiry}",
                credential.expose()
            )
        } else {
            format!("username={user}\npassword={}\n{expiry}", token.expose())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bitbucket() -> EndpointUrl {
        EndpointUrl::parse("https://bitbucket.org/site/oauth2/authorize").unwrap()
    }

    fn asks_for(protocol: &str, host: &str) -> bool {
        Question::parse(format!("protocol={protocol}\nhost={host}\n").as_bytes())
            .is_some_and(|question| question.is_for(&bitbucket()))
    }

    #[test]
    fn bitbucket_itself_is_answered() {
        for host in ["bitbucket.org", "bitbucket.org:443", "BitBucket.ORG", "BITBUCKET.ORG:443"] {
            assert!(asks_for("https", host), "{host}");
        }
        let more = b"capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=bitbucket.org\n\
            path=acme/x.git\nusername=mia\nwwwauth[]=Basic realm=\"Bitbucket\"\nstate[]=x\n\nhost=evil\n";
        let question = Question::parse(more).unwrap();
        assert!(question.is_for(&bitbucket()) && question.knows_authtype);
        assert_eq!(question.username(), Some("mia"));
    }

    /// Incidents gh CVE-2024-53858, RUSTSEC-2024-0421 and the `includes` of others: a host that only looks like
    /// it gets nothing.
    #[test]
    fn hosts_that_look_like_it_are_not_answered() {
        for host in [
            "bitbucket.org.evil.example",
            "evilbitbucket.org",
            "evil-bitbucket.org",
            "api.bitbucket.org",
            "bitbucket.org@evil.example",
            "evil.example@bitbucket.org",
            "user:password@bitbucket.org",
            "bitbucket.org.",
            "bitbucket.org..",
            ".bitbucket.org",
            "bitbucket.org:80",
            "bitbucket.org:8443",
            "bitbucket.org:443:443",
            "bitbucket.org:",
            "bitbucket.org/",
            "bitbucket.org/evil",
            "bitbucket.org#evil",
            "bitbucket.org?evil",
            "bitbucket.org\\evil",
            "bitbucket.org%00.evil",
            "bitbucket.org%0d%0ahost=evil",
            "bitbucket%2eorg",
            "xn--bitbuket-yrb.org",
            "xn--bitbucket-.org",
            "bitbuсket.org",
            "bitbucket。org",
            "bıtbucket.org",
            "BİTBUCKET.ORG",
            "bitbuc\u{212a}et.org",
            "bitbucket.org\u{200b}",
            " bitbucket.org",
            "bitbucket.org ",
            "bitbucket.org\t",
            "[bitbucket.org]",
            "",
        ] {
            assert!(!asks_for("https", host), "{host:?}");
        }
        for protocol in ["http", "HTTPS", "ssh", "git", "ftp", "https:", "smtp", ""] {
            assert!(!asks_for(protocol, "bitbucket.org"), "{protocol:?}");
        }
    }

    /// Incidents git CVE-2020-5260, Git Credential Manager CVE-2024-50338, gitoxide CVE-2026-82249: CR, LF and NUL
    /// in a field.
    #[test]
    fn what_is_not_a_question_of_git_is_none() {
        for text in [
            "",
            "\n",
            "protocol=https\n",
            "host=bitbucket.org\n",
            "protocol=https\n\nhost=bitbucket.org\n",
            "protocol=https\r\nhost=bitbucket.org\r\n",
            "protocol=https\nhost=bitbucket.org\r\n",
            "protocol=https\nhost=evil.example\rhost=bitbucket.org\n",
            "protocol=https\nhost=bitbucket.org\0.evil.example\n",
            "protocol=https\nhost=evil.example\nhost=bitbucket.org\n",
            "protocol=https\nhost=bitbucket.org\nhost=bitbucket.org\n",
            "protocol=http\nprotocol=https\nhost=bitbucket.org\n",
            "url=https://evil.example\nprotocol=https\nhost=bitbucket.org\n",
            "protocol=https\nhost=bitbucket.org\nnonsense\n",
            "protocol=https\nhost=bitbucket.org\n=\n",
            "protocol=https\nhost=bitbucket.org\nusername=a\nusername=b\n",
        ] {
            assert_eq!(Question::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Question::parse(b"protocol=https\nhost=bitbucket.org\nx=\xff\n"), None);
    }

    #[test]
    fn a_port_that_is_not_usual_is_part_of_the_host() {
        let local = EndpointUrl::parse("http://127.0.0.1:8080/x").unwrap();
        let asks = |text: &str| Question::parse(text.as_bytes()).unwrap().is_for(&local);
        assert!(asks("protocol=http\nhost=127.0.0.1:8080\n"));
        for text in [
            "protocol=http\nhost=127.0.0.1\n",
            "protocol=http\nhost=127.0.0.1:80\n",
            "protocol=http\nhost=127.0.0.1:8080:80\n",
            "protocol=http\nhost=localhost:8080\n",
            "protocol=https\nhost=127.0.0.1:8080\n",
        ] {
            assert!(!asks(text), "{text}");
        }
    }

    #[test]
    fn the_answer_is_of_the_git_that_asks() {
        let end = Some(UnixTime::from_millis(1_700_000_000_123));
        let token = Secret::new("t0ken");
        let ask = |text: &str| Question::parse(text.as_bytes()).unwrap();
        let old = ask("protocol=https\nhost=bitbucket.org\n").answer("x-user", &token, end);
        assert_eq!(
            old.unwrap().expose(),
            "username=x-user\npassword=t0ken\npassword_expiry_utc=1700000000\n"
        );
        let new = ask("capability[]=authtype\nprotocol=https\nhost=bitbucket.org\n");
        assert_eq!(
            new.answer("x-user", &token, None).unwrap().expose(),
            "capability[]=authtype\nauthtype=Basic\ncredential=eC11c2VyOnQwa2Vu\nephemeral=1\n"
        );
        for bad in ["", "a\nb", "a\rb", "a\0b", "a b", "a\u{85}b", "é"] {
            assert!(new.answer("x-user", &Secret::new(bad), None).is_none(), "{bad:?}");
            assert!(new.answer(bad, &token, None).is_none(), "{bad:?}");
        }
        assert!(new.answer("a:b", &token, None).is_none());
    }
}
