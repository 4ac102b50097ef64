//! A page of Markdown as HTML, with its headings, and as text to search in.

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use crate::address::Target;
use crate::picture::{Picture, escape};
use crate::slugs::Slugs;

/// A rendered page.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    pub(crate) html: String,
    pub(crate) headings: Vec<Heading>,
    /// The text from one heading to the next; the first is what stands before any.
    pub(crate) sections: Vec<Section>,
}

/// A heading of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heading {
    pub(crate) level: u8,
    pub(crate) text: String,
    /// Its name in links.
    pub(crate) id: String,
}

/// What stands under a heading.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// Empty before the first one.
    pub(crate) heading: String,
    pub(crate) id: String,
    pub(crate) text: String,
}

/// Renders a page whose links lead where `resolve` says.
pub(crate) fn render(markdown: &str, resolve: &dyn Fn(&str) -> Target) -> Rendered {
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut writer = Writer {
        resolve,
        events: Vec::new(),
        slugs: Slugs::default(),
        headings: Vec::new(),
        sections: vec![Section::default()],
        heading: None,
        raw: None,
        link_ends: Vec::new(),
        cells: None,
    };
    for event in Parser::new_ext(markdown, options) {
        writer.take(event);
    }
    writer.finish()
}

/// What has been read of a page.
struct Writer<'a> {
    resolve: &'a dyn Fn(&str) -> Target,
    events: Vec<Event<'a>>,
    slugs: Slugs,
    headings: Vec<Heading>,
    sections: Vec<Section>,
    /// The heading that is being read: where it began, and its text so far.
    heading: Option<(usize, String)>,
    /// The HTML that is being read.
    raw: Option<String>,
    /// How the links that are open end.
    link_ends: Vec<Event<'a>>,
    /// In a table's head: how many cells there were, and where the open one began.
    cells: Option<(usize, usize)>,
}

