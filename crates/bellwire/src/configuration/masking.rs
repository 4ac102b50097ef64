//! What of a value nobody needs to see.

/// What is shown in the place of a secret.
pub(super) const MASK: &str = "***";

/// Whether a value is a URL with a password in it.
pub(super) fn has_password(value: &str) -> bool {
    without_password(value) != value
}

/// A URL without the password in it, before its host or in its query; anything else as it is.
pub(super) fn without_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{MASK}@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let query = query.map(|query| {
        let hidden = |pair: &str| match pair.split_once('=') {
            Some((name, _)) if name.contains("password") => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        };
        query.split('&').map(hidden).collect::<Vec<_>>().join("&")
    });
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{authority}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls() {
        for (url, shown) in [
            ("postgres://user:s3cret@db.example/b", "postgres://user:***@db.example/b"),
            (
                "--database=postgres://user:s3@cret@a:1,b:2/b?sslmode=require",
                "--database=postgres://user:***@a:1,b:2/b?sslmode=require",
            ),
            ("postgres://db.example/b?user=u&password=s3cret", "postgres://db.example/b?user=u&password=***"),
            ("postgres://db.example/b?sslpassword=s3cret&x", "postgres://db.example/b?sslpassword=***&x"),
        ] {
            assert_eq!(without_password(url), shown);
            assert!(has_password(url));
        }
        for plain in
            ["", "info", "postgres://user@db.example/b?sslmode=require", "https://hooks.example/a:b@c", "sqlite:a:b@c.db"]
        {
            assert_eq!(without_password(plain), plain);
        }
    }
}
