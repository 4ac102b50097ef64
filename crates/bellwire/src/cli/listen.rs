//! Flags of `listen`.

use std::str::FromStr;

use clap::Args;

use super::{KnownArguments, Target};

/// Where deliveries come from, what is done with them, and how they are shown.
#[derive(Args)]
#[command(
    after_help = "With --contract it receives on this machine; without, through a server, which is asked as by `events tail`."
)]
pub(crate) struct ListenArguments {
    /// Receive on this machine, under this contract; NAME@VERSION for another version than its default
    #[arg(long, value_name = "NAME")]
    pub(crate) contract: Option<String>,
    #[command(flatten)]
    pub(crate) known: KnownArguments,
    /// The port, on the loopback interface; 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = 9000)]
    pub(crate) port: u16,
    /// Forward every request to this http server, and return its answer. Without a path in the URL, the request's is kept; a query in the URL is added before the request's
    #[arg(long, value_name = "URL")]
    pub(crate) forward: Option<ForwardUrl>,
    /// The status to answer with; by default, one that the contract counts as success
    #[arg(long, value_name = "STATUS", conflicts_with = "forward", value_parser = clap::value_parser!(u16).range(200..=599))]
    pub(crate) status: Option<u16>,
    /// Print one line per request, without its body
    #[arg(long)]
    pub(crate) hide_body: bool,
    /// Print lines on a terminal too, in place of the screen with a list and keys
    #[arg(long)]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) through: ThroughArguments,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What is received through a server.
#[derive(Args)]
#[command(next_help_heading = "Through a server")]
pub(crate) struct ThroughArguments {
    /// The account whose events they are
    #[arg(long, value_name = "ID", env = "BELLWIRE_ACCOUNT")]
    pub(crate) account: Option<String>,
    /// Only events of these types, aliases and groups
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
    pub(crate) events: Vec<String>,
    /// Begin after the event with this seq; by default, with the next one
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) after: Option<i64>,
    /// What the endpoint chooses of the contract's options, such as '{"format":"form"}'; by default, nothing
    #[arg(long, value_name = "JSON")]
    pub(crate) options: Option<String>,
}

/// A consumer's own server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForwardUrl {
    /// Host and port.
    pub(crate) authority: String,
    /// `None`: each request keeps its own.
    pub(crate) path: Option<String>,
    /// What stands before the request's own query.
    pub(crate) query: Option<String>,
}

impl FromStr for ForwardUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write an http URL, as in http://localhost:3000/webhooks".to_owned();
        let url: http::Uri = text.parse().map_err(|_| wrong())?;
        let authority = url.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        if url.scheme() != Some(&http::uri::Scheme::HTTP) || authority.host().is_empty() {
            return Err(wrong());
        }
        let port = authority.port_u16().unwrap_or(80);
        let path = Some(url.path()).filter(|path| *path != "/").map(ToOwned::to_owned);
        let query = url.query().filter(|query| !query.is_empty()).map(ToOwned::to_owned);
        Ok(Self { authority: format!("{}:{port}", authority.host()), path, query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_urls() {
        let forward = |text: &str| text.parse::<ForwardUrl>().map(|url| (url.authority, url.path, url.query)).ok();
        assert_eq!(forward("http://localhost:3000"), Some(("localhost:3000".to_owned(), None, None)));
        let path = || Some("/a/b".to_owned());
        assert_eq!(forward("http://localhost/a/b"), Some(("localhost:80".to_owned(), path(), None)));
        assert_eq!(forward("http://localhost/a/b?c=d&e"), Some(("localhost:80".to_owned(), path(), Some("c=d&e".to_owned()))));
        assert_eq!(forward("http://localhost/?c=d"), Some(("localhost:80".to_owned(), None, Some("c=d".to_owned()))));
        assert_eq!(forward("http://[::1]:3000/"), Some(("[::1]:3000".to_owned(), None, None)));
        for text in ["", "localhost:3000", "https://localhost/", "http://", "http://u:p@localhost/", "/x"] {
            assert_eq!(forward(text), None, "{text}");
        }
    }
}
