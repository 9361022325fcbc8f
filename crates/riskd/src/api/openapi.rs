//! The routes, and the document about them that is made from the code.

use std::sync::Arc;

use axum::Json;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shared::Shared;
use super::{accounts, acts, admin, database, enforcements, health, metrics, rules, stream, trader};

/// The document's head.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "riskd",
        description = "What the daemon sees and does, for the dashboard, the terminal, and programs of your own. Amounts \
                       are dollars, prices points, times RFC 3339 in UTC. Errors are problem details.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "read", description = "Reading: free on this machine, with the trader's token elsewhere."),
        (name = "watch", description = "For supervisors and monitoring."),
        (name = "session", description = "A trader's token, kept by the browser."),
        (name = "admin", description = "Administration: with an admin's session only; each act is audited."),
    ),
)]
struct Head;

/// Every route.
pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    let api = OpenApiRouter::new()
        .routes(routes!(accounts::overview))
        .routes(routes!(accounts::account))
        .routes(routes!(accounts::curve))
        .routes(routes!(accounts::history))
        .routes(routes!(enforcements::log))
        .routes(routes!(enforcements::latency))
        .routes(routes!(rules::rules))
        .routes(routes!(database::database))
        .routes(routes!(stream::stream))
        .routes(routes!(trader::begin))
        .routes(routes!(admin::login))
        .routes(routes!(admin::logout))
        .routes(routes!(admin::session))
        .routes(routes!(acts::unlock))
        .routes(routes!(acts::reload))
        .routes(routes!(acts::stop))
        .routes(routes!(acts::test_alerts))
        .route("/openapi.json", axum::routing::get(served));
    OpenApiRouter::with_openapi(Head::openapi())
        .nest("/api/v1", api)
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
}

/// The OpenAPI document, as it is served at `/api/v1/openapi.json`.
pub fn document() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

async fn served() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
