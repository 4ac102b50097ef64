//! The only HTML that pages may have in their Markdown: a picture, with another one for the dark.

/// A picture's addresses and what it shows, as they are written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picture<'a> {
    pub(crate) light: &'a str,
    pub(crate) dark: Option<&'a str>,
    pub(crate) alt: &'a str,
}

impl<'a> Picture<'a> {
    /// What a piece of HTML shows; `None` where it shows nothing.
    pub(crate) fn read(html: &'a str) -> Option<Self> {
        let (before, image) = html.split_once("<img ")?;
        let dark = before.split_once("<source ").and_then(|(_, source)| attribute(source, "srcset"));
        Some(Self { light: attribute(image, "src")?, dark, alt: attribute(image, "alt").unwrap_or_default() })
    }

    /// It as HTML, with addresses that a server has.
    pub(crate) fn html(&self, address: impl Fn(&str) -> Option<String>) -> Option<String> {
        let light = escape(&address(self.light)?);
        let dark = self
            .dark
            .and_then(address)
            .map(|dark| format!(r#"<source media="(prefers-color-scheme: dark)" srcset="{}">"#, escape(&dark)));
        let (dark, alt) = (dark.unwrap_or_default(), escape(self.alt));
        Some(format!(r#"<picture>{dark}<img src="{light}" alt="{alt}" loading="lazy"></picture>"#))
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}

/// Text for between quotes of an attribute.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_read_and_nothing_else() {
        let html = "<picture>\n  <source media=\"(prefers-color-scheme: dark)\" srcset=\"d.webp\">\n  <img src=\"l.webp\" alt=\"A & B\" onerror=\"x()\">\n</picture>";
        let picture = Picture::read(html).unwrap();
        assert_eq!(picture, Picture { light: "l.webp", dark: Some("d.webp"), alt: "A & B" });
        let shown = picture.html(|path| Some(format!("/docs/{path}"))).unwrap();
        assert_eq!(
            shown,
            "<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"/docs/d.webp\">\
             <img src=\"/docs/l.webp\" alt=\"A &amp; B\" loading=\"lazy\"></picture>"
        );
        assert_eq!(picture.html(|_| None), None);
        assert_eq!(Picture::read("<!-- run -->"), None);
        assert_eq!(Picture::read("<script>alert(1)</script>"), None);
    }
}
