//! Silences in the API's form.

use aiops_core::{Labels, MatchOp, Matcher, Selector, Timestamp};
use serde::Deserialize;

use super::{Change, short};
use crate::engine::{Silence, SilenceId};
use crate::json::{Json, object};

/// Largest body of a silence.
const MAX_BYTES: usize = 256 * 1024;

/// Other fields, such as those of an answer that is sent back with changes, are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<MatcherBody>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    comment: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatcherBody {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

/// A silence to begin, or what is wrong with it.
pub(super) fn read(body: &[u8], now: Timestamp) -> Result<Change, String> {
    if body.len() > MAX_BYTES {
        return Err(format!(
            "a silence of {} bytes, at most {MAX_BYTES} are taken",
            body.len()
        ));
    }
    let body: Body =
        serde_json::from_slice(body).map_err(|error| format!("expected a silence: {error}"))?;
    let time = |name: &str, text: &str| {
        let time = text.parse::<Timestamp>();
        time.map_err(|error| format!("`{name}`: {error}"))
    };
    let replaces = body.id.filter(|id| !id.is_empty());
    let replaces = replaces.map(|id| {
        let known = parse_id(&id);
        known.ok_or_else(|| format!("`id`: `{}` is no ID", short(&id)))
    });
    let matchers = body.matchers.into_iter().map(|one| {
        let op = match (one.is_equal, one.is_regex) {
            (true, false) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Matches,
            (false, true) => MatchOp::NotMatches,
        };
        if one.name.is_empty() {
            return Err("`matchers`: expected a name".to_owned());
        }
        Matcher::new(one.name, op, one.value).map_err(|error| format!("`matchers`: {error}"))
    });
    let matchers = Selector::new(matchers.collect::<Result<_, _>>()?);
    let starts = time("startsAt", &body.starts_at)?;
    let ends = time("endsAt", &body.ends_at)?;
    if ends <= now {
        return Err("`endsAt` must not be in the past".to_owned());
    }
    let mut silence = Silence::new(matchers, starts, ends);
    silence.created_by = body.created_by;
    silence.comment = body.comment;
    Ok(Change::Silence {
        replaces: replaces.transpose()?,
        silence,
    })
}

/// Where a silence stands, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Active,
    Pending,
    Expired,
}

pub(super) fn state(silence: &Silence, now: Timestamp) -> State {
    if silence.ends_at <= now {
        State::Expired
    } else if silence.starts_at > now {
        State::Pending
    } else {
        State::Active
    }
}

pub(super) fn write(id: SilenceId, silence: &Silence, now: Timestamp) -> Json {
    let state = state(silence, now);
    let updated = match state {
        State::Expired => silence.ends_at,
        _ => silence.starts_at,
    };
    let name = match state {
        State::Active => "active",
        State::Pending => "pending",
        State::Expired => "expired",
    };
    let matchers = silence.matchers.matchers().iter().map(|one| {
        let op = one.op();
        let regex = matches!(op, MatchOp::Matches | MatchOp::NotMatches);
        let equal = matches!(op, MatchOp::Matches | MatchOp::Equal);
        object([
            ("name", Json::text(one.name())),
            ("value", Json::text(one.value())),
            ("isRegex", Json::Bool(regex)),
            ("isEqual", Json::Bool(equal)),
        ])
    });
    object([
        ("id", Json::text(write_id(id))),
        ("status", object([("state", Json::text(name))])),
        ("updatedAt", Json::text(updated.to_string())),
        ("comment", Json::text(&silence.comment)),
        ("createdBy", Json::text(&silence.created_by)),
        ("startsAt", Json::text(silence.starts_at.to_string())),
        ("endsAt", Json::text(silence.ends_at.to_string())),
        ("matchers", Json::List(matchers.collect())),
        ("annotations", Json::Object(Vec::new())),
    ])
}

/// Whether a filter finds a silence: its matchers are looked at as if they were labels.
pub(super) fn is_found(filter: &Selector, silence: &Silence) -> bool {
    let matchers = silence.matchers.matchers().iter();
    let pairs = matchers.map(|one| (one.name(), one.value()));
    let mut labels = Labels::empty();
    for (name, value) in pairs {
        labels = labels.with(name, value);
    }
    filter.matches(&labels)
}

/// A UUID that counts up.
pub(super) fn write_id(id: SilenceId) -> String {
    format!(
        "00000000-0000-0000-{:04x}-{:012x}",
        id.0 >> 48,
        id.0 & 0xffff_ffff_ffff
    )
}

/// Reads the UUID, or `SIL-1`.
pub(super) fn parse_id(text: &str) -> Option<SilenceId> {
    if let Some(number) = text.strip_prefix("SIL-") {
        return number.parse().ok().map(SilenceId);
    }
    let is_uuid = text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if !is_uuid {
        return None;
    }
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    // Another program's UUID is a silence that there is not.
    Some(SilenceId(u64::try_from(number).unwrap_or(u64::MAX)))
}
