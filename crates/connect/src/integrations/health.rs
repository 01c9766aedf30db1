//! How an account does, from what its tests found, and what its tenant is to do next.

use serde::Serialize;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::{catalogue::Reason, verify::Outcome};

/// How long before a credential's end its tenant is told to replace it.
const ENDING: Duration = Duration::days(14);

/// How a credential does. In the order of how much it matters: a provider does as the credential of
/// it that does worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IntegrationHealth)]
pub enum Health {
    /// The latest test found it good.
    Healthy,
    /// Not tested since it was saved, or the provider has nothing that could be asked.
    Untested,
    /// Good, and at its end within two weeks.
    Ending,
    /// The latest test learned nothing: the provider did not answer, or not to the question.
    Unreachable,
    /// Values that calls need are missing.
    Incomplete,
    /// The provider refuses it.
    Refused,
}

impl Health {
    pub const ALL: [Self; 6] = [
        Self::Healthy,
        Self::Untested,
        Self::Ending,
        Self::Unreachable,
        Self::Incomplete,
        Self::Refused,
    ];

    pub(super) fn of(
        outcome: Option<Outcome>,
        reason: Option<Reason>,
        ends: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Self {
        match (outcome, reason) {
            (None, _) => Self::Untested,
            (Some(Outcome::Refused), _) => Self::Refused,
            (Some(Outcome::Unknown), Some(Reason::Incomplete)) => Self::Incomplete,
            (Some(Outcome::Unknown), _) => Self::Unreachable,
            (Some(Outcome::Good), _) if ends.is_some_and(|end| end - now < ENDING) => Self::Ending,
            (Some(Outcome::Good), _) => Self::Healthy,
        }
    }

    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Untested => "untested",
            Self::Ending => "ending",
            Self::Unreachable => "unreachable",
            Self::Incomplete => "incomplete",
            Self::Refused => "refused",
        }
    }

    /// Whether somebody has to look at it.
    pub fn needs_attention(self) -> bool {
        self >= Self::Ending
    }
}

/// What the tenant is to do next about a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IntegrationNext)]
pub enum Next {
    /// Connect an account.
    Connect,
    /// Do as the advice says: the provider refuses a credential.
    Mend,
    /// Add the values that are missing.
    Complete,
    /// Replace what ends soon.
    Renew,
    /// Finish at the provider: no webhook has come since the account was connected.
    Webhook,
    /// Wait: the test is repeated by itself.
    Wait,
    Nothing,
}

impl Next {
    /// `awaits` says that the provider sends webhooks, is let in, and has sent none so far.
    pub(super) fn of(health: Option<Health>, awaits: bool) -> Self {
        match health {
            None => Self::Connect,
            Some(Health::Refused) => Self::Mend,
            Some(Health::Incomplete) => Self::Complete,
            Some(Health::Ending) => Self::Renew,
            Some(Health::Unreachable) => Self::Wait,
            Some(Health::Healthy | Health::Untested) if awaits => Self::Webhook,
            Some(Health::Healthy | Health::Untested) => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-03-14 12:00 UTC);

    #[test]
    fn tests_become_health() {
        let of = |outcome, reason| Health::of(Some(outcome), reason, None, NOW);
        assert_eq!(Health::of(None, None, None, NOW), Health::Untested);
        assert_eq!(of(Outcome::Good, None), Health::Healthy);
        let refused = Some(Reason::InvalidCredential);
        assert_eq!(of(Outcome::Refused, refused), Health::Refused);
        let missing = Some(Reason::Incomplete);
        assert_eq!(of(Outcome::Unknown, missing), Health::Incomplete);
        let down = Some(Reason::ProviderUnavailable);
        assert_eq!(of(Outcome::Unknown, down), Health::Unreachable);
        for (days, health) in [
            (-1, Health::Ending),
            (13, Health::Ending),
            (14, Health::Healthy),
        ] {
            let end = Some(NOW + Duration::days(days));
            assert_eq!(Health::of(Some(Outcome::Good), None, end, NOW), health);
        }
    }

    #[test]
    fn the_worst_comes_last_and_needs_somebody() {
        assert!(Health::ALL.is_sorted());
        let calm: Vec<_> = Health::ALL
            .into_iter()
            .filter(|health| !health.needs_attention())
            .collect();
        assert_eq!(calm, [Health::Healthy, Health::Untested]);
    }

    #[test]
    fn what_is_next_follows_from_health() {
        assert_eq!(Next::of(None, true), Next::Connect);
        assert_eq!(Next::of(Some(Health::Refused), true), Next::Mend);
        assert_eq!(Next::of(Some(Health::Healthy), true), Next::Webhook);
        assert_eq!(Next::of(Some(Health::Healthy), false), Next::Nothing);
    }
}
