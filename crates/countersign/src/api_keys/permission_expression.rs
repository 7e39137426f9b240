//! What is asked of a key: permissions, joined by `AND` and `OR`, with parentheses.
//!
//! `AND` binds closer than `OR`. An expression is bounded in length and depth before any
//! of it is looked at, and an error names the place.

use std::fmt;

use countersign_protocol::Permission;

/// Longest expression, in characters.
const MAX_LENGTH: usize = 1_000;
/// Most parentheses inside each other.
const MAX_DEPTH: usize = 16;

/// A question about permissions: `a AND (b OR c)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionExpression(Node);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Name(Box<str>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// Why a text is no expression, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// The character, counted from 1; one more than there are: the end.
    pub at: usize,
    /// What is wrong there.
    pub problem: ExpressionProblem,
}

/// What is wrong with an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionProblem {
    /// A character that neither a name nor the grammar has.
    #[error("`{}` is not accepted", .0.escape_debug())]
    Character(char),
    /// Too many parentheses inside each other.
    #[error("more than {MAX_DEPTH} parentheses are inside each other")]
    Depth,
    /// No name, no parenthesis.
    #[error("a permission or `(` is expected")]
    NoName,
    /// Two names, or a name and a parenthesis, side by side.
    #[error("`AND`, `OR`, `)` or the end is expected")]
    NoOperator,
    /// The expression is too long.
    #[error("an expression has at most {MAX_LENGTH} characters")]
    TooLong,
    /// A name is too long.
    #[error("the permission is longer than any can be")]
    TooLongName,
    /// A parenthesis that is not closed: the place is where it opens.
    #[error("the parenthesis is not closed")]
    Unclosed,
    /// A parenthesis that closes none.
    #[error("the parenthesis closes none")]
    Unopened,
    /// `*` is for what a key has.
    #[error("`*` stands in what a key has, never in what is asked for")]
    Wildcard,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.at, self.problem)
    }
}

impl std::error::Error for ExpressionError {}

impl PermissionExpression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`ExpressionError`] names the first place that is wrong.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.chars().nth(MAX_LENGTH).is_some() {
            return Err(ExpressionError { at: MAX_LENGTH + 1, problem: ExpressionProblem::TooLong });
        }
        let mut parser = Parser { text, at: 0, depth: 0 };
        let node = parser.any()?;
        match parser.peek() {
            None => Ok(Self(node)),
            Some(')') => Err(parser.error(ExpressionProblem::Unopened)),
            Some(other) => Err(parser.unexpected(other, ExpressionProblem::NoOperator)),
        }
    }

    /// Whether the answer is yes, where `has` says which of the permissions are had.
    pub fn is_met(&self, has: &dyn Fn(&str) -> bool) -> bool {
        self.0.is_met(has)
    }
}

