//! A page for each stable code: `docs/errors/`, `GET /errors/CS-nnnn`, `countersign error-page`.

mod texts;

use countersign_protocol::ErrorCode;

use texts::text_of;

/// What a page says besides the code's meaning.
#[derive(Clone, Copy, Debug)]
struct PageText {
    /// What leads to it.
    why: &'static str,
    /// A command that produces it against `countersign dev`.
    see: Option<&'static str>,
    /// What to do.
    mend: &'static str,
    /// The section that asks for it.
    section: &'static str,
}

/// The code that is written `CS-nnnn`.
pub fn named(name: &str) -> Option<ErrorCode> {
    ErrorCode::ALL.iter().copied().find(|code| code.as_str() == name)
}

/// The page of a code, as Markdown.
pub fn page(code: ErrorCode) -> String {
    let PageText { why, see, mend, section } = text_of(code);
    let see = match see {
        Some(command) => format!("## How to see it\n\nWith `countersign dev` running:\n\n```sh\n{command}\n```\n\n"),
        None => String::new(),
    };
    format!(
        "<!-- Generated from the program; do not edit. -->\n# {code}\n\n{}\n\n## Why it happens\n\n{why}\n\n{see}## How to mend it\n\n\
         {mend}\n\nSpecification: {section}.\n",
        code.meaning()
    )
}

/// The list of all pages, as Markdown.
pub fn index() -> String {
    let mut index = "<!-- Generated from the program; do not edit. -->\n# Error codes\n\nAn OAuth error carries its code in the \
                     header `Countersign-Error`, a problem document in `code`. A number never changes its meaning.\n\n\
                     | code | meaning |\n|---|---|\n"
        .to_owned();
    for code in ErrorCode::ALL {
        index.push_str(&format!("| [{code}]({code}.md) | {} |\n", code.meaning()));
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_says_why_and_what_to_do() {
        for code in ErrorCode::ALL {
            let page = page(*code);
            let text = text_of(*code);
            assert!(page.contains(code.meaning()) && text.why.ends_with('.') && text.mend.ends_with('.'), "{code}");
            assert!(index().contains(&format!("[{code}]({code}.md)")), "{code}");
            assert_eq!(named(code.as_str()), Some(*code));
        }
        assert_eq!(named("CS-0000"), None);
        assert_eq!(named("cs-1001"), None);
    }
}
