//! The rules of every account, in words.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::shared::Shared;
use super::wire::RuleView;

/// The rules of every account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RulesView {
    /// Whether, for any account, any breach closes everything and locks without end.
    strict_mode: bool,
    /// Every account's rules.
    accounts: Vec<AccountRules>,
}

/// An account's rules.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountRules {
    /// The broker's number of the account.
    id: i64,
    /// Its name.
    name: String,
    /// Whether any breach closes everything and locks without end.
    strict_mode: bool,
    /// Its rules, by code.
    rules: Vec<RuleView>,
}

/// Every rule in a sentence, and whether it is armed.
#[utoipa::path(get, path = "/rules", tag = "read", responses(
    (status = 200, body = RulesView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn rules(state: State<Arc<Shared>>) -> Result<Json<RulesView>, Problem> {
    let picture = state.0.picture().ok_or_else(|| Problem::unavailable("No account is watched yet."))?;
    Ok(Json(RulesView {
        strict_mode: picture.accounts.iter().any(|account| account.strict_mode),
        accounts: picture
            .accounts
            .iter()
            .map(|account| AccountRules {
                id: account.account_id.0,
                name: account.name.clone(),
                strict_mode: account.strict_mode,
                rules: account.rules.iter().map(RuleView::of).collect(),
            })
            .collect(),
    }))
}
