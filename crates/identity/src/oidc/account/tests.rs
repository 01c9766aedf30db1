//! The linking rules of docs/adr/0009, as a table.

use Verdict::{Create, Join, Link, Open, Refuse};
use kernel::error::SignInRefusal::{LinkFirst, NotAdmitted, Unverified};

use super::*;

/// An account in a few letters: `d`isabled, `u`nconfirmed, `s`taff, `m`ember of the tenant,
/// `g`uarded by a second factor.
fn account(traits: &str) -> Account {
    Account {
        id: UserId::new(),
        email: "ada@acme.example".into(),
        email_as_typed: "ada@acme.example".into(),
        active: !traits.contains('d'),
        verified: !traits.contains('u'),
        staff: traits.contains('s'),
        guarded: traits.contains('g'),
        membership: traits.contains('m').then(|| Membership {
            role: "agent".into(),
            permissions: None,
        }),
    }
}

const TRUSTED: Trust = Trust::Platform {
    links: true,
    signs_up: true,
};
const CAUTIOUS: Trust = Trust::Platform {
    links: false,
    signs_up: false,
};
const ADMITS: Trust = Trust::Tenant { admits: true };
const ADMITS_NOT: Trust = Trust::Tenant { admits: false };

#[test]
fn somebody_who_is_known_is_let_in_while_their_account_is() {
    for (trust, known, verdict) in [
        (TRUSTED, "", Open),
        (CAUTIOUS, "", Open),
        (CAUTIOUS, "u", Open),
        (CAUTIOUS, "s", Open),
        // Then asked for the factor.
        (TRUSTED, "g", Open),
        (ADMITS_NOT, "mg", Open),
        (TRUSTED, "d", Refuse(NotAdmitted)),
        (ADMITS_NOT, "m", Open),
        (ADMITS_NOT, "md", Refuse(NotAdmitted)),
        // Removed from the tenant, and of a domain that may come in.
        (ADMITS, "", Refuse(NotAdmitted)),
    ] {
        let known = account(known);
        for confirmed in [true, false] {
            let found = decide(trust, Some(&known), confirmed, None, None);
            assert_eq!(found, verdict, "{trust:?} {known:?}");
        }
    }
}

#[test]
fn an_address_that_is_not_confirmed_opens_and_makes_nothing() {
    for trust in [TRUSTED, CAUTIOUS, ADMITS, ADMITS_NOT] {
        let found = decide(trust, None, false, None, None);
        assert_eq!(found, Refuse(Unverified), "{trust:?}");
    }
}

#[test]
fn accounts_are_linked_where_somebody_may_say_so() {
    for (trust, named, elsewhere, signed_in) in [
        (TRUSTED, "", Link, Link),
        (TRUSTED, "m", Link, Link),
        // Somebody else may have prepared it.
        (TRUSTED, "u", Refuse(LinkFirst), Link),
        (TRUSTED, "s", Refuse(LinkFirst), Link),
        (TRUSTED, "g", Refuse(LinkFirst), Link),
        (TRUSTED, "d", Refuse(NotAdmitted), Refuse(NotAdmitted)),
        (CAUTIOUS, "", Refuse(LinkFirst), Link),
        (CAUTIOUS, "s", Refuse(LinkFirst), Link),
        (ADMITS_NOT, "m", Link, Link),
        (ADMITS_NOT, "mu", Link, Link),
        (ADMITS_NOT, "ms", Link, Link),
        (ADMITS_NOT, "mg", Refuse(LinkFirst), Link),
        (ADMITS_NOT, "md", Refuse(NotAdmitted), Refuse(NotAdmitted)),
        (ADMITS_NOT, "", Refuse(NotAdmitted), Refuse(NotAdmitted)),
        // It exists outside of the tenant.
        (ADMITS, "", Refuse(LinkFirst), Join),
        (ADMITS, "s", Refuse(LinkFirst), Join),
        (ADMITS, "d", Refuse(NotAdmitted), Refuse(NotAdmitted)),
    ] {
        let named = account(named);
        let told = |here| decide(trust, None, true, Some(&named), here);
        assert_eq!(told(None), elsewhere, "{trust:?} {named:?}");
        // Being signed in as somebody else is no help.
        assert_eq!(told(Some(UserId::new())), elsewhere, "{trust:?} {named:?}");
        assert_eq!(told(Some(named.id)), signed_in, "{trust:?} {named:?}");
    }
}

#[test]
fn newcomers_get_an_account_where_they_may() {
    for (trust, verdict) in [
        (TRUSTED, Create),
        (CAUTIOUS, Refuse(NotAdmitted)),
        (ADMITS, Create),
        (ADMITS_NOT, Refuse(NotAdmitted)),
    ] {
        assert_eq!(decide(trust, None, true, None, None), verdict, "{trust:?}");
    }
}
