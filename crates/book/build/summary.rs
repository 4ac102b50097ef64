//! `SUMMARY.md` as mdBook has it: `# Part`, `- [Title](path)`, two spaces for each step down.

/// Chapters under a heading.
pub(crate) struct Part {
    pub(crate) title: String,
    pub(crate) chapters: Vec<Chapter>,
}

/// A page of the book.
pub(crate) struct Chapter {
    pub(crate) title: String,
    /// How far below the others of its part.
    pub(crate) depth: usize,
    /// From the root of the repository.
    pub(crate) path: String,
}

pub(crate) fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = vec![Part { title: String::new(), chapters: Vec::new() }];
    // The first heading is the page's own.
    for line in text.lines().skip_while(|line| !line.starts_with("# ")).skip(1).filter(|line| !line.trim().is_empty()) {
        if let Some(title) = line.strip_prefix("# ") {
            parts.push(Part { title: title.to_owned(), chapters: Vec::new() });
        } else {
            let chapter = chapter(line).ok_or_else(|| format!("docs/SUMMARY.md: this is neither a part nor a page: {line}"))?;
            parts.last_mut().ok_or("docs/SUMMARY.md has no part")?.chapters.push(chapter);
        }
    }
    Ok(parts)
}

fn chapter(line: &str) -> Option<Chapter> {
    let item = line.trim_start();
    let depth = (line.len() - item.len()) / 2;
    let (title, rest) = item.trim_start_matches("- ").strip_prefix('[')?.split_once("](")?;
    let target = rest.strip_suffix(')')?;
    let path = target.strip_prefix("../").map_or_else(|| format!("docs/{target}"), str::to_owned);
    Some(Chapter { title: title.to_owned(), depth, path })
}