impl<'a> Writer<'a> {
    fn take(&mut self, event: Event<'a>) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                self.heading = Some((self.events.len(), String::new()));
                self.events.push(event);
            }
            Event::End(TagEnd::Heading(level)) => self.end_heading(level),
            Event::Start(Tag::Link { ref dest_url, .. }) => match (self.resolve)(dest_url) {
                Target::Elsewhere => self.begin_link(event, Event::End(TagEnd::Link)),
                target => self.begin_own_link(&target),
            },
            Event::End(TagEnd::Link) => self.events.extend(self.link_ends.pop()),
            Event::Start(Tag::Image { dest_url, link_type, title, id }) => {
                let dest_url = match (self.resolve)(&dest_url) {
                    Target::Here(address) => address.into(),
                    Target::Elsewhere | Target::Repository(_) | Target::Nowhere => CowStr::Borrowed(""),
                };
                self.events.push(Event::Start(Tag::Image { link_type, dest_url, title, id }));
            }
            Event::Start(Tag::CodeBlock(kind)) => self.begin_code(&kind),
            Event::End(TagEnd::CodeBlock) => {
                self.write("</code></pre>\n");
                self.say(" ");
            }
            Event::Start(Tag::HtmlBlock) => self.raw = Some(String::new()),
            Event::End(TagEnd::HtmlBlock) => self.end_html(),
            Event::Html(html) | Event::InlineHtml(html) => {
                if let Some(raw) = &mut self.raw {
                    raw.push_str(&html);
                }
            }
            Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableCell)
            | Event::End(TagEnd::Table | TagEnd::TableHead | TagEnd::TableCell) => {
                self.take_of_table(event);
            }
            other => self.take_text(other),
        }
    }

    fn take_text(&mut self, event: Event<'a>) {
        match &event {
            Event::Text(text) | Event::Code(text) => self.say(text),
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::Paragraph | TagEnd::Item) => self.say(" "),
            _ => {}
        }
        self.events.push(event);
    }

    /// Adds to the text that is searched.
    fn say(&mut self, text: &str) {
        if let Some((_, heading)) = &mut self.heading {
            heading.push_str(text);
        } else if let Some(section) = self.sections.last_mut() {
            section.text.push_str(text);
        }
    }

    /// Adds HTML of ours.
    fn write(&mut self, html: impl Into<CowStr<'a>>) {
        self.events.push(Event::Html(html.into()));
    }

    fn end_heading(&mut self, heading_level: HeadingLevel) {
        let Some((began, text)) = self.heading.take() else { return };
        let (level, id) = (heading_level as u8, self.slugs.name(&text));
        if let Some(start) = self.events.get_mut(began) {
            let id = Some(CowStr::from(id.clone()));
            *start = Event::Start(Tag::Heading { level: heading_level, id, classes: Vec::new(), attrs: Vec::new() });
        }
        if level > 1 {
            let (id, label) = (escape(&id), escape(&text));
            self.write(format!(r##"<a class="here" href="#{id}" aria-label="Link to “{label}”"></a>"##));
        }
        self.events.push(Event::End(TagEnd::Heading(heading_level)));
        self.sections.push(Section { heading: text.clone(), id: id.clone(), text: String::new() });
        self.headings.push(Heading { level, text, id });
    }

    fn begin_link(&mut self, start: Event<'a>, end: Event<'a>) {
        self.events.push(start);
        self.link_ends.push(end);
    }

    /// A link to another page; what only the repository has is named and not linked.
    fn begin_own_link(&mut self, target: &Target) {
        let (start, end) = match target {
            Target::Here(address) => (format!(r#"<a href="{}">"#, escape(address)), "</a>"),
            Target::Elsewhere | Target::Nowhere => (String::new(), ""),
            Target::Repository(path) => (format!(r#"<span class="source" title="{}">"#, escape(path)), "</span>"),
        };
        self.begin_link(Event::InlineHtml(start.into()), Event::InlineHtml(end.into()));
    }

    /// A block that can be scrolled by keys where it is wider than the page.
    fn begin_code(&mut self, kind: &CodeBlockKind<'_>) {
        let language = match kind {
            CodeBlockKind::Fenced(language) => language.split_whitespace().next().unwrap_or_default(),
            CodeBlockKind::Indented => "",
        };
        self.write(format!(r#"<pre tabindex="0"><code class="language-{}">"#, escape(language)));
    }

    fn end_html(&mut self) {
        let raw = self.raw.take().unwrap_or_default();
        let address = |path: &str| match (self.resolve)(path) {
            Target::Here(address) => Some(address),
            Target::Elsewhere | Target::Repository(_) | Target::Nowhere => None,
        };
        if let Some(picture) = Picture::read(&raw).and_then(|picture| picture.html(address)) {
            self.write(format!("<p>{picture}</p>\n"));
        }
    }

    fn take_of_table(&mut self, event: Event<'a>) {
        match &event {
            Event::Start(Tag::Table(_)) => {
                self.write(r#"<div class="scroll" tabindex="0">"#);
                // How columns are aligned would be written as a style, which pages have none of.
                return self.events.push(Event::Start(Tag::Table(Vec::new())));
            }
            Event::Start(Tag::TableHead) => self.cells = Some((0, 0)),
            Event::Start(Tag::TableCell) => {
                if let Some((count, began)) = &mut self.cells {
                    (*count, *began) = (*count + 1, self.events.len());
                }
            }
            Event::End(TagEnd::TableCell) => {
                self.name_column();
                self.say(" ");
            }
            Event::End(TagEnd::TableHead) => self.cells = None,
            _ => {}
        }
        let is_end = matches!(event, Event::End(TagEnd::Table));
        self.events.push(event);
        if is_end {
            self.write("</div>\n");
        }
    }

    /// A column without a heading still has one for those who do not see the table.
    fn name_column(&mut self) {
        if let Some((count, began)) = self.cells
            && began + 1 == self.events.len()
        {
            let name = if count == 1 { "Name" } else { "Description" };
            self.events.push(Event::InlineHtml(format!(r#"<span class="hidden">{name}</span>"#).into()));
        }
    }

    fn finish(self) -> Rendered {
        let mut html = String::new();
        html::push_html(&mut html, self.events.into_iter());
        Rendered { html, headings: self.headings, sections: self.sections }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::resolve;

    fn rendered(markdown: &str) -> Rendered {
        render(markdown, &|link| resolve("docs/errors.md", link))
    }

    #[test]
    fn headings_have_names_and_sections_have_text() {
        let page = rendered("# Errors\n\nFirst `words`.\n\n## Too *late*\n\nLater.\n\n## Too late\n");
        let ids: Vec<_> = page.headings.iter().map(|heading| (heading.level, heading.id.as_str())).collect();
        assert_eq!(ids, [(1, "errors"), (2, "too-late"), (2, "too-late-1")]);
        assert!(page.html.contains(r##"<h2 id="too-late">Too <em>late</em><a class="here" href="#too-late""##), "{}", page.html);
        let texts: Vec<_> = page.sections.iter().map(|section| (section.heading.as_str(), section.text.trim())).collect();
        assert_eq!(texts, [("", ""), ("Errors", "First words."), ("Too late", "Later."), ("Too late", "")]);
    }

    #[test]
    fn links_are_followed_and_source_is_named() {
        let page = rendered("[a](operations.md#flags) [b](../crates/api) [c](https://example.com/?a=1&b=2)");
        assert_eq!(
            page.html.trim(),
            "<p><a href=\"/docs/operations#flags\">a</a> <span class=\"source\" title=\"crates/api\">b</span> \
             <a href=\"https://example.com/?a=1&amp;b=2\">c</a></p>"
        );
    }

    #[test]
    fn html_in_markdown_is_left_out_and_text_is_escaped() {
        let page =
            rendered("<script>alert(1)</script>\n\nA <b onclick=\"x()\">word</b> & `<i>`\n\n```\" onclick=\"x()\n<u>\n```\n");
        assert!(!page.html.contains("<script") && !page.html.contains("<b "), "{}", page.html);
        assert!(page.html.contains("<p>A word &amp; <code>&lt;i&gt;</code></p>"), "{}", page.html);
        assert!(page.html.contains("<code class=\"language-&quot;\">&lt;u&gt;\n</code>"), "{}", page.html);
    }

    #[test]
    fn a_javascript_link_leads_nowhere() {
        let page = rendered("[a](javascript:alert(1)) [b](data:text/html,x)");
        assert!(!page.html.contains("javascript:") && !page.html.contains("data:"), "{}", page.html);
    }

    #[test]
    fn a_table_can_be_scrolled_and_its_columns_have_names() {
        let page = rendered("| flag | |\n| --- | ---: |\n| a | b |\n");
        assert!(page.html.starts_with("<div class=\"scroll\" tabindex=\"0\"><table>"), "{}", page.html);
        assert!(page.html.contains("<th>flag</th><th><span class=\"hidden\">Description</span></th>"), "{}", page.html);
        assert!(page.html.trim_end().ends_with("</table>\n</div>") && !page.html.contains("style"), "{}", page.html);
    }
}
