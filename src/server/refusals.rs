//! The problem codes of an operation, besides those of every operation. The OpenAPI document lists them with their
//! meanings.

use crate::diagnostic::Code::{self, *};

const PAGE: &[Code] = &[InvalidCursor];
const ITEMS: &[Code] =
    &[InvalidCursor, InvalidFilter, MaskedField, SuggestionsHidden, NoSuchRun, SearchNotReady];
const KEY: &[Code] = &[InvalidIdempotencyKey, IdempotencyKeyReused];
const ITEM: &[Code] = &[NoSuchItem];
const WORDS: &[Code] = &[CommentRequired, CommentTooLong];
const DECISION: &[Code] = &[
    AlreadyPending,
    ApproveTakesNoCode,
    InvalidReasonCode,
    InvalidTransition,
    MatchedByHand,
    NoReasonToApprove,
    ReasonCodeRequired,
    RejectTakesNoCode,
    SameReasonCode,
    Solo,
    Stale,
    SuggestionHidden,
    Superseded,
];
const PROPOSAL: &[Code] = &[NoSuchProposal, Closed, IfMatchRequired, Stale, Solo];
const APPROVAL: &[Code] =
    &[SelfApproval, SameApprover, OneAdministrator, DecidingToken, ReasonInactive];
const PASSWORD: &[Code] = &[PasswordShort, PasswordLong, PasswordCommon, TooManyLogins];
const MATCH: &[Code] = &[AlreadyPending, InvalidTransition, TooManyItems, UnmatchableRows];

pub fn of(operation: &str) -> Vec<Code> {
    let parts: &[&[Code]] = match operation {
        "queue" | "groups" => &[ITEMS],
        "queue_export" => &[ITEMS, &[TooManyExports]],
        "run_differences" => &[ITEMS],
        "run_export" => &[ITEMS, &[TooManyExports]],
        "item" => &[ITEM],
        "item_history" | "item_similar" => &[ITEM, PAGE],
        "item_comment" => &[ITEM, KEY, &[InvalidComment]],
        "item_assign" => &[ITEM, KEY, &[UnknownPerson]],
        "resolve" => &[ITEM, KEY, DECISION, WORDS, &[ActorMismatch]],
        "reopen" => &[ITEM, KEY, DECISION, WORDS, &[IfMatchRequired]],
        "sample" => &[ITEM, KEY, WORDS, &[InvalidReasonCode, NotASample]],
        "bulk_preview" => &[
            ITEMS,
            &[InvalidReasonCode, NothingLeft, ReasonCodeRequired, RejectTakesNoCode, TooManyItems],
        ],
        "bulk_commit" => &[KEY, WORDS, &[MembershipChanged, NothingLeft, PreviewExpired]],
        "match_candidates" => &[ITEM, &[UnmatchableRows]],
        "match_preview" => &[ITEM, MATCH],
        "match" => &[ITEM, KEY, MATCH, WORDS, &[InvalidReasonCode, ReasonCodeRequired]],
        "unmatch" => &[KEY, WORDS, &[AlreadyPending, InvalidTransition, NoSuchProposal]],
        "proposals" | "runs" | "audit" => &[PAGE],
        "proposal" => &[PAGE, &[NoSuchProposal]],
        "proposal_amend" => &[PROPOSAL, KEY, WORDS, DECISION],
        "proposal_approve" => {
            &[PROPOSAL, KEY, APPROVAL, &[CommentTooLong, ContentDiffers, Superseded]]
        }
        "proposal_return" => &[PROPOSAL, KEY, APPROVAL, WORDS],
        "proposal_withdraw" => &[PROPOSAL, KEY, &[NotContributor]],
        "reason_propose" => {
            &[KEY, WORDS, &[Exists, InvalidCode, InvalidDescription, NoSuchItem, TooManyExamples]]
        }
        "run" => &[&[NoSuchRun]],
        "audit_verify" => &[&[AlreadyVerifying]],
        "audit_export" => &[&[InvalidFilter, MaskedFields, TooManyExports]],
        "login" => &[&[WrongCredentials, TooManyAttempts, TooManyLogins]],
        "password_change" => {
            &[PASSWORD, &[NotYourPassword, PasswordSame, PasswordWrong, SessionRequired]]
        }
        "login_agree" => &[PASSWORD, &[NoSuchLogin, SessionRequired]],
        "token_create" => &[&[BadExpiry, BadScope, BadTokenName, DecidingToken, TokenByToken]],
        "token_revoke" => &[&[NoSuchToken, TokenByToken]],
        "user_create" => &[
            PASSWORD,
            &[BadLogin, BadPersonName, LoginTaken, NoSuchLogin, SeparationOfDuties, ServiceRoles],
            &[TokenByToken],
        ],
        "user_change" => {
            &[&[LastAdmin, NoSuchLogin, OwnRoles, SeparationOfDuties, ServiceRoles, TokenByToken]]
        }
        "user_invite" => &[&[AwaitsConsent, NoSuchLogin, ServiceRoles, TokenByToken]],
        "policy_propose" => &[KEY, WORDS, &[Exists, SamePolicy]],
        _ => &[],
    };
    let mut codes: Vec<Code> = parts.concat();
    codes.sort_unstable_by_key(|code| code.name());
    codes.dedup();
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::routes;

    #[test]
    fn every_code_has_a_status_and_every_operation_with_codes_exists() {
        let known = routes::all();
        let mut with_codes = 0;
        for route in &known {
            let codes = of(route.operation);
            with_codes += usize::from(!codes.is_empty());
            for code in codes {
                assert_ne!(code.status(), 500, "{}: {code}", route.operation);
            }
        }
        assert!(with_codes > 30, "{with_codes} operations have codes of their own");
    }
}
