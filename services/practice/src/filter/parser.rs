//! Reads the text of a filter: the guards before parsing, the one thread that
//! parses (the parser recurses deeply, so it has a stack that the longest text
//! allowed cannot exhaust), and the memory of what was parsed.

use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock};

use cel::common::ast::SourceInfo;
use cel::parser::{Expression, ParseErrors};
use moka::sync::Cache;
use tokio::sync::oneshot;

use super::fault::{Fault, Spot};
use super::shape::{Node, shape};

/// Longest text, in bytes.
const LONGEST: usize = 2_048;
/// Deepest nesting of brackets that is even looked at.
const BRACKETS: usize = 16;
/// Deepest nesting that the parser follows.
const RECURSION: u16 = 24;
/// A text of 2 KiB needs at most 32 MiB in a debug build without the two
/// limits above, and 8 MiB with them.
const STACK: usize = 64 << 20;
/// How many parsed filters are kept.
const KEPT: u64 = 1_000;

type Parsed = Result<Arc<Node>, Fault>;
type Job = (String, oneshot::Sender<Parsed>);

/// What was parsed, and what was refused.
static PARSED: LazyLock<Cache<String, Parsed>> = LazyLock::new(|| Cache::new(KEPT));

/// The parser's thread; none when the machine gave none.
static PARSER: LazyLock<Option<Sender<Job>>> = LazyLock::new(|| {
    let (sender, jobs) = channel::<Job>();
    let work = move || {
        for (text, reply) in jobs {
            // Nobody waits for a reply whose call was dropped.
            let _ = reply.send(parse(&text));
        }
    };
    let thread = std::thread::Builder::new().name("filter-parser".into());
    thread.stack_size(STACK).spawn(work).ok().map(|_| sender)
});

/// The filter in a text.
pub(crate) async fn read(text: &str) -> Parsed {
    guard(text)?;
    if let Some(parsed) = PARSED.get(text) {
        return parsed;
    }
    let (reply, answer) = oneshot::channel();
    let parser = PARSER.as_ref().ok_or(Fault::Away)?;
    parser
        .send((text.to_owned(), reply))
        .map_err(|_| Fault::Away)?;
    let parsed = answer.await.map_err(|_| Fault::Away)?;
    PARSED.insert(text.to_owned(), parsed.clone());
    parsed
}

/// Refuses what is too long or too deep to be parsed.
fn guard(text: &str) -> Result<(), Fault> {
    if text.len() > LONGEST {
        let end = Spot {
            position: LONGEST,
            token: String::new(),
        };
        return Err(Fault::at(&end, format!("write at most {LONGEST} bytes")));
    }
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (position, c) in text.chars().enumerate() {
        match (quote, c) {
            (Some(_), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), c) if c == open && !escaped => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = false;
        if depth > BRACKETS {
            let token = c.to_string();
            return Err(Fault::at(&Spot { position, token }, "nest fewer brackets"));
        }
    }
    Ok(())
}

/// The syntax tree of a text, read on a thread of its own: for what is read
/// seldom and kept.
pub(crate) fn tree(text: &str) -> Result<Expression, Fault> {
    guard(text)?;
    let text = text.to_owned();
    let work = move || guarded(&text, |expression, _| Ok(expression));
    let thread = std::thread::Builder::new().name("condition-parser".into());
    let parsed = thread.stack_size(STACK).spawn(work);
    let parsed = parsed.map_err(|_| Fault::Away)?.join();
    parsed.map_err(|_| Fault::Away)?
}

fn parse(text: &str) -> Parsed {
    guarded(text, |expression, source| {
        shape(text, &source, &expression).map(Arc::new)
    })
}

/// Parses; a panic of the parser is an error of the text.
fn guarded<T>(
    text: &str,
    take: impl FnOnce(Expression, SourceInfo) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let work = AssertUnwindSafe(|| {
        let environment = cel::Env::default().with_optional_support(false);
        let parser = environment.parser().max_recursion_depth(RECURSION);
        let (expression, source) = parser
            .parse_with_source_info(text)
            .map_err(|errors| syntax(text, &errors))?;
        take(expression, source)
    });
    let unreadable = |_| Err(Fault::at(&Spot::default(), "it cannot be read as CEL"));
    std::panic::catch_unwind(work).unwrap_or_else(unreadable)
}

/// The first error of the parser, in our own words.
fn syntax(text: &str, errors: &ParseErrors) -> Fault {
    let (line, column) = errors.errors.first().map_or((1, 1), |error| error.pos);
    let line = usize::try_from(line).unwrap_or(1).max(1) - 1;
    let column = usize::try_from(column).unwrap_or(1).max(1) - 1;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    // The parser counts lines and characters here, bytes in its tree.
    let rest = text.get(start..).unwrap_or_default();
    let within = rest
        .char_indices()
        .nth(column)
        .map_or(rest.len(), |(at, _)| at);
    let spot = spot(text, start + within);
    let remedy = match spot.token.as_str() {
        "" => "the filter ends too early".to_owned(),
        "=" => "write == to compare".to_owned(),
        "AND" | "and" | "&" => "write && for and".to_owned(),
        "OR" | "or" | "|" => "write || for or".to_owned(),
        "NOT" | "not" => "write ! for not".to_owned(),
        token => format!("{token:?} is not expected here"),
    };
    Fault::at(&spot, remedy)
}

/// The word or sign that begins at a byte.
pub(crate) fn spot(text: &str, byte: usize) -> Spot {
    let start = (0..=byte.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let (before, rest) = text.split_at(start.unwrap_or_default());
    let word = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    let token = match rest.get(..word) {
        Some(word) if !word.is_empty() => word.to_owned(),
        _ => rest.chars().take(1).collect(),
    };
    Spot {
        position: before.chars().count(),
        token,
    }
}
