//! What somebody may answer, and what is taken where nothing is.

use std::fmt::Write as _;

bellwire_domain::words! {
    /// The form of the body.
    pub(crate) enum Body {
        /// Id, type and time around the data.
        Envelope = "envelope",
        /// The data alone, byte for byte.
        Data = "data",
        /// The data's own members beside id and type.
        Merged = "merged",
        /// A list with one envelope.
        List = "list",
        /// Form-encoded pairs.
        Form = "form",
    }
}

bellwire_domain::words! {
    /// How times are written.
    pub(crate) enum Time {
        /// RFC 3339 with milliseconds.
        Rfc3339 = "rfc3339",
        /// Seconds since 1970.
        Unix = "unix",
        /// Milliseconds since 1970.
        UnixMs = "unix-ms",
    }
}

bellwire_domain::words! {
    /// How receivers know that a request is genuine.
    pub(crate) enum Scheme {
        /// A time in one header, the HMAC over time and body in another, in hex.
        HmacHex = "hmac-sha256-hex",
        /// The same in base64.
        HmacBase64 = "hmac-sha256-base64",
        /// One header with `t=` and `v1=`.
        StripeLike = "stripe-like",
        /// The headers of the specification of that name.
        StandardWebhooks = "standard-webhooks",
        /// The secret itself, as a bearer token.
        Token = "token",
        /// Nothing.
        None = "none",
    }
}

bellwire_domain::words! {
    /// Who registers endpoints.
    pub(crate) enum Registers {
        /// Customers themselves.
        Consumer = "consumer",
        /// The operator alone.
        Operator = "operator",
    }
}

bellwire_domain::words! {
    /// Where secrets come from.
    pub(crate) enum SecretFrom {
        /// Bellwire draws one for each endpoint.
        Generated = "generated",
        /// The customer chooses one for each endpoint.
        Consumer = "consumer",
        /// Each account has one.
        Account = "account",
    }
}

/// All answers. What was not answered is what [`Answers::default`] says, or follows from the name.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    pub(super) name: String,
    pub(super) title: Option<String>,
    /// Empty: any event.
    pub(super) events: Vec<String>,
    pub(super) body: Body,
    pub(super) time: Time,
    pub(super) header_prefix: Option<String>,
    pub(super) signature: Scheme,
    pub(super) register: Registers,
    pub(super) secret: SecretFrom,
    pub(super) retry: String,
    pub(super) success: String,
    pub(super) timeout: String,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            name: "acme".to_owned(),
            title: None,
            events: vec!["order.created".to_owned()],
            body: Body::Envelope,
            time: Time::Rfc3339,
            header_prefix: None,
            signature: Scheme::HmacHex,
            register: Registers::Consumer,
            secret: SecretFrom::Generated,
            retry: "day".to_owned(),
            success: "2xx".to_owned(),
            timeout: "30s".to_owned(),
        }
    }
}

/// The answer that accepts every event.
pub(super) const ANY: &str = "any";

impl Answers {
    /// The platform's name for people; made from the short name unless given.
    pub(super) fn title(&self) -> String {
        self.title.clone().unwrap_or_else(|| {
            let words = self.name.split(['-', '_', '.']).filter(|word| !word.is_empty());
            words.map(capitalised).collect::<Vec<_>>().join(" ")
        })
    }

    /// What the names of headers start with; made from the short name unless given.
    pub(super) fn header_prefix(&self) -> String {
        self.header_prefix.clone().unwrap_or_else(|| format!("x-{}", self.name.replace(['.', '_'], "-")))
    }

    /// The events as they are answered.
    pub(super) fn events_text(&self) -> String {
        if self.events.is_empty() { ANY.to_owned() } else { self.events.join(",") }
    }

    pub(super) fn set_title(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("write the platform's name for people".to_owned());
        }
        self.title = Some(text.to_owned());
        Ok(())
    }

    /// Takes types with commas between them, or `any`.
    pub(super) fn set_events(&mut self, text: &str) -> Result<(), String> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(|name| name == ANY) {
            if names.len() > 1 {
                return Err("`any` stands for every event: write it alone".to_owned());
            }
            self.events.clear();
            return Ok(());
        }
        self.events = names;
        Ok(())
    }

    /// Takes the start of a header's name, in lower case as headers are named in expressions.
    pub(super) fn set_header_prefix(&mut self, text: &str) -> Result<(), String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let prefix = text.trim_end_matches('-').to_ascii_lowercase();
        if prefix.is_empty() || prefix.len() > 64 || !prefix.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err("write what headers start with, such as `x-acme`".to_owned());
        }
        if !prefix.bytes().all(allowed) {
            return Err(format!("`{text}` cannot start the name of a header; write letters, digits and `-`, as in `x-acme`"));
        }
        self.header_prefix = Some(prefix);
        Ok(())
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        let mut out = first.to_uppercase().to_string();
        let _ = write!(out, "{}", letters.as_str());
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_and_headers_follow_from_the_name() {
        for (name, title, prefix) in
            [("acme", "Acme", "x-acme"), ("acme-care.v2", "Acme Care V2", "x-acme-care-v2"), ("1_a", "1 A", "x-1-a")]
        {
            let answers = Answers { name: name.to_owned(), ..Answers::default() };
            assert_eq!((answers.title().as_str(), answers.header_prefix().as_str()), (title, prefix));
        }
    }

    #[test]
    fn events_are_a_list_or_any() {
        let events = |text: &str| {
            let mut answers = Answers::default();
            answers.set_events(text).map(|()| answers.events_text())
        };
        assert_eq!(events("a.b, c.d"), Ok("a.b,c.d".to_owned()));
        assert_eq!(events("any"), Ok("any".to_owned()));
        assert!(events("any,a.b").is_err());
    }

    #[test]
    fn a_prefix_can_start_the_name_of_a_header() {
        let prefix = |text: &str| {
            let mut answers = Answers::default();
            answers.set_header_prefix(text).map(|()| answers.header_prefix())
        };
        assert_eq!(prefix("X-Acme-"), Ok("x-acme".to_owned()));
        for text in ["", "-", "1-a", "x acme", "x:acme", "é", &"x".repeat(65)] {
            assert!(prefix(text).is_err(), "{text}");
        }
    }
}
