//! What may be done, how often, and to how much at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use aiops_core::{ParamError, Selector};

/// Whether an action may be carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Permission {
    /// It is proposed to people, and never carried out.
    #[default]
    Deny,
    /// Once a person has approved it, by name.
    Ask,
    /// Without asking.
    Allow,
}

/// A token bucket: `burst` at once, and one more each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct RateConfig {
    /// At least 1.
    pub burst: u32,
    /// Longer than 0.
    pub every: Duration,
}

/// What an action is done to.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum TargetConfig {
    /// What this label of the alert names; an alert without it is passed over.
    Label(String),
    /// The likeliest cause of the incident, when its probability is at least this, in `[0, 1]`; an
    /// incident without one is passed over.
    Cause(f64),
}

/// One action.
///
/// The default is denied and has no selector, which is refused: both have to be written down.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ActionConfig {
    /// Whether it may be carried out.
    pub permission: Permission,
    /// Alerts that it is for. At least one matcher must not match a missing label.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::selector"))]
    pub when: Selector,
    /// What it is done to.
    pub target: TargetConfig,
    /// Targets of actions with the same pool are counted together. Not empty.
    pub pool: String,
    /// How often, over all targets.
    pub rate: RateConfig,
    /// Time between two of it to one target.
    pub cooldown: Duration,
    /// Most targets of the pool that are in work or were within `blast_window`. At least 1.
    pub max_targets: u32,
    /// The same as a share of the targets that are healthy when it begins, rounded down; in `(0, 1]`.
    /// The smaller of the two counts.
    pub max_share: f64,
    /// How long a target counts after its action began.
    pub blast_window: Duration,
    /// After this many failures in a row nothing more is begun for `pause`, and then one at a time
    /// until one succeeds. At least 1.
    pub max_failures: u32,
    /// See `max_failures`.
    pub pause: Duration,
    /// Time to carry it out, or to roll it back; longer than 0.
    pub execute_within: Duration,
    /// Time until its success must show; longer than 0.
    pub verify_within: Duration,
    /// Whether it can be taken back; a failure then is, and otherwise a person is called.
    pub can_roll_back: bool,
    /// Alerts about the target that begin while it is in work, and for this long after, are taken as
    /// its own effect.
    pub settle: Duration,
    /// Alerts that are taken as its effect wherever they are; none by default.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::selectors"))]
    pub effects: Vec<Selector>,
}

impl Default for ActionConfig {
    fn default() -> Self {
        Self {
            permission: Permission::Deny,
            when: Selector::all(),
            target: TargetConfig::Label("instance".to_owned()),
            pool: "all".to_owned(),
            rate: RateConfig {
                burst: 3,
                every: Duration::from_mins(10),
            },
            cooldown: Duration::from_mins(30),
            max_targets: 3,
            max_share: 0.1,
            blast_window: Duration::from_mins(10),
            max_failures: 3,
            pause: Duration::from_hours(1),
            execute_within: Duration::from_mins(5),
            verify_within: Duration::from_mins(10),
            can_roll_back: false,
            settle: Duration::from_mins(5),
            effects: Vec::new(),
        }
    }
}

/// What may be done at all. Without actions, nothing.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RemediationConfig {
    /// The actions by name. What is not here is denied.
    pub actions: BTreeMap<String, ActionConfig>,
    /// How often anything, to one target.
    pub target_rate: RateConfig,
    /// How often anything at all.
    pub overall_rate: RateConfig,
    /// What is known when an action begins may be this old; also how far it may lie ahead.
    pub fresh_within: Duration,
    /// How long a plan may be begun.
    pub plan_valid_for: Duration,
    /// Longest validity of an approval.
    pub approval_valid_for: Duration,
    /// How long it is remembered what an action may have caused: an alert that it raised is not
    /// acted upon for this long, however long it fires. Longer than 0.
    pub effects_remembered_for: Duration,
    /// Most plans that are kept; further ones are refused. At least 1.
    pub max_plans: usize,
}

impl Default for RemediationConfig {
    fn default() -> Self {
        Self {
            actions: BTreeMap::new(),
            target_rate: RateConfig {
                burst: 2,
                every: Duration::from_mins(30),
            },
            overall_rate: RateConfig {
                burst: 5,
                every: Duration::from_mins(5),
            },
            fresh_within: Duration::from_mins(1),
            plan_valid_for: Duration::from_hours(1),
            approval_valid_for: Duration::from_mins(30),
            effects_remembered_for: Duration::from_hours(7 * 24),
            max_plans: 1_000,
        }
    }
}

impl RemediationConfig {
    pub(super) fn check(&self) -> Result<(), ParamError> {
        for (name, action) in &self.actions {
            if name.is_empty() {
                return Err(ParamError::new(
                    "actions",
                    "names that are not empty",
                    "\"\"",
                ));
            }
            action.check()?;
        }
        rate("target_rate", self.target_rate)?;
        rate("overall_rate", self.overall_rate)?;
        positive("fresh_within", self.fresh_within)?;
        positive("plan_valid_for", self.plan_valid_for)?;
        positive("approval_valid_for", self.approval_valid_for)?;
        positive("effects_remembered_for", self.effects_remembered_for)?;
        at_least_one("max_plans", self.max_plans)
    }

    /// For how long a run that is over still matters.
    pub(super) fn memory(&self) -> Duration {
        let actions = self.actions.values();
        let longest = actions.map(|action| action.blast_window.max(action.settle));
        let longest = longest.max().unwrap_or_default();
        longest.max(self.effects_remembered_for)
    }
}

impl ActionConfig {
    fn check(&self) -> Result<(), ParamError> {
        let anything = |selector: &Selector| {
            let mut matchers = selector.matchers().iter();
            matchers.all(|matcher| matcher.matches_value(""))
        };
        if anything(&self.when) || self.effects.iter().any(anything) {
            let expected = "a matcher that does not match a missing label";
            return Err(ParamError::new("when, effects", expected, &self.when));
        }
        if self.pool.is_empty() {
            return Err(ParamError::new("pool", "not empty", "\"\""));
        }
        if let TargetConfig::Cause(least) = self.target
            && !(0.0..=1.0).contains(&least)
        {
            return Err(ParamError::new(
                "target",
                "a probability from 0 to 1",
                least,
            ));
        }
        if !(self.max_share > 0.0 && self.max_share <= 1.0) {
            let expected = "greater than 0, at most 1";
            return Err(ParamError::new("max_share", expected, self.max_share));
        }
        rate("rate", self.rate)?;
        positive("execute_within", self.execute_within)?;
        positive("verify_within", self.verify_within)?;
        at_least_one("max_targets", self.max_targets as usize)?;
        at_least_one("max_failures", self.max_failures as usize)
    }
}

fn rate(name: &'static str, rate: RateConfig) -> Result<(), ParamError> {
    at_least_one(name, rate.burst as usize)?;
    positive(name, rate.every)
}

fn positive(name: &'static str, span: Duration) -> Result<(), ParamError> {
    if span.is_zero() {
        Err(ParamError::new(name, "longer than 0", "0"))
    } else {
        Ok(())
    }
}

fn at_least_one(name: &'static str, count: usize) -> Result<(), ParamError> {
    if count == 0 {
        Err(ParamError::new(name, "at least 1", count))
    } else {
        Ok(())
    }
}