impl Node {
    fn is_met(&self, has: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Name(name) => has(name),
            Self::All(nodes) => nodes.iter().all(|node| node.is_met(has)),
            Self::Any(nodes) => nodes.iter().any(|node| node.is_met(has)),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Bytes that are read.
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Node, ExpressionError> {
        let mut nodes = vec![self.all()?];
        while self.take_word("OR") {
            nodes.push(self.all()?);
        }
        Ok(alone(nodes, Node::Any))
    }

    fn all(&mut self) -> Result<Node, ExpressionError> {
        let mut nodes = vec![self.one()?];
        while self.take_word("AND") {
            nodes.push(self.one()?);
        }
        Ok(alone(nodes, Node::All))
    }

    fn one(&mut self) -> Result<Node, ExpressionError> {
        match self.peek() {
            Some('(') => self.parenthesized(),
            Some(character) if Permission::may_hold(character) => self.name(),
            Some(other) => Err(self.unexpected(other, ExpressionProblem::NoName)),
            None => Err(self.error(ExpressionProblem::NoName)),
        }
    }

    fn parenthesized(&mut self) -> Result<Node, ExpressionError> {
        let opens = self.at;
        if self.depth == MAX_DEPTH {
            return Err(self.error(ExpressionProblem::Depth));
        }
        self.depth += 1;
        self.at += 1;
        let node = self.any()?;
        match self.peek() {
            Some(')') => self.at += 1,
            None => return Err(self.error_at(opens, ExpressionProblem::Unclosed)),
            Some(other) => return Err(self.unexpected(other, ExpressionProblem::NoOperator)),
        }
        self.depth -= 1;
        Ok(node)
    }

    fn name(&mut self) -> Result<Node, ExpressionError> {
        let (begin, name) = (self.at, self.word());
        if matches!(name, "AND" | "OR") {
            return Err(self.error(ExpressionProblem::NoName));
        }
        if let Some(star) = name.find('*') {
            return Err(self.error_at(begin + star, ExpressionProblem::Wildcard));
        }
        if Permission::is_too_long(name) {
            return Err(self.error(ExpressionProblem::TooLongName));
        }
        self.at += name.len();
        Ok(Node::Name(name.into()))
    }

    /// Passes over an operator, if it is what comes next.
    fn take_word(&mut self, operator: &str) -> bool {
        self.skip_space();
        let is_next = self.word() == operator;
        if is_next {
            self.at += operator.len();
        }
        is_next
    }

    /// The characters of names that come next.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        rest.get(..rest.find(|character: char| !Permission::may_hold(character)).unwrap_or(rest.len())).unwrap_or_default()
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// A character that is of the grammar stands in the wrong place, any other nowhere.
    fn unexpected(&self, character: char, expected: ExpressionProblem) -> ExpressionError {
        let is_known = Permission::may_hold(character) || matches!(character, '(' | ')');
        self.error(if is_known { expected } else { ExpressionProblem::Character(character) })
    }

    fn error(&self, problem: ExpressionProblem) -> ExpressionError {
        self.error_at(self.at, problem)
    }

    fn error_at(&self, byte: usize, problem: ExpressionProblem) -> ExpressionError {
        let before = self.text.get(..byte).unwrap_or_default();
        ExpressionError { at: before.chars().count() + 1, problem }
    }
}

fn alone(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match (nodes.len(), nodes.pop()) {
        (1, Some(node)) => node,
        (_, last) => {
            nodes.extend(last);
            join(nodes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An expression as a tree, beside its text.
    #[derive(Clone, Debug)]
    enum Tree {
        Name(&'static str),
        And(Box<Self>, Box<Self>),
        Or(Box<Self>, Box<Self>),
    }

    impl Tree {
        fn is_met(&self, has: &dyn Fn(&str) -> bool) -> bool {
            match self {
                Self::Name(name) => has(name),
                Self::And(left, right) => left.is_met(has) && right.is_met(has),
                Self::Or(left, right) => left.is_met(has) || right.is_met(has),
            }
        }

        /// With no more parentheses than are needed: `AND` binds closer.
        fn short(&self) -> String {
            let inside = |tree: &Self| if matches!(tree, Self::Or(..)) { format!("({})", tree.short()) } else { tree.short() };
            match self {
                Self::Name(name) => (*name).to_owned(),
                Self::And(left, right) => format!("{} AND {}", inside(left), inside(right)),
                Self::Or(left, right) => format!("{} OR {}", left.short(), right.short()),
            }
        }

        /// With as many as there can be, and space in every place.
        fn long(&self) -> String {
            match self {
                Self::Name(name) => format!(" ( {name}\t)\n"),
                Self::And(left, right) => format!("({}AND{})", left.long(), right.long()),
                Self::Or(left, right) => format!("( {}\r\nOR {} )", left.long(), right.long()),
            }
        }
    }

    fn trees(depth: usize) -> Vec<Tree> {
        let mut all: Vec<Tree> = ["a", "b", "ANDY:c"].into_iter().map(Tree::Name).collect();
        if depth > 0 {
            let smaller = trees(depth - 1);
            for left in &smaller {
                for right in &smaller {
                    all.push(Tree::And(Box::new(left.clone()), Box::new(right.clone())));
                    all.push(Tree::Or(Box::new(left.clone()), Box::new(right.clone())));
                }
            }
        }
        all
    }

    fn refused(text: &str) -> (usize, ExpressionProblem) {
        let error = PermissionExpression::parse(text).unwrap_err();
        (error.at, error.problem)
    }

    #[test]
    fn every_expression_of_three_names_means_what_its_tree_means() {
        for tree in trees(2) {
            for text in [tree.short(), tree.long()] {
                let parsed = PermissionExpression::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
                for set in 0..8 {
                    let has = |name: &str| match name {
                        "a" => set & 1 != 0,
                        "b" => set & 2 != 0,
                        "ANDY:c" => set & 4 != 0,
                        other => panic!("{other}"),
                    };
                    assert_eq!(parsed.is_met(&has), tree.is_met(&has), "{text} {set}");
                }
            }
        }
    }

    #[test]
    fn every_short_text_is_read_or_refused_at_a_place_that_it_has() {
        let pieces = ["a", "AND", "OR", "(", ")", " ", "*", ".", "é", "\u{0}"];
        let mut texts = vec![String::new()];
        let (mut read, mut refused) = (0, 0);
        for _ in 0..5 {
            texts = texts.iter().flat_map(|text| pieces.iter().map(move |piece| format!("{text}{piece}"))).collect();
            for text in &texts {
                match PermissionExpression::parse(text) {
                    Ok(expression) => {
                        read += 1;
                        // Without a name there is no expression: with all of them it is met.
                        assert!(expression.is_met(&|_| true) && !expression.is_met(&|_| false), "{text}");
                        assert!(!text.contains(['*', 'é', '\u{0}']), "{text}");
                    }
                    Err(error) => {
                        refused += 1;
                        assert!((1..=text.chars().count() + 1).contains(&error.at), "{text:?}: {error}");
                    }
                }
            }
        }
        assert!(read > 100 && refused > 100_000, "{read} {refused}");
    }

    #[test]
    fn an_error_names_the_place() {
        for (text, at, problem) in [
            ("", 1, ExpressionProblem::NoName),
            ("   ", 4, ExpressionProblem::NoName),
            ("a AND", 6, ExpressionProblem::NoName),
            ("a AND AND b", 7, ExpressionProblem::NoName),
            ("OR a", 1, ExpressionProblem::NoName),
            ("a b", 3, ExpressionProblem::NoOperator),
            ("a and b", 3, ExpressionProblem::NoOperator),
            ("a (b)", 3, ExpressionProblem::NoOperator),
            ("(a b)", 4, ExpressionProblem::NoOperator),
            ("(a OR b", 1, ExpressionProblem::Unclosed),
            ("a OR (b AND (c)", 6, ExpressionProblem::Unclosed),
            ("()", 2, ExpressionProblem::NoName),
            ("a)", 2, ExpressionProblem::Unopened),
            ("a OR b.*", 8, ExpressionProblem::Wildcard),
            ("*", 1, ExpressionProblem::Wildcard),
            ("a && b", 3, ExpressionProblem::Character('&')),
            ("a\u{a0}AND b", 2, ExpressionProblem::Character('\u{a0}')),
            ("аdmin", 1, ExpressionProblem::Character('а')),
            ("NOT a", 5, ExpressionProblem::NoOperator),
        ] {
            assert_eq!(refused(text), (at, problem), "{text:?}");
        }
        let error = PermissionExpression::parse("a \u{202e}").unwrap_err().to_string();
        assert_eq!(error, "at character 3: `\\u{202e}` is not accepted");
    }

    #[test]
    fn length_and_depth_are_bounded() {
        let longest = format!("{}a", "a OR ".repeat(199));
        assert!(PermissionExpression::parse(&longest).is_ok());
        assert_eq!(refused(&format!("a{}", " ".repeat(MAX_LENGTH))), (1_001, ExpressionProblem::TooLong));
        assert_eq!(refused(&"é".repeat(100_000)), (1_001, ExpressionProblem::TooLong));
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(PermissionExpression::parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(refused(&nested(MAX_DEPTH + 1)), (MAX_DEPTH + 1, ExpressionProblem::Depth));
        assert_eq!(refused(&"(".repeat(MAX_LENGTH)), (MAX_DEPTH + 1, ExpressionProblem::Depth));
        // Side by side is not inside each other.
        assert!(PermissionExpression::parse(&format!("(a){}", " OR (a)".repeat(100))).is_ok());
        assert_eq!(refused(&format!("b OR {}", "a".repeat(129))), (6, ExpressionProblem::TooLongName));
        assert!(PermissionExpression::parse(&"a".repeat(128)).is_ok());
    }
}
