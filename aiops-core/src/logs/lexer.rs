//! Lines to words, and words to what they look like.

/// A part of a line: a word, a part of one, or a delimiter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) start: u32,
    pub(super) end: u32,
    /// Whether white space stands before it.
    pub(super) space: bool,
    pub(super) look: Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// One of [`DELIMITERS`].
    Delimiter,
    /// Letters, or punctuation that is not a delimiter.
    Constant,
    /// A number, an address, a path, an identity: never part of a template.
    Variable,
}

/// They end a word, and are tokens of their own.
const DELIMITERS: &[u8] = b"=,;()[]{}\"'|<>";

const SPACE: u16 = 1;
const DELIMITER: u16 = 1 << 1;
const DIGIT: u16 = 1 << 2;
const DOT: u16 = 1 << 3;
const SLASH: u16 = 1 << 4;
const COLON: u16 = 1 << 5;
const LETTER: u16 = 1 << 6;
/// `-`, `#`, `@`, `$`: join a word and a number.
const JOINT: u16 = 1 << 7;
const AT: u16 = 1 << 8;
const BACKSLASH: u16 = 1 << 9;
/// `!`, `?`.
const MARK: u16 = 1 << 10;
/// Everything else, letters outside ASCII included.
const OTHER: u16 = 1 << 11;

static FLAGS: [u16; 256] = flags();

const fn flags() -> [u16; 256] {
    let mut table = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => SPACE,
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'.' => DOT,
            b'/' => SLASH,
            b':' => COLON,
            b'-' | b'#' | b'$' => JOINT,
            b'@' => AT | JOINT,
            b'\\' => BACKSLASH,
            b'!' | b'?' => MARK,
            _ => OTHER,
        };
        byte += 1;
    }
    let mut index = 0;
    while index < DELIMITERS.len() {
        table[DELIMITERS[index] as usize] = DELIMITER;
        index += 1;
    }
    table
}

/// Splits `line` into `tokens`, which are replaced; at most `max` of them, the rest of the line is
/// left out.
pub(super) fn lex(line: &str, max: usize, tokens: &mut Vec<Token>) {
    tokens.clear();
    let bytes = line.as_bytes();
    let (mut at, mut space) = (0, false);
    while at < bytes.len() && tokens.len() < max {
        let flags = FLAGS[usize::from(bytes[at])];
        if flags == SPACE {
            space = true;
            at += 1;
            continue;
        }
        if flags == DELIMITER {
            push(tokens, at, at + 1, space, Look::Delimiter);
            space = false;
            at += 1;
            continue;
        }
        let start = at;
        let mut seen = flags;
        at += 1;
        while at < bytes.len() {
            let flags = FLAGS[usize::from(bytes[at])];
            if flags & (SPACE | DELIMITER) != 0 {
                break;
            }
            seen |= flags;
            at += 1;
        }
        let mut words = Words {
            bytes,
            tokens,
            space,
        };
        if seen == LETTER {
            let look = letters(&bytes[start..at]);
            words.push(start, at, look);
        } else {
            words.with_tail(start, at, seen);
        }
        space = false;
    }
}

fn push(tokens: &mut Vec<Token>, start: usize, end: usize, space: bool, look: Look) {
    tokens.push(Token {
        start: start as u32,
        end: end as u32,
        space,
        look,
    });
}

/// Splits one run between white space and delimiters.
struct Words<'a> {
    bytes: &'a [u8],
    tokens: &'a mut Vec<Token>,
    /// Whether white space stands before what is pushed next.
    space: bool,
}

impl Words<'_> {
    fn push(&mut self, start: usize, end: usize, look: Look) {
        push(self.tokens, start, end, self.space, look);
        self.space = false;
    }

    /// Takes the punctuation at the end off, as a token of its own.
    fn with_tail(&mut self, start: usize, end: usize, seen: u16) {
        let mut stop = end;
        if seen & (COLON | DOT | MARK) != 0 {
            while stop > start + 1
                && FLAGS[usize::from(self.bytes[stop - 1])] & (COLON | DOT | MARK) != 0
            {
                stop -= 1;
            }
        }
        self.split(start, stop, seen);
        if stop < end {
            self.push(stop, end, Look::Constant);
        }
    }

    fn split(&mut self, start: usize, end: usize, seen: u16) {
        let word = &self.bytes[start..end];
        if seen & DOT != 0
            && let Some((from, to)) = leader(word)
        {
            self.split(start, start + from, seen);
            self.push(start + from, start + to, Look::Constant);
            self.split(start + to, end, seen);
            return;
        }
        if seen & COLON != 0
            && let Some(colon) = name_and_value(word)
        {
            self.push(start, start + colon, look(&word[..colon]));
            self.push(start + colon, start + colon + 1, Look::Constant);
            self.split(start + colon + 1, end, seen);
            return;
        }
        if seen & DIGIT != 0
            && seen & (JOINT | DOT) != 0
            && let Some(number) = word_and_number(word)
        {
            self.push(start, start + number, Look::Constant);
            self.push(start + number, end, Look::Variable);
            return;
        }
        self.push(start, end, look(word));
    }
}

