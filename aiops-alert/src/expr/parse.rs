//! From tokens to a tree.

use aiops_core::{METRIC_NAME, MatchOp, Matcher, Selector};

use super::ExpressionError;
use super::aggregate::Operation;
use super::binary::{Matching, Operator, Side};
use super::functions::Function;
use super::lex::{Token, error, tokens};

/// Deepest nesting.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Number(f64),
    Text(String),
    /// A selector; with a range the samples of that many milliseconds.
    Series {
        selector: Selector,
        range: Option<u64>,
        offset: i64,
    },
    Subquery {
        inner: Box<Node>,
        range: u64,
        step: u64,
        offset: i64,
    },
    Negate(Box<Node>),
    Binary {
        operator: Operator,
        /// Comparisons answer 0 or 1.
        as_number: bool,
        matching: Matching,
        left: Box<Node>,
        right: Box<Node>,
    },
    Call {
        function: Function,
        arguments: Vec<Node>,
    },
    Aggregate {
        operation: Operation,
        parameter: Option<Box<Node>>,
        inner: Box<Node>,
        without: bool,
        labels: Vec<String>,
    },
}

pub(super) fn parse(text: &str) -> Result<Node, ExpressionError> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        end: text.len(),
        depth: 0,
    };
    let node = parser.expression(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(node),
        Some((at, _)) => Err(error(*at, "expected an operator or the end")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(at, _)| *at)
    }

    fn fail<T>(&self, what: impl Into<String>) -> Result<T, ExpressionError> {
        Err(error(self.position(), what))
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), ExpressionError> {
        if self.eat(symbol) {
            Ok(())
        } else {
            self.fail(format!("expected `{symbol}`"))
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    /// The operator at hand, if it binds at least as strongly as `least`.
    fn operator(&self, least: u8) -> Option<Operator> {
        let operator = match self.peek()? {
            Token::Symbol(symbol) => Operator::from_text(symbol),
            Token::Word(word) => Operator::from_text(&word.to_ascii_lowercase()),
            _ => None,
        };
        operator.filter(|operator| operator.strength() >= least)
    }

    fn expression(&mut self, least: u8) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(format!("nested more than {MAX_DEPTH} deep"));
        }
        let mut left = self.unary()?;
        while let Some(operator) = self.operator(least) {
            self.at += 1;
            let as_number = self.eat_word("bool");
            if as_number && !operator.is_comparison() {
                return self.fail("`bool` belongs to comparisons");
            }
            let matching = self.matching()?;
            let stronger = operator.strength() + u8::from(!operator.groups_right());
            let right = self.expression(stronger)?;
            left = Node::Binary {
                operator,
                as_number,
                matching,
                left: Box::new(left),
                right: Box::new(right),
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn matching(&mut self) -> Result<Matching, ExpressionError> {
        let mut matching = Matching::default();
        if self.eat_word("on") {
            matching.on = true;
            matching.labels = self.labels()?;
        } else if self.eat_word("ignoring") {
            matching.labels = self.labels()?;
        } else {
            return Ok(matching);
        }
        for (word, side) in [("group_left", Side::Left), ("group_right", Side::Right)] {
            if self.eat_word(word) {
                matching.many = Some(side);
                if matches!(self.peek(), Some(Token::Symbol("("))) {
                    matching.include = self.labels()?;
                }
            }
        }
        Ok(matching)
    }

    fn labels(&mut self) -> Result<Vec<String>, ExpressionError> {
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.eat(")") {
            match self.peek().cloned() {
                Some(Token::Word(word) | Token::Text(word)) => labels.push(word),
                _ => return self.fail("expected a label name"),
            }
            self.at += 1;
            if !self.eat(",") && !matches!(self.peek(), Some(Token::Symbol(")"))) {
                return self.fail("expected `,` or `)`");
            }
        }
        Ok(labels)
    }

    fn unary(&mut self) -> Result<Node, ExpressionError> {
        if self.eat("-") {
            let inner = self.expression(Operator::Power.strength())?;
            return Ok(Node::Negate(Box::new(inner)));
        }
        if self.eat("+") {
            return self.expression(Operator::Power.strength());
        }
        let node = self.primary()?;
        self.suffixes(node)
    }

    fn primary(&mut self) -> Result<Node, ExpressionError> {
        match self.peek().cloned() {
            Some(Token::Number(value)) => {
                self.at += 1;
                Ok(Node::Number(value))
            }
            Some(Token::Span(millis)) => {
                self.at += 1;
                Ok(Node::Number(millis as f64 / 1_000.0))
            }
            Some(Token::Text(text)) => {
                self.at += 1;
                Ok(Node::Text(text))
            }
            Some(Token::Symbol("(")) => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(Token::Symbol("{")) => self.selector(None),
            Some(Token::Word(word)) => self.word(word),
            _ => self.fail("expected an expression"),
        }
    }

    fn word(&mut self, word: String) -> Result<Node, ExpressionError> {
        let start = self.position();
        self.at += 1;
        let opens = matches!(self.peek(), Some(Token::Symbol("(")));
        let modified = matches!(self.peek(), Some(Token::Word(next))
            if next.eq_ignore_ascii_case("by") || next.eq_ignore_ascii_case("without"));
        if (opens || modified)
            && let Some(operation) = Operation::from_text(&word.to_ascii_lowercase())
        {
            return self.aggregate(operation);
        }
        if !opens {
            return self.selector(Some(word));
        }
        let Some(function) = Function::from_text(&word) else {
            return Err(error(
                start,
                format!("the function `{word}` is not supported"),
            ));
        };
        self.at += 1;
        let arguments = self.arguments()?;
        let (least, most) = function.arguments();
        if arguments.len() < least || arguments.len() > most {
            let what = format!("`{word}` takes {least} to {most} arguments");
            return Err(error(start, what));
        }
        Ok(Node::Call {
            function,
            arguments,
        })
    }

    fn arguments(&mut self) -> Result<Vec<Node>, ExpressionError> {
        let mut arguments = Vec::new();
        while !self.eat(")") {
            arguments.push(self.expression(0)?);
            if !self.eat(",") && !matches!(self.peek(), Some(Token::Symbol(")"))) {
                return self.fail("expected `,` or `)`");
            }
        }
        Ok(arguments)
    }

    fn aggregate(&mut self, operation: Operation) -> Result<Node, ExpressionError> {
        let before = self.grouping()?;
        self.expect("(")?;
        let start = self.position();
        let mut arguments = self.arguments()?;
        let grouping = match before {
            Some(grouping) => Some(grouping),
            None => self.grouping()?,
        };
        let inner = arguments.pop();
        let parameter = arguments.pop();
        let fits = parameter.is_some() == operation.takes_parameter() && arguments.is_empty();
        let Some(inner) = inner.filter(|_| fits) else {
            return Err(error(start, "wrong number of arguments"));
        };
        let (without, labels) = grouping.unwrap_or((false, Vec::new()));
        Ok(Node::Aggregate {
            operation,
            parameter: parameter.map(Box::new),
            inner: Box::new(inner),
            without,
            labels,
        })
    }

    fn grouping(&mut self) -> Result<Option<(bool, Vec<String>)>, ExpressionError> {
        if self.eat_word("by") {
            return Ok(Some((false, self.labels()?)));
        }
        if self.eat_word("without") {
            return Ok(Some((true, self.labels()?)));
        }
        Ok(None)
    }

    fn selector(&mut self, metric: Option<String>) -> Result<Node, ExpressionError> {
        let start = self.position();
        let mut matchers = Vec::new();
        matchers.extend(metric.map(|name| Matcher::equal(METRIC_NAME, name)));
        if self.eat("{") {
            while !self.eat("}") {
                matchers.push(self.matcher()?);
                if !self.eat(",") && !matches!(self.peek(), Some(Token::Symbol("}"))) {
                    return self.fail("expected `,` or `}`");
                }
            }
        }
        if matchers.iter().all(|matcher| matcher.matches_value("")) {
            return Err(error(start, "a selector must not match every series"));
        }
        Ok(Node::Series {
            selector: Selector::new(matchers),
            range: None,
            offset: 0,
        })
    }

    fn matcher(&mut self) -> Result<Matcher, ExpressionError> {
        let Some(Token::Word(name) | Token::Text(name)) = self.peek().cloned() else {
            return self.fail("expected a label name");
        };
        self.at += 1;
        let operators = [
            ("=~", MatchOp::Matches),
            ("!~", MatchOp::NotMatches),
            ("!=", MatchOp::NotEqual),
            ("=", MatchOp::Equal),
        ];
        let found = operators.into_iter().find(|(symbol, _)| self.eat(symbol));
        let Some((_, op)) = found else {
            return self.fail("expected =, !=, =~ or !~");
        };
        let start = self.position();
        let Some(Token::Text(value)) = self.peek().cloned() else {
            return self.fail("expected a value in quotes");
        };
        self.at += 1;
        Matcher::new(name, op, value).map_err(|why| error(start, why.to_string()))
    }

    /// Ranges, subqueries and offsets behind an expression.
    fn suffixes(&mut self, mut node: Node) -> Result<Node, ExpressionError> {
        loop {
            if self.eat("[") {
                node = self.range(node)?;
            } else if self.eat_word("offset") {
                let sign = if self.eat("-") { -1 } else { 1 };
                let by = sign * self.span()? as i64;
                match &mut node {
                    Node::Series { offset, .. } | Node::Subquery { offset, .. } => *offset += by,
                    _ => return self.fail("`offset` belongs behind a selector"),
                }
            } else if matches!(self.peek(), Some(Token::Symbol("@"))) {
                return self.fail("`@` is not supported");
            } else {
                return Ok(node);
            }
        }
    }

    fn range(&mut self, node: Node) -> Result<Node, ExpressionError> {
        let span = self.span()?;
        if self.eat(":") {
            let step = match self.peek() {
                Some(Token::Symbol("]")) => 60_000,
                _ => self.span()?.max(1),
            };
            self.expect("]")?;
            return Ok(Node::Subquery {
                inner: Box::new(node),
                range: span,
                step,
                offset: 0,
            });
        }
        self.expect("]")?;
        match node {
            Node::Series {
                selector,
                range: None,
                offset,
            } => Ok(Node::Series {
                selector,
                range: Some(span),
                offset,
            }),
            _ => self.fail("a range belongs behind a selector"),
        }
    }

    fn span(&mut self) -> Result<u64, ExpressionError> {
        let span = match self.peek() {
            Some(Token::Span(millis)) => *millis,
            Some(Token::Number(secs)) if *secs >= 0.0 && *secs < 1e12 => (secs * 1_000.0) as u64,
            _ => return self.fail("expected a duration such as 5m"),
        };
        self.at += 1;
        Ok(span)
    }
}