/// Where the dots of `name......value` start and end: three or more.
fn leader(word: &[u8]) -> Option<(usize, usize)> {
    let from = word.windows(3).position(|three| three == b"...")?;
    let dots = word[from..]
        .iter()
        .take_while(|&&byte| byte == b'.')
        .count();
    (from > 0 && from + dots < word.len()).then_some((from, from + dots))
}

/// Where the colon of `name:value` is.
fn name_and_value(word: &[u8]) -> Option<usize> {
    let colon = word.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&word[..colon], &word[colon + 1..]);
    let starts_well = name
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    let is_name = starts_well
        && name
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    let follows = value
        .first()
        .is_some_and(|b| !matches!(b, b':' | b'/' | b'\\'));
    if !is_name || !follows || value.windows(2).any(|two| two == b"::") {
        return None;
    }
    let is_host_and_port = name.contains(&b'.') && is_number(value);
    (!is_host_and_port && !is_hex(name)).then_some(colon)
}

/// Where the number of `word-12`, `word.12:3` and so on starts.
fn word_and_number(word: &[u8]) -> Option<usize> {
    let letters = word.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let joint = FLAGS[usize::from(*word.get(letters)?)];
    let number = &word[letters + 1..];
    let unsigned = number
        .strip_prefix(b"-")
        .or_else(|| number.strip_prefix(b"+"))
        .unwrap_or(number);
    let is_chain = unsigned
        .split(|b| matches!(b, b'-' | b'.' | b':'))
        .all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    (letters > 0 && joint & (JOINT | DOT) != 0 && is_chain).then_some(letters + 1)
}

fn look(word: &[u8]) -> Look {
    if is_variable(word) {
        Look::Variable
    } else {
        Look::Constant
    }
}

/// A word of letters only: variable when it is a truth value, nothing, or one of the two user
/// names that programs come with.
fn letters(word: &[u8]) -> Look {
    const VALUES: [&[u8]; 6] = [b"true", b"false", b"null", b"none", b"nil", b"nan"];
    let is_value = matches!(word.len(), 3..=5)
        && (VALUES.iter().any(|value| word.eq_ignore_ascii_case(value))
            || word == b"root"
            || word == b"admin");
    if is_value {
        Look::Variable
    } else {
        Look::Constant
    }
}

fn is_variable(word: &[u8]) -> bool {
    let mut seen = 0;
    let (mut digits, mut dots, mut slashes, mut backslashes) = (0, 0, 0, 0);
    for &byte in word {
        let flags = FLAGS[usize::from(byte)];
        seen |= flags;
        digits += usize::from(flags & DIGIT != 0);
        dots += usize::from(flags & DOT != 0);
        slashes += usize::from(flags & SLASH != 0);
        backslashes += usize::from(flags & BACKSLASH != 0);
    }
    if seen == LETTER {
        return letters(word) == Look::Variable;
    }
    if word.len() < 2 {
        return digits > 0;
    }
    let is_path = slashes > 0
        && slashes < word.len()
        && (word[0] == b'/'
            || slashes >= 2
            || dots > 0
            || digits > 0
            || word.windows(3).any(|three| three == b"://"));
    // Two dots make a host name or the path of a class; so do two backslashes a Windows path.
    let is_dotted = dots >= 2
        && seen & (SLASH | MARK | BACKSLASH | AT) == 0
        && seen & (LETTER | DIGIT) != 0
        && !word.windows(2).any(|two| two == b"..")
        && word
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$' | b'-'));
    if is_path || is_dotted || backslashes >= 2 || (seen & AT != 0 && dots > 0) {
        return true;
    }
    match digits {
        0 => false,
        1 => is_number(word) || !is_name_with_digit(word),
        _ => true,
    }
}

/// A name such as `eth0`, `ssh2` or `md5`: one digit among letters. More digits make a counter or
/// an identity.
fn is_name_with_digit(word: &[u8]) -> bool {
    let starts = word[0].is_ascii_alphabetic() || word[0] == b'_';
    starts && word.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Digits with a sign, separators, a fraction, an exponent and a percent sign.
fn is_number(word: &[u8]) -> bool {
    let word = match word {
        [b'-' | b'+', rest @ ..] => rest,
        word => word,
    };
    let word = word.strip_suffix(b"%").unwrap_or(word);
    word.first().is_some_and(u8::is_ascii_digit)
        && word
            .iter()
            .all(|&b| b.is_ascii_digit() || matches!(b, b',' | b'.' | b'e' | b'E' | b'-' | b'+'))
}

/// Hexadecimal with its prefix, or so many digits that it is no word.
fn is_hex(word: &[u8]) -> bool {
    let all = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    match word {
        [b'0', b'x' | b'X', digits @ ..] => all(digits),
        word => {
            let digits = word.iter().filter(|b| b.is_ascii_digit()).count();
            word.len() >= 4 && digits >= 2 && all(word)
        }
    }
}
